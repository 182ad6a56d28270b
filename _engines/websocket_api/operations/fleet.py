"""What there is to work with: functions and their signatures, targets, minions."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from ..errors import ApiError
from ..live.fleet import Grains
from ..live.jobs import RETURNED, Job
from .commands import delimiter, need_client, publish
from .registry import Call, operation
from .targets import asked_about, target


@operation("match")
async def match(call: Call) -> list[str]:
    """Return the minions that a target means, cut to those on which the user may run a function, or ping."""
    fun = call.get("fun", "test.ping")
    if "fun" in call.message and not call.permissions.may_run_somehow(fun):
        raise ApiError("forbidden", f"you may not run {fun} on any minion")
    found = await _match(call)
    return [name for name in found if call.permissions.may_run(fun, (), name)]


@operation("functions")
async def functions(call: Call) -> list[str]:
    """Return the names of the functions that the user may run there."""
    client = call.get("client")
    if client is not None:
        names = await call.services.functions.names(client)
        return [name for name in names if call.permissions.may_call(client, name)]
    minion = await _one_minion(call, "sys.list_functions", [])
    names = await _ask(call, minion, "sys.list_functions", [])
    if not isinstance(names, list):
        raise ApiError("internal", "the minion did not answer with a list of functions")
    return sorted(str(name) for name in names if call.permissions.may_run_somehow(str(name), minion))


@operation("signature")
async def signature(call: Call) -> dict[str, Any]:
    """Return what arguments a function takes, with a JSON Schema of them."""
    fun, client = call.message["module"], call.get("client")
    call.noted["fun"] = fun
    if client is not None:
        if not call.permissions.may_call(client, fun) and not call.permissions.may_run("sys.argspec", [fun], ""):
            raise ApiError("forbidden", f"you may not run this {client}")
        spec = await call.services.functions.signature(client, fun)
        doc = None if spec is None else spec.get("doc")
    else:
        minion = await _one_minion(call, "sys.argspec", [fun])
        # Each takes the minion up to a second, and both at once hardly longer.
        specs, doc = await asyncio.gather(_ask(call, minion, "sys.argspec", [fun]), _doc(call, minion, fun))
        spec = (specs or {}).get(fun)
    if not spec:
        raise ApiError("unknown_function", "there is no such function there")
    return _described(spec, doc)


async def _match(call: Call) -> list[str]:
    tgt, tgt_type = target(call.message)
    asked, _ = asked_about(call.services.fleet, tgt, tgt_type)
    return await call.services.match(asked, tgt_type, **delimiter(call))


@operation("list_minions")
async def list_minions(call: Call) -> list[dict[str, Any]]:
    """Return the minions that the master knows, as far as the user may see them; nobody is sent a command."""
    seen = call.services.views.fleet_view(call.viewer, call.get("minions"), grains=grains_wanted(call))
    return list(seen.values())


def grains_wanted(call: Call) -> Grains:
    """Return which grains were asked for: all where nothing is said."""
    wanted = call.get("grains", True)
    return wanted if isinstance(wanted, bool) else tuple(dict.fromkeys(wanted))


async def _one_minion(call: Call, fun: str, arg: list[Any]) -> str:
    """Choose one minion of the target: one that is connected, if that is known of any, and last heard of.

    Others than those whom the user may ask are none: who may not ask must not learn whom a target means.
    """
    need_client(call, "local", "local_async")
    if not call.permissions.may_run_somehow(fun):
        raise ApiError("forbidden", f"this needs the permission to run {fun}")
    matched = await _match(call)
    found = [name for name in matched if call.permissions.may_run(fun, arg, name)]
    if not found:
        raise ApiError("no_minions", "the target matches no minion that you may ask")

    def liveliness(name: str) -> tuple[int, float]:
        minion = call.services.fleet.get(name)
        if minion is None:
            return 1, 0.0
        return {True: 2, None: 1, False: 0}[minion.connected], minion.seen or 0.0

    return max(found, key=liveliness)


async def _ask(call: Call, minion: str, fun: str, arg: list[Any]) -> Any:
    """Run a function on one minion with the client's token, and return what it returned."""
    job = await publish(call, fun, arg, {}, [minion], "list")
    await call.services.watcher.ended(job, call.get("timeout", 10), call.connection)
    return _return(job, minion)


def _return(job: Job, minion: str) -> Any:
    part = job.parts[minion]
    if part.state not in RETURNED:
        raise ApiError("timeout", "the minion did not answer in time", {"minion": minion, "jid": job.jid})
    if part.state == "failed":
        raise ApiError("internal", "the minion could not answer", {"minion": minion, "jid": job.jid})
    return part.value


async def _doc(call: Call, minion: str, fun: str) -> str | None:
    """Return the documentation, or None for who may not read it."""
    try:
        text = (await _ask(call, minion, "sys.doc", [fun]) or {}).get(fun)
    except ApiError as fault:
        if fault.code in ("forbidden", "timeout"):
            return None
        raise
    return text if isinstance(text, str) else None


def _described(spec: Mapping[str, Any], doc: str | None) -> dict[str, Any]:
    """Salt's argspec, and a JSON Schema of an object that holds the arguments by name."""
    args = [str(name) for name in spec.get("args") or ()]
    defaults = list(spec.get("defaults") or ())
    varargs, keywords = spec.get("varargs"), spec.get("kwargs", spec.get("keywords"))
    with_default = dict(zip(args[len(args) - len(defaults) :], defaults, strict=True)) if defaults else {}
    properties = {name: {"default": with_default[name]} if name in with_default else {} for name in args}
    schema = {
        "type": "object",
        "properties": properties,
        "required": [name for name in args if name not in with_default],
        "additionalProperties": bool(keywords),
    }
    return {
        "args": args,
        "defaults": defaults or None,
        "varargs": varargs or None,
        "keywords": keywords or None,
        "doc": doc,
        "schema": schema,
    }
