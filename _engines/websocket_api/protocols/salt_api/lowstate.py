"""salt-api's lowstate: run each low as operations, and answer in the form that salt-api's clients expect."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Mapping
from typing import Any

from ...core.jobs.part import RETURNED
from ...errors import MAX_FAULTS, ApiError
from .logins import CREDENTIALS, Ask
from .low_fields import (
    MAX_SECONDS,
    Low,
    arguments,
    batch_size,
    flag,
    keywords,
    number,
    positional,
    printable,
    seconds,
    target,
)

CLIENTS = (
    *("local", "local_async", "local_subset", "local_batch"),
    *("runner", "runner_async", "wheel", "wheel_async"),
)
PUBLISHED = frozenset(
    (
        *("client", "fun", "tgt", "tgt_type", "expr_form", "arg", "kwarg", *CREDENTIALS),
        *("ret", "metadata", "delimiter", "full_return", "state_events"),
        *("timeout", "gather_job_timeout", "batch", "batch_wait", "failhard", "subset", "sub"),
    )
)
"""The fields of a low for minions. ``timeout`` and ``gather_job_timeout`` have no effect: they control when Salt's own
client asks minions whether they still run a job, and the engine asks once for all who wait."""
BELONGS_TO = {
    **dict.fromkeys(("batch", "batch_wait", "failhard"), "local_batch"),
    **dict.fromkeys(("subset", "sub"), "local_subset"),
}
"""Fields of one client only. With any other client Salt ignores them, and runs on the whole target at once."""
BATCH = "10%"  # of the minions run at once by default, as in Salt's client
LIST_OF_FUNCTIONS = {"path": "/fun", "message": "must be a string"}
NO_RETURN = """\
Minion did not return. [No response]
The minions may not have all finished running and any remaining minions will return upon completion. To look up the \
return data for this job later, run the following command:

salt-run jobs.lookup_jid {jid}"""
"""The text of Salt 3008's LocalClient; clients search for its beginning."""
MASTER_ONLY = frozenset(("client", "fun", "arg", "kwarg", *CREDENTIALS))
"""Fields of a low for a runner or wheel that are not keyword arguments of the function; all others are."""
NOT_PASSED = {
    "runner": MASTER_ONLY | {"timeout", "full_return"},
    "runner_async": MASTER_ONLY,
    "wheel": MASTER_ONLY | {"full_return", "print_event"},
    "wheel_async": MASTER_ONLY | {"full_return", "print_event"},
}
"""The same for each client. ``runner_async`` does not wait, so ``timeout`` is the function's. Only ``runner`` and
wheels know ``full_return``, and a wheel always returns everything. ``print_event`` is for Salt's own terminal."""


async def run(low: Any, ask: Ask, enabled: tuple[str, ...]) -> list[Any]:
    """Run one low and return its answers: a single one, or with ``local_batch`` one for each minion.

    :param low: as the client sent it
    :param ask: runs operations for the low's user
    :param enabled: the option ``clients``
    :raises ApiError: for the sender
    """
    if not isinstance(low, dict):
        raise ApiError("bad_message", "a low must be an object")
    client, fun = check_client(low.get("client"), enabled), low.get("fun")
    if isinstance(fun, list):
        # Salt's master would run all of them for a user with permission for one of them (CkMinions.auth_check).
        raise ApiError("bad_message", "one low, one function: send a low for each", [LIST_OF_FUNCTIONS])
    if not isinstance(fun, str) or not fun:
        raise ApiError("bad_message", "a low needs fun, the name of a function")
    if client.startswith("local"):
        return await _on_minions(client, low, ask)
    return [await _on_master(client, low, ask)]


def check_client(client: Any, enabled: tuple[str, ...]) -> str:
    """Return the client if it is enabled; else raise an error with Salt's text.

    :raises ApiError: ``bad_message``
    """
    if client not in (*CLIENTS, "ssh"):
        raise ApiError("bad_message", f"Invalid client specified: '{printable(client)}'")
    if client == "ssh" or client not in enabled:
        how = "Add to 'netapi_enable_clients' master config option to enable."
        raise ApiError("bad_message", f"Client disabled: '{client}'. {how}")
    return str(client)


NOT_SENT = "is not sent with a command: put arguments of the function into `kwarg`"


async def _on_minions(client: str, low: Low, ask: Ask) -> list[Any]:
    if unknown := [name for name in low if name not in PUBLISHED]:
        faults = [{"path": f"/{printable(name)}", "message": NOT_SENT} for name in unknown[:MAX_FAULTS]]
        raise ApiError("bad_message", f"{printable(unknown[0])} {NOT_SENT}", faults)
    for name, owner in BELONGS_TO.items():
        if owner != client and low.get(name) not in (None, "", False):
            fault = {"path": f"/{name}", "message": f"goes with the client {owner} only"}
            raise ApiError("bad_message", f"{name} {fault['message']}", [fault])
    call, full = _call(low), flag(low, "full_return")
    try:
        if client == "local_async":
            return [await ask("cmd", mode="async", **call)]
        if client == "local_batch":
            return await _in_batches(call, low, ask)
        if client == "local_subset":
            call |= await _subset(call, low, ask)
        return [_returns(await ask("cmd", mode="sync", timeout=MAX_SECONDS, **call), full)]
    except ApiError as error:
        if error.code != "no_minions":
            raise
        return [] if client == "local_batch" else [{}]


def _call(low: Low) -> dict[str, Any]:
    """Return the fields of the operation ``cmd`` for a low."""
    call: dict[str, Any] = {"fun": low["fun"], **target(low)}
    call["arg"], call["kwarg"] = arguments(low)
    call["parse"] = True
    call |= {name: low[name] for name in ("metadata", "delimiter") if low.get(name) is not None}
    if low.get("ret"):  # Salt's client sends an empty text for no returner
        call["ret"] = low["ret"]
    if isinstance(call.get("ret"), list):
        call["ret"] = ",".join(map(str, call["ret"]))
    if flag(low, "state_events"):
        call["progress"] = True
    return call


async def _subset(call: Mapping[str, Any], low: Low, ask: Ask) -> dict[str, Any]:
    """Return a target of some matching minions, chosen at random."""
    stated = [number(low, name, 3) for name in ("sub", "subset") if low.get(name) not in (None, "")]
    if len(set(stated)) > 1:
        raise ApiError("bad_message", "sub and subset differ", [{"path": "/subset", "message": "differs from sub"}])
    wanted = stated[0] if stated else 3
    found = await _matched(call, ask)
    return {"tgt": random.sample(found, min(len(found), max(1, math.ceil(wanted)))), "tgt_type": "list"}


async def _in_batches(call: dict[str, Any], low: Low, ask: Ask) -> list[Any]:
    stated, pause, failhard = low.get("batch"), number(low, "batch_wait", 0), flag(low, "failhard")
    batch_size(stated := BATCH if stated in (None, "") else stated, 0)
    found, full = await _matched(call, ask), flag(low, "full_return")
    size = batch_size(stated, len(found))
    answers: list[Any] = []
    for start in range(0, len(found), size):
        if start and pause:
            await asyncio.sleep(pause)
        call |= {"tgt": found[start : start + size], "tgt_type": "list"}
        job = await ask("cmd", mode="sync", timeout=MAX_SECONDS, **call)
        answers += [{minion: value} for minion, value in _returns(job, full, with_missing=False).items()]
        if failhard and any((minion["retcode"] or 0) > 0 for minion in job["minions"].values()):
            break
    return answers


async def _matched(call: Mapping[str, Any], ask: Ask) -> list[str]:
    # The delimiter is part of the target: without it Salt would match other minions, or none.
    fields = {name: call[name] for name in ("tgt", "tgt_type", "delimiter", "fun") if name in call}
    found: list[str] = await ask("match", **fields)
    if not found:
        raise ApiError("no_minions", "the target matches no minion on which you may run this")
    return found


def _returns(job: Mapping[str, Any], full: bool, *, with_missing: bool = True) -> dict[str, Any]:
    """Return the minions' returns by minion id, with Salt's own text for a minion that did not return."""
    jid, answers = job["jid"], {}
    for name, minion in job["minions"].items():
        if minion["state"] in RETURNED:
            whole = {"ret": minion["return"], "retcode": minion["retcode"] or 0, "jid": jid}
            if "out" in minion:  # clients such as pepper print the return with this outputter
                whole["out"] = minion["out"]
        elif with_missing:
            whole = {"out": "no_return", "ret": NO_RETURN.format(jid=jid), "retcode": 1}
        else:
            continue
        answers[name] = whole if full else whole["ret"]
    return answers


async def _on_master(client: str, low: Low, ask: Ask) -> Any:
    kind, fun = client.removesuffix("_async"), low["fun"]
    flat = {name: value for name, value in low.items() if name not in NOT_PASSED[client]}
    fields = {"fun": fun, "arg": positional(low), "kwarg": {**keywords(low), **flat}}
    if client.endswith("_async"):
        return await ask(kind, mode="async", **fields)
    timeout = seconds(low) if kind == "runner" else MAX_SECONDS
    full = flag(low, "full_return")
    if timeout <= 0:
        started = await ask(kind, mode="async", **fields)
        raise ApiError("timeout", "the runner is still running", {"jid": started["jid"]})
    ran = await ask(kind, mode="sync", full=True, timeout=timeout, **fields)
    if kind == "runner" and not full:
        return ran["return"]
    whole = {"jid": ran["jid"], "tag": ran["tag"], "fun": f"{kind}.{fun}", "return": ran["return"]}
    data = {**whole, "success": ran["success"], "user": (await ask("whoami"))["user"]}
    if kind == "wheel":
        return {"tag": ran["tag"], "data": data}
    arguments_run = (await ask("get_job", jid=ran["jid"])).get("arg") or []  # redacted
    return {"tag": f"{ran['tag']}/ret", "data": {**data, "fun_args": arguments_run}}
