"""List minions with the state of their keys and of their connections."""

from __future__ import annotations

from typing import Any

from salt_live.cli import exit_codes
from salt_live.cli.text import one_line
from salt_live.cli.verbs.context import Context, split_target
from salt_live.error_codes import TooLarge

WORDS = {True: "connected", False: "disconnected", None: "unknown"}


async def run(context: Context) -> int:
    """List the minions that a target matches; without one, all that you may see."""
    options, screen = context.options, context.screen
    async with context.login.client() as client:
        only: dict[str, Any] = {"master": options.master} if options.master else {}
        if context.words:
            only |= {"tgt": split_target(context.words[0], options.tgt_type), "tgt_type": options.tgt_type}
            only |= {"delimiter": options.delimiter} if options.delimiter else {}
        try:
            found = await client.request("list_minions", grains=options.grains, **only)
        except TooLarge:  # for one answer: a subscription sends them in parts
            names = {row["id"] for row in await client.request("list_minions", grains=False, **only)}
            rows = await client.minions(grains=options.grains, master=options.master)
            found = [row for name, row in rows.items() if name in names]
    if options.up or options.down:
        found = [minion for minion in found if minion["connected"] is options.up]
    if not found:
        screen.note("no minions")
        return exit_codes.NO_RETURN
    if screen.form or options.grains:
        screen.returned({minion["id"]: {k: v for k, v in minion.items() if k != "id"} for minion in found})
        return exit_codes.OK
    width = min(50, max(len(one_line(minion["id"])) for minion in found))
    for minion in found:
        color = {True: "green", False: "red"}.get(minion["connected"], "yellow")
        name = one_line(minion["id"])
        seen = str(minion["seen"] or "")[:19].replace("T", " ")
        state = screen.style.paint(color, f"{WORDS[minion['connected']]:<12}")
        where = one_line(f"  {minion['master']}") if minion.get("master") else ""
        screen.line(f"{name:<{width}}  {minion['key'] or '-':<9} {state} {seen}".rstrip() + where)
    return exit_codes.OK
