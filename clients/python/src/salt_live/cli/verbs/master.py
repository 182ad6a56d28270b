"""Run a runner or a wheel function on the master, as `salt-run` does."""

from __future__ import annotations

import time
from typing import Any

from salt_live.async_client import AsyncClient
from salt_live.cli import exit_codes
from salt_live.cli.interrupts import Detached, Interrupts
from salt_live.cli.patience import Patience
from salt_live.cli.verbs.context import Context
from salt_live.error_codes import Timeout
from salt_live.errors import ConnectionFailed


async def run(context: Context, kind: str) -> int:
    """Run a function on the master and write its return.

    :param kind: ``runner`` or ``wheel``
    """
    options = context.options
    if options.doc:
        return await _docs(context, kind)
    if getattr(options, "skip_kwargs", False) and context.words:
        fun, arg, kwarg = context.words[0], list[Any](context.words[1:]), dict[str, Any]()
    else:
        fun, arg, kwarg = context.function(0, "the function")
    async with context.login.client() as client:
        started = await client.request(kind, fun=fun, arg=arg, kwarg=kwarg)
        if options.asynchronous:
            context.screen.note(f"Executed job with job ID: {started['jid']}")
            return exit_codes.OK
        return await follow(context, client, started["jid"], options.timeout)


async def follow(context: Context, client: AsyncClient, jid: str, timeout: float | None) -> int:
    """Wait for the end of a runner or a wheel function, write its return, and return its exit code.

    It is followed as a job, so that a lost connection does not lose its return.

    :raises Detached: after Ctrl-C
    :raises Timeout: it did not end in time
    """
    resume = f"salt-live job {jid} -w"
    interrupts, patience = Interrupts(), Patience(client, context.screen.note, resume)
    end = None if timeout is None else time.monotonic() + timeout

    def tick() -> None:
        patience.check()
        if end is not None and time.monotonic() > end:
            raise Timeout(f"it did not end within {timeout:g} s; it continues, wait for it with: {resume}")

    with interrupts.caught():
        try:
            async for news in interrupts.watch(client.follow(jid), tick):
                if news.ended:
                    return written(context, news.job)
        except Detached:
            context.screen.note(f"detached: job {jid} continues; come back with: {resume}")
            raise
    raise Timeout(f"there is no more news of job {jid}; see: {resume}")


def written(context: Context, job: dict[str, Any]) -> int:
    """Write the return of an ended runner or wheel function, and return its exit code.

    :raises ConnectionFailed: the server does not know its end
    """
    if job["state"] == "unknown":
        raise ConnectionFailed(f"the server does not know how job {job['jid']} ended; see its log, and the job cache")
    result: Any = job.get("return")
    form = result["outputter"] if isinstance(result, dict) and set(result) == {"data", "outputter"} else None
    context.screen.returned(result["data"] if form else result, form)
    return _code(result, job.get("success") is not False)


def _code(result: Any, success: bool) -> int:
    """Return the exit code as `salt-run` finds it: what the return says, else whether the run succeeded."""
    if isinstance(result, dict):
        for found in (result, result.get("data")):
            if isinstance(found, dict) and isinstance(found.get("retcode"), int):
                return int(found["retcode"])
    return exit_codes.OK if success else exit_codes.FAILED


async def _docs(context: Context, kind: str) -> int:
    """Write the documentation of the functions that begin with a name."""
    wanted = context.words[0] if context.words else ""
    async with context.login.client() as client:
        names = await client.request("functions", client=kind)
        for name in names:
            if name == wanted or name.startswith(f"{wanted}." if wanted else ""):
                signature = await client.request("signature", client=kind, module=name)
                context.screen.line(f"{name}:\n{signature['doc'] or ''}\n")
    return exit_codes.OK
