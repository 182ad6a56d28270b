"""A batch's items, as they are sent, made into requests: one for each minion; or all that is wrong with them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..contract.faults import Fault, summary
from ..core.batches.request import Call as BatchCall
from ..core.batches.request import Request
from ..core.batches.returns import NO_KEY
from ..core.events.encoding import encode
from ..errors import MAX_FAULTS, ApiError
from .call import Call
from .commands import STATE_FUNCTIONS, loaded
from .reach import Reach
from .targets import asked_about, target

ITEMS_PER_TURN = 100  # a few milliseconds
NO_MINIONS = "matches no minion that this master knows"


@dataclass
class Plan:
    """What a batch will be.

    ``calls`` are the different functions with arguments; a request names its own by its place there.
    """

    calls: list[BatchCall] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)


@dataclass
class _Item:
    """One item of a message: a call, its target, and where the user may run it."""

    place: str
    asked: BatchCall
    tgt: Any
    tgt_type: str
    reach: Reach


async def plan(call: Call) -> Plan:
    """Return the requests that a message's items mean.

    The message and the user's rights are checked before any target is looked at.

    :raises ApiError: bad_message or no_minions, naming all that is wrong; forbidden; too_large
    """
    wrong: list[Fault] = []
    items = await _items(call, wrong)
    found = await _found(call, items, wrong)
    if wrong:
        raise ApiError("bad_message", summary(wrong), wrong[:MAX_FAULTS])
    nobody = [item for item, there in zip(items, found, strict=True) if not there]
    # Ids without a key become requests that failed. An expression without a minion cannot become any request.
    if len(nobody) == len(items) or any(item.tgt_type != "list" for item in nobody):
        faults: list[Fault] = [{"path": item.place, "message": NO_MINIONS} for item in nobody[:MAX_FAULTS]]
        raise ApiError("no_minions", summary(faults), faults)
    named = [
        list(dict.fromkeys(item.tgt)) if item.tgt_type == "list" else there
        for item, there in zip(items, found, strict=True)
    ]
    most, count = call.services.settings.limits.batch_requests, sum(map(len, named))
    if count > most:
        sentence = f"a batch may have {most} requests at most, and this one has {count}"
        raise ApiError("too_large", sentence, {"limit": "batch_requests", "most": most, "requests": count})
    planned, known, wall = Plan(), dict[bytes, int](), call.services.wall()
    for number, (item, names, there) in enumerate(zip(items, named, found, strict=True)):
        await _turn(number)
        asked = item.asked
        place_of = known.setdefault(_key(asked), len(planned.calls))
        if place_of == len(planned.calls):
            planned.calls.append(asked)
        planned.requests += _requests(place_of, names, set(there), wall)
    return planned


async def _turn(number: int) -> None:
    """Give others a turn: thousands of items take a good part of a second."""
    if number % ITEMS_PER_TURN == ITEMS_PER_TURN - 1:
        await asyncio.sleep(0)


async def _items(call: Call, wrong: list[Fault]) -> list[_Item]:
    """Return the items that can be read; note what is wrong with the others, as far as it is told.

    :raises ApiError: forbidden for what Salt would refuse later, when half of it is done
    """
    items: list[_Item] = []
    for number, item in enumerate(call.message["batch"]):
        if len(wrong) >= MAX_FAULTS:
            break
        await _turn(number)
        asked, path = _asked(item), f"/batch/{number}"
        reach = Reach(call.permissions, asked.fun, loaded(asked.arg, asked.kwarg))
        wrong += _faults(call, asked, path)
        place = _place(item, path)
        try:
            tgt, tgt_type = _target(item)
        except ApiError as fault:
            wrong.append(_fault_at(place, fault))
            continue
        reach.check_names(tgt, tgt_type)
        items.append(_Item(place, asked, tgt, tgt_type, reach))
    return items


async def _found(call: Call, items: list[_Item], wrong: list[Fault]) -> list[list[str]]:
    """Return for each item the minions that it means; note what is wrong with its target.

    :raises ApiError: forbidden if an item means none of the minions on which the user may run it
    """
    matched, found = dict[bytes, list[str]](), list[list[str]]()
    for number, item in enumerate(items):
        if len(wrong) >= MAX_FAULTS:
            break
        await _turn(number)
        tgt = item.reach.known_names(item.tgt, item.tgt_type)
        key = encode([tgt, item.tgt_type])
        try:
            if key not in matched:
                matched[key] = await _matched(call, tgt, item.tgt_type)
        except ApiError as fault:
            wrong.append(_fault_at(item.place, fault))
            matched[key] = []
        there = matched[key]
        found.append(there if item.tgt_type == "list" or wrong else item.reach.cut(item.tgt_type, there))
    return found


def _fault_at(place: str, fault: ApiError) -> Fault:
    """Return what is wrong with a target.

    :raises ApiError: the fault, if the sender is not to blame for it
    """
    if fault.code != "bad_message":
        raise fault
    return {"path": place, "message": fault.details[0]["message"] if fault.details else fault.message}


def _asked(item: Mapping[str, Any]) -> BatchCall:
    if "fun" in item:
        asked = BatchCall(item["fun"], list(item.get("arg", [])), dict(item.get("kwarg", {})))
    else:
        data, resource = dict(item.get("data", {})), item["resource"]
        fun = resource.strip("/").replace("/", ".")
        asked = BatchCall(fun, list(data.pop("__args", [])), data, item["method"], resource, item.get("tunnel"))
    return asked


def _key(asked: BatchCall) -> bytes:
    return encode([asked.fun, asked.arg, asked.kwarg, asked.method, asked.resource, asked.tunnel])


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
    tgt, _ = asked_about(call.services.minions, tgt, tgt_type)
    if tgt_type != "list":
        return await call.services.match(tgt, tgt_type)
    known = {name: call.services.minions.get(name) for name in tgt}
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
