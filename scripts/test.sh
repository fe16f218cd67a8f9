#!/usr/bin/env bash
# Builds the tests and runs them. Installs missing Debian packages first.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

scripts/install_dependencies.sh
cmake --preset release
cmake --build --preset release --parallel "$(nproc)"
ctest --preset release "$@"
