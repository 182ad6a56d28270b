"""Turns the items of a batch message into requests, one for each minion, or reports all their faults."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..contract.faults import Fault, summary
from ..core.batches.request import Call as BatchCall
from ..core.batches.request import Label, Request
from ..core.batches.returns import NO_KEY
from ..core.events.encoding import encode
from ..core.jobs.call import load_arguments
from ..errors import MAX_FAULTS, ApiError
from .call import Call
from .commands import STATE_FUNCTIONS
from .reach import Reach
from .targets import target, without_unknown

ITEMS_PER_TURN = 100  # a few milliseconds
MAX_FUNCTIONS = 20  # names in a batch object, which lists and each push contain
MAX_TARGET = 1000  # characters of its target
NO_MINIONS = "matches no minion that this master knows"


@dataclass
class Plan:
    """The calls and requests of a new batch.

    ``calls`` are the different functions with arguments; a request refers to its call by the index in that list.
    """

    calls: list[BatchCall] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    target: tuple[str, str] | None = None
    """The expression and type that all items have as their target."""

    def label(self, name: str | None) -> Label:
        """Return what lists show of the batch."""
        functions = sorted({one.fun for one in self.calls})[:MAX_FUNCTIONS]
        return Label(name, tuple(functions), *(self.target or (None, None)))


@dataclass
class _Item:
    """One item of a message: its call, its target, and where the user may run it."""

    path: str
    """JSON Pointer to the target in the message."""
    call: BatchCall
    tgt: Any
    tgt_type: str
    reach: Reach


async def plan(call: Call) -> Plan:
    """Return the calls and requests of a batch message.

    The message and the user's permissions are checked before any target is matched.

    :raises ApiError: bad_message or no_minions, with every fault; forbidden; too_large
    """
    faults: list[Fault] = []
    items = await _items(call, faults)
    matches = await _matches(call, items, faults)
    if faults:
        raise ApiError("bad_message", summary(faults), faults[:MAX_FAULTS])
    empty = [item for item, matched in zip(items, matches, strict=True) if not matched]
    # Ids without a key become failed requests. An expression without a minion cannot become any request.
    if len(empty) == len(items) or any(item.tgt_type != "list" for item in empty):
        faults = [{"path": item.path, "message": NO_MINIONS} for item in empty[:MAX_FAULTS]]
        raise ApiError("no_minions", summary(faults), faults)
    named = [
        list(dict.fromkeys(item.tgt)) if item.tgt_type == "list" else matched
        for item, matched in zip(items, matches, strict=True)
    ]
    maximum, count = call.services.settings.limits.batch_requests, sum(map(len, named))
    if count > maximum:
        sentence = f"a batch has at most {maximum} requests, and this one has {count}"
        raise ApiError("too_large", sentence, {"limit": "batch_requests", "most": maximum, "requests": count})
    planned, known, wall = Plan(target=_common_target(items)), dict[bytes, int](), call.services.wall()
    for number, (item, names, matched) in enumerate(zip(items, named, matches, strict=True)):
        await _yield_to_others(number)
        index = known.setdefault(_key(item.call), len(planned.calls))
        if index == len(planned.calls):
            planned.calls.append(item.call)
        planned.requests += _requests(index, names, set(matched), wall)
    return planned


def _common_target(items: list[_Item]) -> tuple[str, str] | None:
    first = items[0]
    if not isinstance(first.tgt, str) or len(first.tgt) > MAX_TARGET:
        return None
    same = all((item.tgt, item.tgt_type) == (first.tgt, first.tgt_type) for item in items)
    return (first.tgt, first.tgt_type) if same else None


async def _yield_to_others(number: int) -> None:
    """Let other tasks run after each :data:`ITEMS_PER_TURN` items: thousands of items take nearly a second."""
    if number % ITEMS_PER_TURN == ITEMS_PER_TURN - 1:
        await asyncio.sleep(0)


async def _items(call: Call, faults: list[Fault]) -> list[_Item]:
    """Return the valid items; add the faults of the others, up to the maximum.

    :raises ApiError: forbidden for an item that Salt would refuse later, when the batch is half done
    """
    items: list[_Item] = []
    for number, item in enumerate(call.message["batch"]):
        if len(faults) >= MAX_FAULTS:
            break
        await _yield_to_others(number)
        batch_call, path = _call(item), f"/batch/{number}"
        reach = Reach(call.permissions, batch_call.fun, load_arguments(batch_call.arg, batch_call.kwarg))
        faults += _argument_faults(call, batch_call, path)
        target_path = _target_path(item, path)
        try:
            tgt, tgt_type = _target(item)
        except ApiError as error:
            faults.append(_fault_at(target_path, error))
            continue
        reach.check_names(tgt, tgt_type)
        items.append(_Item(target_path, batch_call, tgt, tgt_type, reach))
    return items


async def _matches(call: Call, items: list[_Item], faults: list[Fault]) -> list[list[str]]:
    """Return the minions that the target of each item matches; add the faults of the targets.

    :raises ApiError: forbidden if an item matches no minion on which the user may run it
    """
    matched, found = dict[bytes, list[str]](), list[list[str]]()
    for number, item in enumerate(items):
        if len(faults) >= MAX_FAULTS:
            break
        await _yield_to_others(number)
        tgt = item.reach.known_names(item.tgt, item.tgt_type)
        key = encode([tgt, item.tgt_type])
        try:
            if key not in matched:
                matched[key] = await _matched(call, tgt, item.tgt_type)
        except ApiError as error:
            faults.append(_fault_at(item.path, error))
            matched[key] = []
        minions = matched[key]
        found.append(minions if item.tgt_type == "list" or faults else item.reach.limit(item.tgt_type, minions))
    return found


def _fault_at(path: str, error: ApiError) -> Fault:
    """Return the fault of a target.

    :raises ApiError: the error, if the sender did not cause it
    """
    if error.code != "bad_message":
        raise error
    return {"path": path, "message": error.details[0]["message"] if error.details else error.message}


def _call(item: Mapping[str, Any]) -> BatchCall:
    """Return the call of an item in either form."""
    if "fun" in item:
        return BatchCall(item["fun"], list(item.get("arg", [])), dict(item.get("kwarg", {})))
    data, resource = dict(item.get("data", {})), item["resource"]
    fun = resource.strip("/").replace("/", ".")
    return BatchCall(fun, list(data.pop("__args", [])), data, item["method"], resource, item.get("tunnel"))


def _key(call: BatchCall) -> bytes:
    """Return a key that equal calls share."""
    return encode([call.fun, call.arg, call.kwarg, call.method, call.resource, call.tunnel])


def _target_path(item: Mapping[str, Any], path: str) -> str:
    """Return the JSON Pointer to the target of an item."""
    return f"{path}/tgt" if "fun" in item else f"{path}/__request/{_destination(item)}"


def _destination(item: Mapping[str, Any]) -> str:
    return "destination" if "destination" in item["__request"] else "__destination"


def _target(item: Mapping[str, Any]) -> tuple[Any, str]:
    """Return the target of an item, and its type.

    :raises ApiError: bad_message
    """
    if "fun" in item:
        return target(item)
    named = item["__request"][_destination(item)]
    return [named] if isinstance(named, str) else named, "list"


async def _matched(call: Call, tgt: Any, tgt_type: str) -> list[str]:
    """Return the minions that a target matches.

    Of a list, Salt is asked only for minions whose key is not known to be accepted: Salt reads a file for each, which
    takes seconds for thousands. A master below may know any of the ids.
    """
    if tgt_type == "list" and call.services.minions.has_syndics:
        return list(tgt)
    tgt, _ = without_unknown(call.services.minions, tgt, tgt_type)
    if tgt_type != "list":
        found = await call.services.match(tgt, tgt_type)
        return [name for name in found if not call.services.minions.passes_on(name)]
    known = {name: call.services.minions.get(name) for name in tgt}
    accepted = [name for name, minion in known.items() if minion is not None and minion.key == "accepted"]
    unknown = sorted(known.keys() - set(accepted))
    return accepted + (await call.services.match(unknown, "list") if unknown else [])


def _argument_faults(call: Call, batch_call: BatchCall, path: str) -> Iterator[Fault]:
    """Yield the arguments that Salt cannot pass on unchanged."""
    try:
        call.services.commands.check_arguments(batch_call.arg, batch_call.kwarg)
    except ApiError as error:
        for one in error.details or [{"path": "", "message": error.message}]:
            name, message = one["path"].replace("/args", "/arg").replace("/kwargs", "/kwarg"), one["message"]
            if batch_call.resource:
                name = name.replace("/arg/", "/data/__args/").replace("/kwarg/", "/data/")
                message = message.replace("`kwarg`", "`data`")
            yield {"path": path + name, "message": message}


def _requests(call: int, named: list[str], matched: set[str], now: float) -> Iterator[Request]:
    for minion in named:
        if minion in matched:
            yield Request(minion, call)
        else:
            # A missing minion of a list does not stop the others. Salt does the same.
            yield Request(minion, call, "error", result=NO_KEY, finished=now)


def with_progress(call: BatchCall) -> dict[str, Any]:
    """Return the keyword arguments to send: with them, each state of a state run reports its progress."""
    return {"state_events": True, **call.kwarg} if call.fun in STATE_FUNCTIONS else call.kwarg
