#!/usr/bin/env bash
# Run two commands at the same time: tools/beside.sh BESIDE MAIN
#
# BESIDE gets only the processor time that MAIN leaves. What it prints is shown when both have ended. Exits with 0 if both
# succeed; each runs to its end if the other one fails.
set -uo pipefail

printed=$(mktemp)
nice -n 5 bash -c "$1" >"$printed" 2>&1 &
beside=$!
trap 'kill "$beside" 2>/dev/null; rm -f "$printed"' EXIT
bash -c "$2"
code=$?
wait "$beside" || code=$?
cat "$printed"
exit "$code"
