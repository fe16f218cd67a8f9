#!/usr/bin/env bash
# Installs what a fresh Debian 12 lacks to build diffx's tests, examples and benchmarks. The library
# itself needs only a C++20 compiler. What is installed already is left alone.
#
#   --ci      also clang 14 and clang-format 14, for the second compiler and the format check
#   --train   also the Fashion-MNIST images and NumPy, to train the image example's models anew
#   --torch   also LibTorch, for the diffx::torch adapter (about 900 MB)
set -euo pipefail

packages=(g++ make cmake libeigen3-dev nlohmann-json3-dev libstb-dev doctest-dev libbenchmark-dev
          libtbb-dev libthrust-dev libcub-dev)
for argument in "$@"; do
  case "$argument" in
    --ci) packages+=(clang-14 libomp-14-dev clang-format-14) ;;
    --train) packages+=(dataset-fashion-mnist python3-numpy) ;;
    --torch) packages+=(libtorch-dev) ;;
    *) echo "usage: $0 [--ci] [--train] [--torch]" >&2; exit 2 ;;
  esac
done

if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
  echo "This system has no apt-get. Please install what corresponds to these Debian packages:" >&2
  echo "  ${packages[*]}" >&2
  exit 1
fi

missing=()
for package in "${packages[@]}"; do
  state=$(dpkg-query -W -f='${db:Status-Abbrev}' "$package" 2>/dev/null || true)
  [[ $state == ii* ]] || missing+=("$package")
done
if ((${#missing[@]} == 0)); then
  echo "Dependencies: all ${#packages[@]} packages are installed."
  exit 0
fi

as_root=()
if (($(id -u) != 0)); then
  if ! command -v sudo >/dev/null; then
    echo "Not root, and there is no sudo. Please install: ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi

apt() {
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 \
    -o Acquire::Retries=3 -qq "$@" </dev/null
}

# Another process may hold apt's locks, and mirrors fail now and then.
with_retries() {
  local attempt
  for attempt in 1 2 3 4 5 6; do
    if "$@"; then return 0; fi
    echo "apt-get failed (attempt $attempt of 6); trying again in $((10 * attempt)) s" >&2
    sleep $((10 * attempt))
  done
  return 1
}

install_missing() { apt install -y --no-install-recommends "${missing[@]}" >/dev/null; }

echo "Dependencies: installing ${missing[*]}"
with_retries apt update
with_retries install_missing
