#!/usr/bin/env bash
# Brings what Debian has and this machine may lack: tools/need.sh WHO CHECK PACKAGE...
#
# Where CHECK (a command) fails, WHO is told that the PACKAGEs are installed; who is not root is told how.
set -euo pipefail

who=$1 check=$2
shift 2
eval "$check" >/dev/null 2>&1 && exit 0
if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
    echo "$who: installing $* with apt-get"
    # A fresh machine has no package lists yet; one that has is not made to wait.
    apt-cache show "$1" >/dev/null 2>&1 || apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
    eval "$check" >/dev/null 2>&1 && exit 0
fi
echo "$who: cannot go on without $*. On Debian and Ubuntu: sudo apt-get install $*" >&2
exit 1
