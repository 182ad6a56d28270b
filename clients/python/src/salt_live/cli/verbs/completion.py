"""Completion for shells: verbs and options from here, minion ids and functions from the server, cached."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

from salt_live.cli import exit_codes, options
from salt_live.cli.parser import UsageError, parser_of, split_verb
from salt_live.cli.text import CONTROL
from salt_live.cli.verbs.context import Context
from salt_live.errors import SaltLiveError

CACHE_SECONDS = 600
SCRIPTS = {
    "bash": """\
_salt_live() {
    local IFS=$'\\n'
    COMPREPLY=($(compgen -W "$(salt-live completion words -- "${COMP_WORDS[@]:1:COMP_CWORD-1}" 2>/dev/null)" \\
        -- "${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _salt_live salt-live""",
    "zsh": """\
#compdef salt-live
_salt_live() {
    local -a found
    found=(${(f)"$(salt-live completion words -- ${words[2,CURRENT-1]} 2>/dev/null)"})
    compadd -a found
}
compdef _salt_live salt-live""",
    "fish": """\
complete -c salt-live -f -a '(salt-live completion words -- (commandline -opc)[2..] 2>/dev/null)'""",
}


async def run(context: Context) -> int:
    """Write the script of a shell, or the words that may follow (what the scripts call)."""
    words = context.words
    if words and words[0] in SCRIPTS:
        context.screen.line(SCRIPTS[words[0]])
        return exit_codes.OK
    if not words or words[0] != "words":
        raise UsageError("use salt-live completion bash, zsh or fish")
    for word in await _words(context, words[1:]):
        if not CONTROL.search(word) and "\n" not in word:
            context.screen.line(word)
    return exit_codes.OK


async def _words(context: Context, before: list[str]) -> list[str]:
    """Return the words that may follow those before."""
    verb, rest = split_verb(before)
    typed = [word for word in rest if not word.startswith("-")]
    names = sorted(name for action in parser_of(verb)._actions for name in action.option_strings if name[:2] == "--")
    if not typed and verb == "cmd":
        return [*(name for name in options.ADD if name not in before), *await _minions(context), *names]
    if verb in ("cmd", "batch") and len(typed) == 1:
        return [*await _functions(context, tgt=typed[0]), *names]
    if verb in ("run", "wheel") and not typed:
        return [*await _functions(context, client="runner" if verb == "run" else "wheel"), *names]
    first = {"key": ["list", "accept", "reject", "delete", "finger"], "completion": list(SCRIPTS)}.get(verb, [])
    if verb == "job" and not typed:
        first = await _cached(context, "jobs", lambda client: client.list_jobs(limit=20), lambda job: job["jid"], 5)
    if (verb == "minions" and not typed) or (verb == "key" and len(typed) == 1):
        first = await _minions(context)
    return [*(first if len(typed) < 2 else []), *names]


async def _minions(context: Context) -> list[str]:
    return await _cached(
        context, "minions", lambda client: client.request("list_minions", grains=False), lambda minion: minion["id"]
    )


async def _functions(context: Context, **fields: Any) -> list[str]:
    name = "functions " + " ".join(map(str, fields.values()))
    return await _cached(context, name, lambda client: client.request("functions", timeout=5, **fields), str)


async def _cached(
    context: Context,
    name: str,
    ask: Callable[[Any], Awaitable[list[Any]]],
    word: Callable[[Any], str],
    seconds: float = CACHE_SECONDS,
) -> list[str]:
    """Return words of the server; those of the last minutes are not requested again. A failure gives none."""
    config = context.login.config
    path = config.folder / "completion.json"
    kept: dict[str, Any] = {}
    with contextlib.suppress(OSError, ValueError):
        kept = json.loads(path.read_text("utf-8"))
    key = f"{config.url} {config.user} {name}"
    if key in kept and time.time() - kept[key][0] < seconds:
        return list(kept[key][1])
    try:
        async with context.login.client() as client:
            found = [word(item) for item in await ask(client)]
    except (SaltLiveError, OSError):
        return []
    fresh = {name: entry for name, entry in kept.items() if time.time() - entry[0] < CACHE_SECONDS}
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.write_text(json.dumps({**fresh, key: [time.time(), found]}), "utf-8")
    return found
