#!/usr/bin/env bash
# Print the path of a Python of the given version, such as 3.11; exit with 1 if there is none.
# Each candidate is run first, because pyenv has shims for versions that are not active.
set -uo pipefail

version=$1
for candidate in "python$version" "${PYENV_ROOT:-$HOME/.pyenv}/versions/$version".*/bin/python3 \
    "/usr/bin/python$version" /usr/local/bin/python"$version" python3; do
    path=$(command -v "$candidate") || continue
    found=$("$path" -c 'import sys; print("%d.%d" % sys.version_info[:2], sys.executable)' 2>/dev/null) || continue
    if [ "${found%% *}" = "$version" ]; then
        echo "${found#* }"
        exit 0
    fi
done
exit 1
