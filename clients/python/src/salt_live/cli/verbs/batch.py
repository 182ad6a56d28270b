"""Run a function on many minions, some at a time: ``--batch`` of `salt`, and the verb ``batch``."""

from __future__ import annotations

import time
from typing import Any

from salt_live.async_client import AsyncClient
from salt_live.cli import exit_codes, progress
from salt_live.cli.interrupts import Detached, Interrupts, confirmed
from salt_live.cli.parser import UsageError
from salt_live.cli.patience import Patience
from salt_live.cli.returns import Returns
from salt_live.cli.text import one_line
from salt_live.cli.verbs.context import Context, split_target
from salt_live.live import INLINE_RETURN
from salt_live.local import batch_size

STATES = ("state.apply", "state.highstate", "state.sls", "state.single")
PAGE = 500  # requests of a batch in one answer
CHANGES = {"cancel": "canceled", "pause": "paused", "resume": "resumed"}
ENDED = ("resolved", "error", "timeout", "canceled")


async def run(context: Context) -> int:
    """List batches, follow, pause, resume or cancel one, or create one."""
    words = context.words
    if not words or words == ["list"]:
        return await _list(context)
    if context.options.master:
        raise UsageError("--master goes with `batch list` only")
    if words[0] in CHANGES and len(words) == 2:
        async with context.login.client() as client:
            await client.request(f"{words[0]}_batch", batch=_number(words[1]))
        context.screen.line(f"batch {words[1]} is {CHANGES[words[0]]}")
        return exit_codes.OK
    if len(words) == 1 and words[0].isdecimal():
        async with context.login.client() as client:
            if context.options.watch:
                return await follow(context, client, _number(words[0]))
            found = await _whole(client, _number(words[0]))
        context.screen.returned(found)
        return exit_codes.OK
    return await create(context, *context.function(1, "the function"))


async def _whole(client: AsyncClient, number: int) -> dict[str, Any]:
    """Return a batch with all its requests. They are read in parts: one answer cannot hold those of a large batch."""
    found: dict[str, Any] = {}
    requests: list[Any] = []
    while not found or len(found["requests"]) == PAGE:
        fields = {"batch": number, "collection": True, "offset": len(requests), "limit": PAGE}
        found = await client.request("get_batch", **fields)
        requests += found["requests"]
    return {**found, "requests": requests}


def _number(text: str) -> int:
    if not text.isdecimal():
        raise UsageError(f"{text!r} is no id of a batch")
    return int(text)


async def _list(context: Context) -> int:
    options = context.options
    only = {"master": options.master} if options.master else {}
    async with context.login.client() as client:
        found = await client.request("list_batches", limit=options.limit, **only)
    if context.screen.form:
        context.screen.returned(found)
        return exit_codes.OK
    for batch in found:
        counts = f"{batch['done_count']:>6} of {batch['total_count']:<6} {batch['error_count']:>5} failed"
        status = "paused" if batch.get("paused") else batch["status"]  # earlier engines know no pause and no name
        where = f"  {batch['master']}" if batch.get("master") else ""
        row = f"{batch['id']:<18} {status:<12} {counts}  {batch['user']}  {batch.get('name') or ''}"
        context.screen.line(one_line(row.rstrip() + where))
    return exit_codes.OK


async def create(context: Context, fun: str, arg: list[Any], kwarg: dict[str, Any]) -> int:
    """Create a batch, and follow it unless ``--async`` is given."""
    options, kind = context.options, context.options.tgt_type
    tgt = split_target(context.words[0], kind)
    async with context.login.client() as client:
        size = await _size(client, options.batch, tgt, kind, fun)
        item = {"fun": fun, "arg": arg, "kwarg": kwarg, "tgt": tgt, "tgt_type": kind}
        timeout = getattr(options, "timeout", None) if options.verb == "batch" else None
        on_error = "stop" if options.failhard else "continue"
        name = getattr(options, "name", None) if options.verb == "batch" else None
        made = await client.batch([item], concurrency=size, on_error=on_error, timeout=timeout, name=name)
        if options.asynchronous:
            context.screen.line(f"Executed batch command with ID: {made['id']}")
            return exit_codes.OK
        return await follow(context, client, made["id"])


async def _size(client: AsyncClient, text: str, tgt: Any, kind: str, fun: str) -> int:
    """Return how many minions run at once; 0 is all.

    :raises UsageError: the size is neither a number nor a percentage
    """
    if not text:
        return 0
    found = await client.match(tgt, kind, fun) if "%" in text else []
    try:
        return batch_size(text, len(found))
    except ValueError:
        raise UsageError(f"the batch size must be a number or a percentage such as 10%, not {text!r}") from None


async def follow(context: Context, client: AsyncClient, number: int) -> int:
    """Write the returns of a batch as they come, until it has ended; return the exit code."""
    screen = context.screen
    returns = Returns(screen, context.options, f"salt-live batch {number} -w")
    parts: dict[int, dict[str, Any]] = {}
    patience = Patience(client, screen.note, f"salt-live batch {number} -w")
    began = time.monotonic()
    head: dict[str, Any] = {}

    def tick() -> None:
        patience.check()
        if not screen.wants_progress:
            return
        done, bad = head.get("done_count", 0), head.get("error_count", 0)
        took = time.monotonic() - began
        screen.draw([progress.bar(done, head.get("total_count", 0), bad, took), *progress.slots(list(parts.values()))])

    interrupts, unanswered = Interrupts(), list[str]()
    with interrupts.caught():
        try:
            async for news in interrupts.watch(client.follow_batch(number), tick):
                head = news.batch
                for request in news.requests:
                    number_of = request["id"]
                    ended = request["status"] in ENDED and parts.get(number_of, {}).get("status") not in ENDED
                    parts[number_of] = {name: request[name] for name in ("minion", "status", "progress", "message")}
                    if ended and request["retcode"] is not None:
                        returns.add(request["minion"], await _part(client, request))
                    elif ended:
                        unanswered.append(request["minion"])
        except Detached:
            raise Detached(await _leave(context, client, number, interrupts)) from None
    returns.without(unanswered, set())
    return returns.finish()


async def _part(client: AsyncClient, request: dict[str, Any]) -> dict[str, Any]:
    """Return a request as a minion's part of a job; a return that is too large for the batch is in the job."""
    result = request["result"]
    if isinstance(result, dict) and set(result) == INLINE_RETURN and result["jid"] == request["jid"]:
        job = await client.get_job(request["jid"])
        return dict(job["minions"][request["minion"]])
    form = {"out": "highstate"} if request["fun"] in STATES and isinstance(result, dict | list) else {}
    return {"return": result, "retcode": request["retcode"], **form}


async def _leave(context: Context, client: AsyncClient, number: int, interrupts: Interrupts) -> str:
    context.screen.note(f"detached: batch {number} continues; come back with: salt-live batch {number} -w")
    if await interrupts.second() and confirmed(f"cancel batch {number}?"):
        await client.request("cancel_batch", batch=number)
        return "canceled"
    return ""
