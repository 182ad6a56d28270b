"""List, accept and reject keys of minions, as `salt-key` does, through the wheel functions of the master."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

from salt_live.async_client import AsyncClient
from salt_live.cli import exit_codes
from salt_live.cli.login import prompt
from salt_live.cli.parser import UsageError
from salt_live.cli.text import one_line
from salt_live.cli.verbs.context import Context
from salt_live.errors import ApiError

STATES = {
    "acc": "minions",
    "accepted": "minions",
    "pre": "minions_pre",
    "un": "minions_pre",
    "unaccepted": "minions_pre",
    "pending": "minions_pre",
    "rej": "minions_rejected",
    "rejected": "minions_rejected",
    "den": "minions_denied",
    "denied": "minions_denied",
}
CHANGES = {
    "accept": ("minions_pre",),
    "reject": ("minions_pre",),
    "delete": ("minions", "minions_pre", "minions_rejected", "minions_denied"),
}
Keys = dict[str, Any]


async def run(context: Context) -> int:
    """Do what the options or the words say; without any, list all keys."""
    action, match = _wanted(context)
    async with context.login.client() as client:
        if action in CHANGES:
            return await _change(context, client, action, match)
        if action in ("finger", "print"):
            name = {"finger": "key.finger", "print": "key.print"}[action]
            found = await _wheel(client, name, match)
            context.screen.returned(found, "key")
            return exit_codes.OK
        return await _list(context, client, match)


def _wanted(context: Context) -> tuple[str, str]:
    """Return the action and its argument.

    :raises UsageError: the words are none
    """
    options, words = context.options, context.words
    for action in ("accept", "reject", "delete", "print", "finger"):
        if getattr(options, f"{action}_all"):
            return action, "*"
        if given := getattr(options, action):
            return action, given
    if options.list:
        return "list", options.list
    if not words or options.list_all:
        return "list", "all"
    if words[0] == "list":
        return "list", words[1] if len(words) > 1 else "all"
    if words[0] in ("finger", "print"):
        return words[0], words[1] if len(words) > 1 else "*"
    if words[0] in CHANGES and len(words) == 2:
        return words[0], words[1]
    raise UsageError("use salt-live key list, accept ID, reject ID, delete ID or finger [ID]")


async def _wheel(client: AsyncClient, fun: str, *arg: str) -> Keys:
    """Return what a wheel function returns.

    :raises ApiError: it returned a text: what went wrong on the master
    """
    found = await client.wheel.cmd(fun, arg)
    if not isinstance(found, dict):
        raise ApiError(f"{fun} failed on the master: {found}")
    return found


async def _list(context: Context, client: AsyncClient, state: str) -> int:
    if state != "all" and state not in STATES:
        raise UsageError(f"there is no state {state}: use accepted, pending, rejected, denied or all")
    found = await _wheel(client, "key.list_all")
    found.pop("local", None)
    shown = found if state == "all" else {STATES[state]: found.get(STATES[state], [])}
    context.screen.returned(shown, "key")
    return exit_codes.OK


async def _change(context: Context, client: AsyncClient, action: str, match: str) -> int:
    """Show the keys that match, with their fingerprints; ask; then change them."""
    options, screen = context.options, context.screen
    found = await _wheel(client, "key.list_all")
    also = _also(options, action)
    states = CHANGES["delete"] if action == "delete" else (*CHANGES[action], *(STATES[name] for name in also))
    chosen = {state: [name for name in found.get(state, []) if fnmatchcase(name, match)] for state in states}
    chosen = {state: names for state, names in chosen.items() if names}
    if not chosen:
        *words, last = "unaccepted", *also
        screen.line(f"The key glob '{match}' does not match any {', '.join(words)}{' or ' * bool(words)}{last} keys.")
        return exit_codes.OK
    screen.line(f"The following keys are going to be {action.rstrip('e')}ed:")
    fingers = await _wheel(client, "key.finger", match) if not options.yes else {}
    shown: Keys = {
        state: {name: fingers[state][name] for name in names} if set(names) <= set(fingers.get(state, {})) else names
        for state, names in chosen.items()
    }
    screen.returned(shown, "key")
    if not options.yes and not _agreed(action):
        return exit_codes.OK
    await client.wheel.cmd(f"key.{action}_dict", [chosen], kwarg=_includes(action, states))
    for name in (name for names in chosen.values() for name in names):
        screen.line(f"Key for minion {one_line(name)} {action.rstrip('e')}ed.")
    return exit_codes.OK


def _also(options: Any, action: str) -> list[str]:
    """Return the states that options add, as Salt reads them: ``--include-all`` never adds denied keys."""
    other = {"accept": "rejected", "reject": "accepted"}.get(action)
    wanted = {name for name in ("accepted", "rejected", "denied") if getattr(options, f"include_{name}")}
    if other:
        wanted -= {"accepted", "rejected"} - {other}
        wanted |= {other} if options.include_all else set()
    return [name for name in ("accepted", "rejected", "denied") if name in wanted]


def _includes(action: str, states: tuple[str, ...]) -> dict[str, bool]:
    """Return the keyword arguments by which the master changes keys in other states too."""
    known = {"accept": ("rejected", "denied"), "reject": ("accepted", "denied")}.get(action, ())
    return {f"include_{name}": STATES[name] in states for name in known}


def _agreed(action: str) -> bool:
    """Ask as `salt-key` does: a key is only deleted on an explicit yes."""
    try:
        answer = prompt("Proceed? [N/y] " if action == "delete" else "Proceed? [n/Y] ")
    except EOFError:
        return False
    return (answer or ("n" if action == "delete" else "y")).lower().startswith("y")
