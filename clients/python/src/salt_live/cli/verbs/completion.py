"""Completion for shells: verbs and options from here, minion ids and functions from the server, cached."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shlex
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from salt_live.cli import exit_codes, options
from salt_live.cli.login import NoLogin
from salt_live.cli.output.forms import FORMS
from salt_live.cli.parser import UsageError, parser_of, split_verb
from salt_live.cli.text import CONTROL
from salt_live.cli.verbs.context import Context, split_target
from salt_live.errors import SaltLiveError

CACHE_SECONDS = 600
WAIT_SECONDS = 5.0  # for the server; then only the words that are known here
# bash expands what `compgen -W` gets, and an id may hold `$(command)`: so the words are compared and quoted here.
SCRIPTS = {
    "bash": """\
_salt_live() {
    local typed="${COMP_WORDS[COMP_CWORD]}" word
    typed="${typed#[\\'\\"]}"
    COMPREPLY=()
    while IFS= read -r word; do
        [[ "$word" == "$typed"* ]] && COMPREPLY+=("$(printf %q "$word")")
    done < <(salt-live completion quoted-words -- "${COMP_WORDS[@]:1:COMP_CWORD-1}" 2>/dev/null)
}
complete -o default -F _salt_live salt-live""",
    "zsh": """\
#compdef salt-live
_salt_live() {
    local -a found
    found=(${(f)"$(salt-live completion words -- "${(@Q)words[2,CURRENT-1]}" 2>/dev/null)"})
    compadd -a found
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    _salt_live "$@"
else
    compdef _salt_live salt-live
fi""",
    "fish": """\
complete -c salt-live -f -a '(salt-live completion words -- (commandline -opc)[2..] 2>/dev/null)'""",
}


async def run(context: Context) -> int:
    """Write the script of a shell, or the words that may follow (what the scripts call)."""
    words = context.words
    if words and words[0] in SCRIPTS:
        context.screen.line(SCRIPTS[words[0]])
        return exit_codes.OK
    if not words or words[0] not in ("words", "quoted-words"):
        raise UsageError("use salt-live completion bash, zsh or fish")
    before = list(map(_unquoted, words[1:])) if words[0] == "quoted-words" else words[1:]
    for word in await _words(context, before):
        if not CONTROL.search(word) and "\n" not in word:
            context.screen.line(word)
    return exit_codes.OK


def _unquoted(word: str) -> str:
    """Return a word as the shell passes it to a program; bash gives its completion what was typed."""
    with contextlib.suppress(ValueError):
        parts = shlex.split(word)
        if len(parts) == 1:
            return parts[0]
    return word


async def _words(context: Context, before: list[str]) -> list[str]:
    """Return the words that may follow those before."""
    verb, rest = split_verb(before)
    typed, waiting = _typed(verb, rest)
    if waiting is not None:  # an option's value is next
        return sorted(FORMS) if "--out" in waiting else []
    names = sorted(name for action in parser_of(verb)._actions for name in action.option_strings if name[:2] == "--")
    if not typed and verb == "cmd":
        return [*(name for name in options.ADD if name not in before), *await _minions(context), *names]
    if verb in ("cmd", "batch") and len(typed) == 1:
        kind = next((kind for short, long, kind in options.TARGETS if {short, long} & set(rest)), "glob")
        return [*await _functions(context, tgt=split_target(typed[0], kind), tgt_type=kind), *names]
    if verb in ("run", "wheel") and not typed:
        return [*await _functions(context, client="runner" if verb == "run" else "wheel"), *names]
    first = {"key": ["list", "accept", "reject", "delete", "finger"], "completion": list(SCRIPTS)}.get(verb, [])
    if verb == "job" and not typed:
        first = await _cached(context, "jobs", lambda client: client.list_jobs(limit=20), lambda job: job["jid"], 5)
    if (verb in ("minions", "batch") and not typed) or (verb == "key" and len(typed) == 1):
        first = await _minions(context)
    return [*(first if len(typed) < 2 else []), *names]


def _typed(verb: str, words: list[str]) -> tuple[list[str], list[str] | None]:
    """Return the words that are no options, and the names of the option whose value is next, if any."""
    actions = {name: action for action in parser_of(verb)._actions for name in action.option_strings}
    found: list[str] = []
    waiting: list[str] | None = None
    for word in words:
        if waiting is not None:
            waiting = None
        elif not word.startswith("-"):
            found.append(word)
        elif word in actions and actions[word].nargs != 0:
            waiting = list(actions[word].option_strings)
    return found, waiting


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
    kept = _read(path)
    key, now = f"{config.url} {config.user} {name}", time.time()
    if key in kept and now - kept[key][0] < seconds:
        return kept[key][1]
    try:
        found = await asyncio.wait_for(_ask(context, ask, word), WAIT_SECONDS)
    except (SaltLiveError, NoLogin, OSError, asyncio.TimeoutError):
        return []
    if not found:  # the next TAB may find some
        return []
    fresh = {name: entry for name, entry in kept.items() if now - entry[0] < CACHE_SECONDS}
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.write_text(json.dumps({**fresh, key: (now, found)}), "utf-8")
    return found


async def _ask(context: Context, ask: Callable[[Any], Awaitable[list[Any]]], word: Callable[[Any], str]) -> list[str]:
    async with context.login.client() as client:
        return [word(item) for item in await ask(client)]


def _read(path: Path) -> dict[str, tuple[float, list[str]]]:
    """Return the words that were kept, each with the time; none if the file is missing or damaged."""
    try:
        kept = json.loads(path.read_text("utf-8"))
        return {name: (float(at), list(map(str, words))) for name, (at, words) in kept.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}
