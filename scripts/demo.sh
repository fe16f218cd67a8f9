#!/usr/bin/env bash
# Builds the image example and samples a sheet of garments with it. Installs missing Debian packages
# first. Arguments go to the program.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

scripts/install_dependencies.sh
cmake --preset release
cmake --build --preset release --parallel "$(nproc)" --target diffx_image

output=$PWD/build/release/demo
mkdir -p "$output"
(cd "$output" && "$OLDPWD/build/release/bin/diffx_image" "$@")
pictures=$(find "$output" -name '*.png' -newer build/release/bin/diffx_image | sort)
if [[ -n $pictures ]]; then printf '\nPictures:\n%s\n' "$pictures"; fi
