"""Run a function on minions, as `salt` does, and follow its job."""

from __future__ import annotations

import random
import time
from typing import Any

from salt_live.async_client import AsyncClient
from salt_live.cli import exit_codes, progress
from salt_live.cli.arguments import value
from salt_live.cli.interrupts import Detached, Interrupts, confirmed
from salt_live.cli.parser import UsageError
from salt_live.cli.patience import Patience
from salt_live.cli.returns import Returns
from salt_live.cli.verbs import batch, master
from salt_live.cli.verbs.context import Context, split_target
from salt_live.error_codes import NoMinions

NOBODY = "No minions matched the target. No command was sent, no jid was assigned."


async def run(context: Context) -> int:
    """Run a function on the minions of a target."""
    options, words = context.options, context.words
    if options.client in ("runner", "wheel"):  # as pepper's --client
        return await master.run(context, options.client)
    options.asynchronous = options.asynchronous or options.client == "local_async"
    if options.doc:
        words = [words[0] if words else "*", "sys.doc", *(words[1:] if words[1:2] != ["sys.doc"] else words[2:])]
        options.words = words
    if not words:
        raise UsageError("the target is missing: salt-live TARGET FUNCTION")
    if options.preview_target:
        return await _preview(context)
    fun, arg, kwarg = context.function(1, "the function")
    if options.batch:
        return await batch.create(context, fun, arg, kwarg)
    async with context.login.client() as client:
        try:
            started = await _start(context, client, fun, arg, kwarg)
        except NoMinions:
            context.screen.line(NOBODY)
            if not options.asynchronous:
                context.screen.returned({})
                context.screen.note("ERROR: No return received")
            return exit_codes.OK if options.asynchronous else exit_codes.NO_RETURN
        jid = started["jid"]
        if options.asynchronous:
            context.screen.line(f"Executed command with job ID: {jid}")
            return exit_codes.OK
        if options.verbose:
            title = f"Executing job with jid {jid}"
            context.screen.line(f"{title}\n{'-' * len(title)}\n")
        elif options.show_jid:
            context.screen.line(f"jid: {jid}")
        return await follow(context, client, jid, fun)


async def _preview(context: Context) -> int:
    tgt, kind = context.words[0], context.options.tgt_type
    async with context.login.client() as client:
        found = await client.match(split_target(tgt, kind), kind)
    context.screen.returned(found)
    if found:
        return exit_codes.OK
    context.screen.note("ERROR: No return received")
    return exit_codes.NO_RETURN


async def _start(
    context: Context, client: AsyncClient, fun: str, arg: list[Any], kwarg: dict[str, Any]
) -> dict[str, Any]:
    """Start the job and return its id and its minions."""
    options = context.options
    tgt: str | list[str] = split_target(context.words[0], options.tgt_type)
    kind = options.tgt_type
    if options.subset:
        found = await client.match(tgt, kind, fun)
        tgt, kind = random.sample(found, min(options.subset, len(found))), "list"
    more: dict[str, Any] = {"progress": True} if fun.startswith("state.") and context.screen.show_progress else {}
    if options.delimiter:
        more["delimiter"] = options.delimiter
    if options.metadata:
        more["metadata"] = value(options.metadata)
        if not isinstance(more["metadata"], dict):
            raise UsageError("--metadata must be an object such as '{ticket: OPS-17}'")
    if options.returner:
        more["ret"] = options.returner
    # Not client.run_job: its mark in the metadata would be seen by functions that print how they were called.
    started: dict[str, Any] = await client.request(
        "cmd", fun=fun, tgt=tgt, tgt_type=kind, arg=arg, kwarg=kwarg, parse=True, **more
    )
    return started


async def follow(context: Context, client: AsyncClient, jid: str, fun: str) -> int:
    """Write the returns of a job as they come, until it has ended; return the exit code.

    :raises Detached: after Ctrl-C
    """
    screen, options = context.screen, context.options
    returns = Returns(screen, options, f"salt-live job {jid}", fun=fun)
    parts: dict[str, dict[str, Any]] = {}
    began = time.monotonic()
    total = failed = 0

    patience = Patience(client, screen.note, f"salt-live job {jid} -w")

    def tick() -> None:
        patience.check()
        if screen.wants_progress:
            screen.draw(progress.lines(parts, total, failed, time.monotonic() - began))

    interrupts = Interrupts()
    with interrupts.caught():
        try:
            async for news in interrupts.watch(client.follow(jid, short_targets=True), tick):
                total, failed = news.job["total"], news.job["failed"]
                for minion, part in news.minions.items():
                    known = parts.get(minion, {}).get("state")
                    parts[minion] = {name: item for name, item in part.items() if name != "return"}
                    if part["state"] in ("returned", "failed") and known not in ("returned", "failed"):
                        returns.add(minion, part)
                if options.timeout and _is_silent(parts, began, options.timeout):
                    break
        except Detached:
            raise Detached(await _leave(context, client, jid, interrupts)) from None
    missing = [minion for minion, part in parts.items() if minion not in returns.codes]
    returns.without(missing, await _offline(client, missing))
    return returns.finish()


def _is_silent(parts: dict[str, dict[str, Any]], began: float, timeout: float) -> bool:
    """Return whether the time is over and no minion reports that it still runs the job."""
    return time.monotonic() - began > timeout and not any(part["state"] == "running" for part in parts.values())


async def _offline(client: AsyncClient, minions: list[str]) -> set[str]:
    """Return which of the minions are known to be disconnected."""
    if not minions:
        return set()
    found = await client.request("list_minions", minions=minions[:10_000], grains=False)
    return {minion["id"] for minion in found if minion["connected"] is False}


async def _leave(context: Context, client: AsyncClient, jid: str, interrupts: Interrupts) -> str:
    """Say how to come back; after a second Ctrl-C ask whether to terminate the job."""
    screen = context.screen
    screen.note(f"detached: job {jid} continues; come back with: salt-live job {jid} -w")
    if not await interrupts.second():
        return ""
    if not confirmed(f"terminate job {jid} on its minions?"):
        return ""
    canceled = await client.cancel(jid)
    return f"terminating on {progress.some(canceled['minions'])}"
