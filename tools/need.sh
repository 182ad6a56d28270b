#!/usr/bin/env bash
# Install Debian packages that this machine lacks: tools/need.sh PREFIX CHECK PACKAGE...
#
# If the command CHECK fails, install the PACKAGEs. Without root, print how to install them and exit with 1.
# PREFIX begins each printed line.
set -euo pipefail

prefix=$1 check=$2
shift 2
eval "$check" >/dev/null 2>&1 && exit 0
if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
    echo "$prefix: installing $* with apt-get"
    # Fetch the package lists only if there are none.
    apt-cache show "$1" >/dev/null 2>&1 || apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
    eval "$check" >/dev/null 2>&1 && exit 0
fi
echo "$prefix: $* is missing; on Debian and Ubuntu: sudo apt-get install $*" >&2
exit 1
