# Installs Debian packages without starting any service they bring.
# usage: sh debian-install.sh POLICY PACKAGE...   (as root; POLICY is /usr/sbin/policy-rc.d)
#
# invoke-rc.d asks POLICY whether it may start a service; exit code 101 says no. Whatever stood
# there before is put back at the end, also after a failure or a signal.
set -eu

policy=$1
shift
saved=$policy.before-bitsup
marker='# written by cargo xtask'

restore() {
    if [ -e "$saved" ]; then
        mv -f "$saved" "$policy"
    elif grep -qsF "$marker" "$policy"; then
        rm -f "$policy"
    fi
}

restore # what a killed run may have left
trap restore EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

if [ -e "$policy" ]; then
    mv "$policy" "$saved"
fi
printf '#!/bin/sh\n%s\nexit 101\n' "$marker" >"$policy"
chmod 755 "$policy"

export DEBIAN_FRONTEND=noninteractive
# A source of packages that is not ours may be out of order; the install shows whether that matters.
apt-get update -q || echo 'apt-get update failed; going on with the lists that are there' >&2
apt-get install -q -y --no-install-recommends -o DPkg::Lock::Timeout=300 "$@"
