"""Run a runner or a wheel function on the master, as `salt-run` does."""

from __future__ import annotations

from typing import Any

from salt_live.cli import exit_codes
from salt_live.cli.verbs.context import Context

LONGEST_SECONDS = 3600  # the engine's maximum


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
        fields = {"fun": fun, "arg": arg, "kwarg": kwarg}
        if options.asynchronous:
            started = await client.request(kind, **fields)
            context.screen.note(f"Executed job with job ID: {started['jid']}")
            return exit_codes.OK
        timeout = min(options.timeout or LONGEST_SECONDS, LONGEST_SECONDS)
        ran = await client.request(kind, **fields, mode="sync", timeout=timeout, full=True)
    result = ran["return"]
    form = result["outputter"] if isinstance(result, dict) and set(result) == {"data", "outputter"} else None
    context.screen.returned(result["data"] if form else result, form)
    return _code(ran)


def _code(ran: dict[str, Any]) -> int:
    """Return the exit code as `salt-run` finds it: what the return says, else whether the run succeeded."""
    result = ran["return"]
    if isinstance(result, dict):
        for found in (result, result.get("data")):
            if isinstance(found, dict) and isinstance(found.get("retcode"), int):
                return int(found["retcode"])
    return exit_codes.OK if ran.get("success", True) else exit_codes.FAILED


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
