"""A batch's items, as they are sent, made into requests: one for each minion; or all that is wrong with them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import ApiError
from ..live.batchrequests import Call as BatchCall
from ..live.batchrequests import Request
from ..live.encoding import encode
from ..live.returns import NO_KEY
from .commands import STATE_FUNCTIONS
from .faults import Fault, summary
from .registry import Call
from .targets import asked_about, target

NO_MINIONS = "matches no minion that this master knows"


@dataclass
class Plan:
    """What a batch will be.

    ``calls`` are the different functions with arguments; a request names its own by its place there.
    """

    calls: list[BatchCall] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)


async def plan(call: Call) -> Plan:
    """Return the requests that a message's items mean.

    :raises ApiError: bad_message or no_minions, naming all that is wrong; forbidden; too_large
    """
    services, wall = call.services, call.services.wall()
    planned, known, matched = Plan(), dict[bytes, int](), dict[bytes, list[str]]()
    most, count = services.settings.limits.batch_requests, 0
    wrong: list[Fault] = []
    nobody: list[Fault] = []
    for number, item in enumerate(call.message["batch"]):
        asked, path = _asked(item), f"/batch/{number}"
        faults = list(_faults(call, asked, path))
        wrong += faults
        place = _place(item, path)
        try:
            tgt, tgt_type = _target(item)
            key = encode([tgt, tgt_type])
            if key not in matched:
                matched[key] = await _matched(call, tgt, tgt_type)
        except ApiError as fault:
            if fault.code != "bad_message":
                raise
            wrong.append({"path": place, "message": fault.details[0]["message"] if fault.details else fault.message})
            continue
        there = matched[key]
        named = list(dict.fromkeys(tgt)) if tgt_type == "list" else there
        if not there:
            nobody.append({"path": place, "message": NO_MINIONS})
        count += len(named)
        if faults or count > most:
            continue  # counted to the end, to be told
        _check_rights(call, asked, named)
        place_of = known.setdefault(encode([asked.fun, asked.arg, asked.kwarg]), len(planned.calls))
        if place_of == len(planned.calls):
            planned.calls.append(asked)
        planned.requests += _requests(place_of, named, set(there), wall)
    if wrong:
        raise ApiError("bad_message", summary(wrong), wrong)
    if nobody:
        raise ApiError("no_minions", summary(nobody), nobody)
    if count > most:
        sentence = f"a batch may have {most} requests at most, and this one has {count}"
        raise ApiError("too_large", sentence, {"limit": "batch_requests", "most": most, "requests": count})
    return planned


def _asked(item: Mapping[str, Any]) -> BatchCall:
    if "fun" in item:
        asked = BatchCall(item["fun"], list(item.get("arg", [])), dict(item.get("kwarg", {})))
    else:
        data, resource = dict(item.get("data", {})), item["resource"]
        fun = resource.strip("/").replace("/", ".")
        asked = BatchCall(fun, list(data.pop("__args", [])), data, item["method"], resource)
    return asked


def _place(item: Mapping[str, Any], path: str) -> str:
    """Return where in the message it stands whom an item is for."""
    return f"{path}/tgt" if "fun" in item else f"{path}/__request/{_destination(item)}"


def _destination(item: Mapping[str, Any]) -> str:
    return "destination" if "destination" in item["__request"] else "__destination"


def _target(item: Mapping[str, Any]) -> tuple[Any, str]:
    """Return whom an item is for, and how that is to be read.

    :raises ApiError: bad_message
    """
    if "fun" in item:
        return target(item)
    named = item["__request"][_destination(item)]
    return [named] if isinstance(named, str) else named, "list"


async def _matched(call: Call, tgt: Any, tgt_type: str) -> list[str]:
    """Return the minions that a target means.

    Of a list only those are looked for whose key is not known to be accepted: Salt reads a file for each, which takes
    seconds for some thousands.
    """
    tgt, _ = asked_about(call.services.fleet, tgt, tgt_type)
    if tgt_type != "list":
        return await call.services.match(tgt, tgt_type)
    known = {name: call.services.fleet.get(name) for name in tgt}
    there = [name for name, minion in known.items() if minion is not None and minion.key == "accepted"]
    unknown = sorted(known.keys() - set(there))
    return there + (await call.services.match(unknown, "list") if unknown else [])


def _faults(call: Call, asked: BatchCall, path: str) -> Iterator[Fault]:
    """Yield what Salt cannot pass on as it is."""
    try:
        call.services.commands.check_arguments(asked.arg, asked.kwarg)
    except ApiError as fault:
        for one in fault.details or [{"path": "", "message": fault.message}]:
            name = one["path"].replace("/args", "/arg").replace("/kwargs", "/kwarg")
            if asked.resource:
                name = name.replace("/arg/", "/data/__args/").replace("/kwarg/", "/data/")
            yield {"path": path + name, "message": one["message"]}


def _check_rights(call: Call, asked: BatchCall, minions: list[str]) -> None:
    """Refuse at once what Salt would refuse later, when half of it is done.

    :raises ApiError: forbidden
    """
    arg = [*asked.arg, {"__kwarg__": True, **asked.kwarg}] if asked.kwarg else asked.arg
    if not all(call.permissions.may_run(asked.fun, arg, minion) for minion in minions):
        raise ApiError("forbidden", f"you may not run {asked.fun} with these arguments on all of these minions")


def _requests(call: int, named: list[str], there: set[str], now: float) -> Iterator[Request]:
    for minion in named:
        if minion in there:
            yield Request(minion, call)
        else:
            # One of a list that is gone does not keep the others from what they are to do; Salt sees it likewise.
            yield Request(minion, call, "error", result=NO_KEY, finished=now)


def with_progress(asked: BatchCall) -> dict[str, Any]:
    """Return the keyword arguments with which a call is sent: states then report themselves."""
    return {"state_events": True, **asked.kwarg} if asked.fun in STATE_FUNCTIONS else asked.kwarg
