#!/usr/bin/env bash
# Run tests on Debian 14 with its Python 3.14: tools/debian14.sh FOLDER [pytest arguments]
#
# FOLDER/forky becomes a Debian 14 by debootstrap (once, minutes); FOLDER may be deleted afterwards. The tests run on a
# copy of this checkout, changes included; by default the unit, functional and integration tests. All runs in
# namespaces of its own: mounts and processes end with this script, however it ends. It needs root.
set -euo pipefail
cd "$(dirname "$0")/.."

usage='tools/debian14.sh FOLDER [pytest arguments]'
mkdir -p "${1:?$usage}"
root=$(cd "$1" && pwd)/forky
shift
[ "$(id -u)" -eq 0 ] || { echo "debian14: only root can make a Debian and enter it: sudo $usage" >&2; exit 1; }

packages=ca-certificates,gcc,git,libc6-dev,openssl,procps,python3,python3-dev,python3-venv,redis-server
tests=(tests/unit tests/functional tests/integration -m "not costly")
[ $# -eq 0 ] || tests=("$@")

if [ ! -e "$root/.made" ]; then
    tools/need.sh debian14 'command -v debootstrap' debootstrap
    # The debootstrap of Debian 12 does not know this name yet; the script of sid is the same.
    script=/usr/share/debootstrap/scripts/forky
    [ -e "$script" ] || script=/usr/share/debootstrap/scripts/sid
    echo "debian14: making a Debian 14 in $root"
    rm -rf "$root"
    debootstrap --variant=minbase --include="$packages" forky "$root" http://deb.debian.org/debian "$script" >"$root.log" || {
        tail -n 20 "$root.log" >&2
        exit 1
    }
    touch "$root/.made"
fi

cp /etc/resolv.conf "$root/etc/resolv.conf"
rm -rf "$root/checkout"
git clone -q --no-hardlinks . "$root/checkout"
git ls-files -z --cached --others --exclude-standard | xargs -0 ls -d 2>/dev/null | tar -c -T - | tar -x -C "$root/checkout"
version=$(grep '^salt==' requirements/salt-3008.txt)

# The first process of the namespace ends last; the kernel then ends all others.
exec unshare --mount --pid --fork --kill-child=KILL -- bash -euo pipefail -s -- \
    "$root" "$version" "${tests[@]}" <<'INSIDE'
root=$1 version=$2
shift 2
mount --make-rprivate /
mount -t proc proc "$root/proc"
mount --bind /dev "$root/dev"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
mount -t tmpfs tmpfs "$root/dev/shm"
mount -t tmpfs tmpfs "$root/tmp"
# pip trusts what this machine trusts, as behind a proxy with a certificate of its own.
mkdir -p "$root/etc/ssl/certs"
touch "$root/etc/ssl/trusted-here.crt"
mount --bind /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/trusted-here.crt"

exec chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 \
    PIP_CERT=/etc/ssl/trusted-here.crt PIP_CONSTRAINT=requirements/build.txt PIP_BUILD_CONSTRAINT=requirements/build.txt \
    PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore bash -euo pipefail -c '
version=$1
shift
cd /checkout
if [ "$(cat /venv/.made 2>/dev/null)" != "$version" ]; then
    rm -rf /venv
    python3 -m venv /venv
    /venv/bin/pip install -q -r requirements/salt.txt "$version" prometheus_client
    # On this Python it crashes the command line of Salt, which runs without it too.
    /venv/bin/pip uninstall -q -y setproctitle
    echo "$version" >/venv/.made
fi
echo "debian14: $(cat /etc/debian_version), $(/venv/bin/python -V), $version: pytest $*"
/venv/bin/python -m pytest "$@"
' inside "$version" "$@" </dev/null
INSIDE
