"""Minions and functions: match, list_minions, functions, signature."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from ..core.minions.minion import Grains
from ..errors import ApiError
from .asking import argument, ask
from .call import Call, operation
from .commands import delimiter, require_client
from .masters import masters_of_minions
from .reach import Reach
from .targets import target, without_unknown


@operation("match")
async def match(call: Call) -> list[str]:
    """Return the matched minions on which the user may run a function, by default ``test.ping``."""
    fun = call.get("fun", "test.ping")
    if not call.permissions.may_run_somehow(fun):
        if "fun" in call.message:
            raise ApiError("forbidden", f"you may not run {fun} on any minion")
        return []
    return await _match(call, Reach(call.permissions, fun, ()))


@operation("functions")
async def functions(call: Call) -> list[str]:
    """Return the names of the functions that the user may run."""
    client = call.get("client")
    if client is not None:
        names = await call.services.functions.names(client)
        return [name for name in names if call.permissions.may_call(client, name)]
    minion = await _one_minion(call, "sys.list_functions", [])
    names = await ask(call, minion, "sys.list_functions", [])
    if not isinstance(names, list):
        raise ApiError("unknown_function", "the minion's answer is not a list of functions", {"minion": minion})
    return sorted(str(name) for name in names if call.permissions.may_run_somehow(str(name), minion))


@operation("signature")
async def signature(call: Call) -> dict[str, Any]:
    """Return the arguments of a function, and a JSON Schema for them."""
    fun, client = call.message["module"], call.get("client")
    call.audit_fields["fun"] = fun
    if client is not None:
        if not call.permissions.may_call(client, fun) and not call.permissions.may_run("sys.argspec", [fun], ""):
            raise ApiError("forbidden", f"you may not run this {client}")
        spec = await call.services.functions.signature(client, fun)
        doc = None if spec is None else spec.get("doc")
    else:
        minion = await _one_minion(call, "sys.argspec", [fun])
        # Each request takes up to a second; both at the same time take hardly longer.
        specs, doc = await asyncio.gather(ask(call, minion, "sys.argspec", [fun]), _doc(call, minion, fun))
        spec = specs.get(fun) if isinstance(specs, Mapping) else None
    if not isinstance(spec, Mapping) or not spec:
        raise ApiError("unknown_function", "there is no such function")
    return _described(spec, doc)


async def _match(call: Call, reach: Reach) -> list[str]:
    """Return the minions of the message's target that the user may reach."""
    tgt, tgt_type = target(call.message)
    asked, _ = without_unknown(call.services.minions, reach.known_names(tgt, tgt_type), tgt_type)
    found = await call.services.match(asked, tgt_type, **delimiter(call))
    return [name for name in found if reach.covers(name) and not call.services.minions.passes_on(name)]


@operation("list_minions")
async def list_minions(call: Call) -> list[dict[str, Any]]:
    """Return the minions that the master knows and the user may see. No minion gets a command."""
    only: Collection[str] | None = call.get("minions")
    if "tgt" in call.message:
        matched = dict.fromkeys(await _match_everywhere(call))
        only = matched if only is None else [name for name in only if name in matched]
    found: list[dict[str, Any]] = []
    await call.in_turns(_seen(call, only, found))
    return found


async def _match_everywhere(call: Call) -> list[str]:
    """Return the minions of the message's target that the user may ping, those of other masters too.

    Of minions of other masters only the ids are known here. Functions do not run on them from here.
    """
    if not call.permissions.may_run_somehow("test.ping"):
        return []
    tgt, tgt_type = target(call.message)
    minions, reach = call.services.minions, Reach(call.permissions, "test.ping", ())
    named = {name for name in tgt if minions.is_elsewhere(name)} if tgt_type == "list" else set()
    left = [name for name in tgt if name not in named] if named else tgt
    asked, _ = without_unknown(minions, reach.known_names(left, tgt_type), tgt_type)
    found = await call.services.match(asked, tgt_type, elsewhere=True, **delimiter(call)) if asked else []
    return sorted({*filter(reach.covers, (*found, *named))})


def _seen(call: Call, only: Collection[str] | None, found: list[dict[str, Any]]) -> Iterator[None]:
    """Add the requested minions to ``found``, one in each step.

    :param only: ids; None for all
    :raises ApiError: too_large
    """
    services, grains, size = call.services, grains_wanted(call), 0
    masters = masters_of_minions(call)
    known = services.minions.all()
    for name in sorted(known) if only is None else dict.fromkeys(only):
        yield
        view = services.minion_feed.visible(call.viewer, [name], grains=grains).get(name)
        if view is None or (masters and view.get("master") not in masters):
            continue
        found.append(view)
        if grains is True and view["grains"] is not None:
            # Checked before encoding, because encoding a huge answer would block the event loop.
            size += known[name].grains_bytes
            if size > services.settings.limits.outbox_bytes:
                raise ApiError("too_large", "the answer is larger than `outbox_bytes`: ask for some minions or grains")


def grains_wanted(call: Call) -> Grains:
    """Return the requested grains; all by default."""
    wanted = call.get("grains", True)
    return wanted if isinstance(wanted, bool) else tuple(dict.fromkeys(wanted))


async def _one_minion(call: Call, fun: str, arg: list[Any]) -> str:
    """Choose one minion of the target: one with a cached answer, else a connected one, else the one seen last.

    Only minions that the user may ask: other users must not learn what a target matches.
    """
    require_client(call, "local", "local_async")
    if not call.permissions.may_run_somehow(fun):
        raise ApiError("forbidden", f"this needs the permission to run {fun}")
    found = await _match(call, Reach(call.permissions, fun, arg))
    if not found:
        raise ApiError("no_minions", "the target matches no minion that you may ask")
    known = call.services.answers.known_by(fun, argument(arg))

    def liveliness(name: str) -> tuple[bool, int, float]:
        minion = call.services.minions.get(name)
        if minion is None:
            return name in known, 1, 0.0
        return name in known, {True: 2, None: 1, False: 0}[minion.connected], minion.seen or 0.0

    return max(found, key=liveliness)


async def _doc(call: Call, minion: str, fun: str) -> str | None:
    """Return the documentation, or None without permission or without an answer."""
    if not call.permissions.may_run("sys.doc", [fun], minion):
        return None
    try:
        texts = await ask(call, minion, "sys.doc", [fun])
    except ApiError as error:
        if error.code in ("forbidden", "timeout", "unknown_function"):
            return None
        raise
    text = texts.get(fun) if isinstance(texts, Mapping) else None
    return text if isinstance(text, str) else None


def _described(spec: Mapping[str, Any], doc: str | None) -> dict[str, Any]:
    """Return Salt's argspec, and a JSON Schema of an object with the arguments by name.

    :param spec: from a minion, so it can have any content
    """
    args, defaults = [str(name) for name in _list(spec.get("args"))], _list(spec.get("defaults"))
    defaults = defaults[-len(args) :] if args else []
    varargs, keywords = _named(spec.get("varargs")), _named(spec.get("kwargs", spec.get("keywords")))
    with_default = dict(zip(args[len(args) - len(defaults) :], defaults, strict=True))
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
        "varargs": varargs,
        "keywords": keywords,
        "doc": doc,
        "schema": schema,
    }


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else []


def _named(value: Any) -> str | bool | None:
    """Return the name after ``*`` or ``**``, or True if the minion only tells that there is one."""
    return value or None if isinstance(value, (str, bool)) else None
