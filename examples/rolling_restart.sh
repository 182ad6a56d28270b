#!/usr/bin/env bash
# Run a function on minions two at a time and stop at the first error: rolling_restart.sh TARGET FUNCTION [ARGUMENT ...]
#
# The batch continues when this script ends or the master restarts; `GET /batches/ID` shows it.
set -euo pipefail

url=${SALT_URL:-http://127.0.0.1:8000}
user=${SALT_USER:-demo} password=${SALT_PASSWORD:-demo} eauth=${SALT_EAUTH:-}
[ $# -ge 2 ] || { sed -n '2,4s/^# //p' "$0" >&2; exit 2; }
target=$1 function=$2
shift 2

# Pass the password on curl's standard input: all users of this host can see a program's arguments.
token=$(jq -n --arg u "$user" --arg p "$password" --arg e "$eauth" \
        '{username: $u, password: $p} + if $e == "" then {} else {eauth: $e} end' |
    curl -sSf -H 'Content-Type: application/json' -d @- "$url/login" | jq -r '.return[0].token')

call() { # call METHOD PATH [CURL OPTION ...]: curl reads the token from a file descriptor
    curl -sS -X "$1" -H @<(printf 'X-Auth-Token: %s\n' "$token") -H 'Content-Type: application/json' "${@:3}" "$url$2"
}

batch=$(jq -n --arg tgt "$target" --arg fun "$function" \
        '{concurrency: 2, on_error: "stop", batch: [{fun: $fun, arg: $ARGS.positional, tgt: $tgt}]}' --args "$@" |
    call POST /batches -d @-)
id=$(jq -r '.id // empty' <<<"$batch")
[ -n "$id" ] || { jq -r .message <<<"$batch" >&2; exit 1; }

while :; do
    batch=$(call GET "/batches/$id")
    jq -r '"\(.progress) % \(.status)"' <<<"$batch"
    case $(jq -r .status <<<"$batch") in
        pending | dispatching) sleep 1 ;;
        resolved) exit 0 ;;
        *) exit 1 ;;
    esac
done
