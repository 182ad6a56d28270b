#!/usr/bin/env bash
# Builds a virtual environment: tools/venv.sh FOLDER VERSION REQUIREMENTS [PACKAGE]
#
# PACKAGE, such as salt==3008.5, is installed last, whatever it says it needs.
#
# FOLDER/.made is written last, so that an interrupted build starts again. Missing Debian packages are installed as
# root, and named otherwise. PYTHON overrides the interpreter.
set -euo pipefail
cd "$(dirname "$0")/.."

folder=$1 version=$2 requirements=$3 package=${4:-}
log=$folder/install.log

# need CHECK PACKAGE...: install the Debian PACKAGEs if the command CHECK fails.
need() {
    tools/need.sh "$folder" "$@"
}

python=${PYTHON:-$(tools/find-python.sh "$version" || true)}
if [ -z "$python" ]; then
    need 'command -v python3' python3
    python=$(command -v python3)
fi
"$python" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 14))' || {
    echo "$folder: $python is $("$python" -V 2>&1), but Python 3.10 to 3.14 is needed: make PYTHON=/path/to/python" >&2
    exit 1
}
need "'$python' -c 'import ensurepip, venv'" python3-venv
case $requirements in
    *test.txt | *mutation.txt | *site.txt | *release.txt) ;;
    *)  # Salt needs timelib, which is built from C source.
        need 'command -v cc' gcc libc6-dev
        need "test -e \"\$('$python' -c 'import sysconfig; print(sysconfig.get_path(\"include\"))')/Python.h\"" python3-dev
        ;;
esac

echo "$folder: building with $("$python" -V) from $requirements (takes minutes; only after a change)"
rm -rf "$folder"
"$python" -m venv "$folder"
# Old pip reads PIP_CONSTRAINT when it builds a package, new pip PIP_BUILD_CONSTRAINT. The path is relative, because
# both end a path at a space, which this folder's own path may contain.
export PIP_CONSTRAINT=requirements/build.txt PIP_BUILD_CONSTRAINT=requirements/build.txt
export PIP_DISABLE_PIP_VERSION_CHECK=1
if ! "$folder/bin/python" -m pip install -r "$requirements" 2>&1 | tee "$log" \
    | { grep --line-buffered -oE '^(Collecting|Building wheel for|Installing collected packages)[^:(]*' || true; } \
    | sed -u "s|^|$folder: |"; then
    tail -n 30 "$log" | cut -c 1-300 >&2
    echo "$folder: pip failed; see $log" >&2
    exit 1
fi
if [ -n "$package" ]; then
    echo "$folder: installing $package"
    "$folder/bin/python" -m pip install --no-deps "$package" >>"$log" 2>&1 || {
        tail -n 30 "$log" | cut -c 1-300 >&2
        exit 1
    }
fi
touch "$folder/.made"
