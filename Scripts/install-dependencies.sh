#!/bin/bash
# Installs the Debian packages that are missing. Says nothing and asks for nothing when all are
# there; asks for root, through sudo, only when something is missing.
#
#   Scripts/install-dependencies.sh         what building and running need
#   Scripts/install-dependencies.sh test    what the tests need besides
set -euo pipefail

packages=(
    pkg-config libuv1-dev libnghttp2-dev liblmdb-dev libprotobuf-c-dev libssl-dev libcrypt-dev zlib1g-dev
    libzstd-dev
)
case "${1:-}" in
"") ;;
test) packages+=(protobuf-c-compiler etcd-client python3-venv curl openssl) ;;
*)
    echo "usage: $0 [test]" >&2
    exit 64
    ;;
esac

command -v swift >/dev/null || {
    echo "The Swift toolchain (6.2 or later) is missing: see https://www.swift.org/install" >&2
    exit 69
}
command -v dpkg-query >/dev/null || {
    echo "This is not Debian; make sure you have the like of: ${packages[*]}" >&2
    exit 0
}

missing=()
for package in "${packages[@]}"; do
    status=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true)
    [ "$status" = "install ok installed" ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

echo "Installing Debian packages: ${missing[*]}"
root=()
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || {
        echo "This needs root: apt-get install ${missing[*]}" >&2
        exit 77
    }
    root=(sudo)
fi
apt() {
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get -qq -o Dpkg::Use-Pty=0 "$@" >/dev/null
}
apt update
apt install -y --no-install-recommends "${missing[@]}"
