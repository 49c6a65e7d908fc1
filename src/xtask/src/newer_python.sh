#!/bin/sh
# Runs the tests of the Python package on the newest Python of Debian, whose libraries are newer too, in a root
# folder that is made once.
#
# usage: newer_python.sh FOLDER SERVER
#
# The wheel is in FOLDER/wheel.
#
# It needs root and debootstrap. What it mounts is seen by its own processes only, and goes with them.
set -eu
folder=$1 server=$2
repository=$(cd "$(dirname "$0")/../../.." && pwd)
suite=testing

if [ "$(id -u)" != 0 ]; then
    echo "$0: needs root, for debootstrap and chroot" >&2
    exit 1
fi
if [ ! -e "$folder/made" ]; then
    rm -rf "$folder/root"
    mkdir -p "$folder/root"
    debootstrap --variant=minbase --include=python3-venv,ca-certificates,libcurl4t64,libkrb5-3,openssl \
        $suite "$folder/root" >"$folder/debootstrap.log" 2>&1 || { tail "$folder/debootstrap.log" >&2 && exit 1; }
    touch "$folder/made"
fi

export root="$folder/root" wheels="$folder/wheel" repository server
exec unshare --mount sh -eu <<'INSIDE'
mkdir -p "$root$repository"
mount --bind "$repository" "$root$repository"
mount -t proc proc "$root/proc"
mount --bind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/tmp"
cp "$wheels"/*.whl "$root/tmp/"
cp "$server" "$root/tmp/serve"
# Certificates that this machine trusts, for pip.
cp /etc/resolv.conf "$root/etc/"
mount --bind /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
exec chroot "$root" sh -eu <<'TESTS'
cd "$repository/bindings/python"
export PYTHONDONTWRITEBYTECODE=1 PIP_DISABLE_PIP_VERSION_CHECK=1 BITSUP_TEST_SERVER=/tmp/serve
# Notes for the step can be left below the repository only.
[ -d "${BITSUP_RULES_DIR-}" ] || unset BITSUP_RULES_DIR BITSUP_SKIPS_DIR
python3 -m venv /tmp/environment
# Those that check types and build are of no use here.
grep -vE '^(maturin|mypy|pyright)=' tests/requirements.txt >/tmp/requirements.txt
/tmp/environment/bin/pip install -q --only-binary :all: -r /tmp/requirements.txt /tmp/*.whl
PATH=/tmp/environment/bin:$PATH
python --version
exec python -m pytest -q -n 4 -p no:cacheprovider
TESTS
INSIDE
