"""Follow the event bus, with the arguments of the runner ``state.event``."""

from __future__ import annotations

import json
from typing import Any

from salt_live.cli import exit_codes
from salt_live.cli.arguments import parse
from salt_live.cli.interrupts import Detached, Interrupts
from salt_live.cli.parser import UsageError
from salt_live.cli.patience import Patience
from salt_live.cli.text import visible
from salt_live.cli.verbs.context import Context
from salt_live.models import Gap, Position

WILD = frozenset("*?[")


async def run(context: Context) -> int:
    """Write one line per event until Ctrl-C, or until ``count`` events came."""
    arg, kwarg = parse(context.words)
    options = context.options
    tag = str(kwarg.get("tagmatch", arg[0] if arg else "") or "")
    count = kwarg.get("count", options.count)
    if not isinstance(count, int):
        raise UsageError(f"count must be a number, not {count!r}")
    pretty, quiet = bool(kwarg.get("pretty", options.pretty)), bool(kwarg.get("quiet", options.quiet))
    match_type = options.match_type or ("fnmatch" if WILD & set(tag) else None)
    async with context.login.client() as client:
        only = {"master": options.master} if options.master else {}
        stream = await client.events(tag, match_type, since=_position(options.since), **only)
        interrupts, patience = Interrupts(), Patience(client, context.screen.note)
        with interrupts.caught():
            try:
                async for event in interrupts.watch(stream.__aiter__(), patience.check):
                    if isinstance(event, Gap):
                        context.screen.note(f"WARNING: {event}")
                        continue
                    if not quiet:
                        context.screen.line(_line(event, options.json_lines, pretty, context.screen.terminal))
                    count -= 1
                    if count == 0:
                        break
            except Detached:
                return exit_codes.INTERRUPTED
    return exit_codes.OK


def _line(event: Any, json_lines: bool, pretty: bool, terminal: bool) -> str:
    indent = 4 if pretty else None
    if json_lines:
        fields = {"epoch": event.epoch, "seq": event.seq, "tag": event.tag, "data": event.data}
        fields |= {"master": event.master} if event.master else {}
        return json.dumps(fields, ensure_ascii=terminal, indent=indent)
    data = json.dumps(event.data, sort_keys=pretty, indent=indent, ensure_ascii=terminal)
    return f"{visible(event.tag) if terminal else event.tag}\t{data}"


def _position(text: str | None) -> Position | None:
    """Return the position of ``--since``, such as ``k3v9x2m7:4711``.

    :raises UsageError: it is none
    """
    if not text:
        return None
    epoch, _, seq = text.rpartition(":")
    if not epoch or not seq.isdecimal():
        raise UsageError(f"--since must be EPOCH:N, as `salt-live events --json` prints them, not {text!r}")
    return Position(epoch, int(seq))
