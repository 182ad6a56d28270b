"""salt-api's lowstate: each low is one command, said in operations, and its answer shaped as these clients read it."""

from __future__ import annotations

import asyncio
import json
import math
import random
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from ...errors import MAX_FAULTS, ApiError
from .low_fields import (
    LONGEST_SECONDS,
    Low,
    arguments,
    batch_size,
    keywords,
    number,
    positional,
    seconds,
    shown,
    target,
    truth,
)

Ask = Callable[..., Awaitable[Any]]
"""``await ask(operation, **fields)``."""

CLIENTS = (
    *("local", "local_async", "local_subset", "local_batch"),
    *("runner", "runner_async", "wheel", "wheel_async"),
)
CREDENTIALS = ("token", "username", "password", "eauth")
_TOKEN = re.compile(r"[0-9a-fA-F]{32,128}")
PUBLISHED = frozenset(
    (
        *("client", "fun", "tgt", "tgt_type", "expr_form", "arg", "kwarg", *CREDENTIALS),
        *("ret", "metadata", "delimiter", "full_return", "state_events"),
        *("timeout", "gather_job_timeout", "batch", "batch_wait", "failhard", "subset", "sub"),
    )
)
"""What may stand in a low for minions. ``timeout`` and ``gather_job_timeout`` tell Salt's own client when to ask
whether minions still run a job; the engine asks once for all who watch."""
BELONGS_TO = {
    **dict.fromkeys(("batch", "batch_wait", "failhard"), "local_batch"),
    **dict.fromkeys(("subset", "sub"), "local_subset"),
}
"""Fields that one client alone obeys. Salt runs any other on the whole target at once, without a word."""
BATCH = "10%"  # of the minions at once, where a low names no number: as in Salt's client
ENDED = ("returned", "failed")
LIST_OF_FUNCTIONS = {"path": "/fun", "message": "must be a string"}
NO_RETURN = """\
Minion did not return. [No response]
The minions may not have all finished running and any remaining minions will return upon completion. To look up the \
return data for this job later, run the following command:

salt-run jobs.lookup_jid {jid}"""
"""What LocalClient of Salt 3008 says; clients look for its beginning."""
MASTER_ONLY = frozenset(("client", "fun", "arg", "kwarg", *CREDENTIALS))
"""What is no keyword argument of the function in a low for the master, where they stand flat."""
NOT_PASSED = {
    "runner": MASTER_ONLY | {"timeout", "full_return"},
    "runner_async": MASTER_ONLY,
    "wheel": MASTER_ONLY | {"full_return"},
    "wheel_async": MASTER_ONLY | {"full_return"},
}
"""The same by client: ``timeout`` is the function's where nobody waits. Of a wheel everything is always told."""


async def run(low: Any, ask: Ask, enabled: tuple[str, ...]) -> list[Any]:
    """Run one low; return its answers: one, but of ``local_batch`` one for each minion.

    :param low: as the client sent it
    :param ask: asks for operations in the name of whom the low runs for
    :param enabled: the option ``clients``
    :raises ApiError: whatever the sender is to be told
    """
    if not isinstance(low, dict):
        raise ApiError("bad_message", "a low must be an object")
    client, fun = check_client(low.get("client"), enabled), low.get("fun")
    if isinstance(fun, list):
        # The master lets all of them run for whom one of them is permitted (CkMinions.auth_check): not by this door.
        raise ApiError("bad_message", "one low, one function: send a low for each", [LIST_OF_FUNCTIONS])
    if not isinstance(fun, str) or not fun:
        raise ApiError("bad_message", "a low needs fun, the name of a function")
    if client.startswith("local"):
        return await _on_minions(client, low, ask)
    return [await _on_master(client, low, ask)]


def check_client(client: Any, enabled: tuple[str, ...]) -> str:
    """Return a client that is enabled; refuse others in Salt's words.

    :raises ApiError: bad_message
    """
    if client not in (*CLIENTS, "ssh"):
        raise ApiError("bad_message", f"Invalid client specified: '{shown(client)}'")
    if client == "ssh" or client not in enabled:
        how = "Add to 'netapi_enable_clients' master config option to enable."
        raise ApiError("bad_message", f"Client disabled: '{client}'. {how}")
    return str(client)


async def _on_minions(client: str, low: Low, ask: Ask) -> list[Any]:
    if unknown := [name for name in low if name not in PUBLISHED]:
        faults = [
            {"path": f"/{shown(name)}", "message": "does not travel with a command"} for name in unknown[:MAX_FAULTS]
        ]
        raise ApiError("bad_message", f"{shown(unknown[0])} does not travel with a command", faults)
    for name, owner in BELONGS_TO.items():
        if owner != client and low.get(name) not in (None, "", False):
            fault = {"path": f"/{name}", "message": f"goes with the client {owner} only"}
            raise ApiError("bad_message", f"{name} {fault['message']}", [fault])
    call, full = _call(low), truth(low, "full_return")
    try:
        if client == "local_async":
            return [await ask("cmd", mode="async", **call)]
        if client == "local_batch":
            return await _in_batches(call, low, ask)
        if client == "local_subset":
            call |= await _subset(call, low, ask)
        return [_returns(await ask("cmd", mode="sync", timeout=LONGEST_SECONDS, **call), full)]
    except ApiError as fault:
        if fault.code != "no_minions":
            raise
        return [] if client == "local_batch" else [{}]


def _call(low: Low) -> dict[str, Any]:
    """Return the fields of ``cmd`` that a low means."""
    call: dict[str, Any] = {"fun": low["fun"], **target(low)}
    call["arg"], call["kwarg"] = arguments(low)
    call["parse"] = True
    call |= {name: low[name] for name in ("metadata", "delimiter") if low.get(name) is not None}
    if low.get("ret"):  # an empty text is what Salt's client has where none is named
        call["ret"] = low["ret"]
    if isinstance(call.get("ret"), list):
        call["ret"] = ",".join(map(str, call["ret"]))
    if truth(low, "state_events"):
        call["progress"] = True
    return call


async def _subset(call: Mapping[str, Any], low: Low, ask: Ask) -> dict[str, Any]:
    """Return the target that is so many of the minions, by chance."""
    stated = [number(low, name, 3) for name in ("sub", "subset") if low.get(name) not in (None, "")]
    if len(set(stated)) > 1:
        raise ApiError("bad_message", "sub and subset differ", [{"path": "/subset", "message": "differs from sub"}])
    wanted = stated[0] if stated else 3
    found = await _matched(call, ask)
    return {"tgt": random.sample(found, min(len(found), max(1, math.ceil(wanted)))), "tgt_type": "list"}


async def _in_batches(call: dict[str, Any], low: Low, ask: Ask) -> list[Any]:
    stated, pause, failhard = low.get("batch"), number(low, "batch_wait", 0), truth(low, "failhard")
    batch_size(stated := BATCH if stated in (None, "") else stated, 0)
    found, full = await _matched(call, ask), truth(low, "full_return")
    size = batch_size(stated, len(found))
    answers: list[Any] = []
    for start in range(0, len(found), size):
        if start and pause:
            await asyncio.sleep(pause)
        call |= {"tgt": found[start : start + size], "tgt_type": "list"}
        ended = await ask("cmd", mode="sync", timeout=LONGEST_SECONDS, **call)
        answers += [{minion: value} for minion, value in _returns(ended, full, with_missing=False).items()]
        if failhard and any((part["retcode"] or 0) > 0 for part in ended["minions"].values()):
            break
    return answers


async def _matched(call: Mapping[str, Any], ask: Ask) -> list[str]:
    # A low's delimiter is part of its target: without it Salt would find other minions, or none.
    named = {name: call[name] for name in ("tgt", "tgt_type", "delimiter", "fun") if name in call}
    found: list[str] = await ask("match", **named)
    if not found:
        raise ApiError("no_minions", "the target matches no minion on which you may run this")
    return found


def _returns(job: Mapping[str, Any], full: bool, *, with_missing: bool = True) -> dict[str, Any]:
    """Return what the minions returned; for who did not, Salt's own sentence, which nobody takes for an answer."""
    jid, answers = job["jid"], {}
    for name, part in job["minions"].items():
        if part["state"] in ENDED:
            whole = {"ret": part["return"], "retcode": part["retcode"] or 0, "jid": jid}
            if "out" in part:  # by it a client such as pepper chooses how it prints the return
                whole["out"] = part["out"]
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
    timeout = seconds(low) if kind == "runner" else LONGEST_SECONDS
    full = truth(low, "full_return")
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
    as_read = (await ask("get_job", jid=ran["jid"])).get("arg") or []  # without secrets
    return {"tag": f"{ran['tag']}/ret", "data": {**data, "fun_args": as_read}}


class Askers:
    """Who the lows of one request run for: the session's user, or whom a low names itself.

    Salt checks a low's own name and password each time. Here they buy a token, which ends with the request; one is
    enough for all lows with the same.

    :param ask: asks in the name of the session, if there is one
    :param log_in: ``await log_in(username=, password=, eauth=)`` gives a token, without touching the session
    :param give_back: ``await give_back(token)`` revokes it, even for a client that has gone meanwhile
    """

    def __init__(
        self,
        ask: Ask,
        log_in: Callable[..., Awaitable[str]],
        give_back: Callable[[str], Awaitable[None]],
        has_session: bool,
    ) -> None:
        self._ask = ask
        self._log_in = log_in
        self._give_back = give_back
        self._has_session = has_session
        self._tokens: dict[str, str] = {}

    async def of(self, low: Any) -> Ask:
        """Return what asks in the name of whom a low runs for.

        :raises ApiError: unauthenticated, bad_message and what a login meets
        """
        named = low if isinstance(low, dict) else {}
        if named.get("token"):
            return self._with(named["token"])
        if "username" in named or "password" in named:
            return self._with(await self._bought(named))
        if not self._has_session:
            raise ApiError("unauthenticated", "No authentication credentials given")
        return self._ask

    async def end(self) -> None:
        """Give back the tokens that were bought."""
        tokens, self._tokens = list(self._tokens.values()), {}
        for token in tokens:
            await self._give_back(token)

    def _with(self, token: Any) -> Ask:
        if not isinstance(token, str) or not _TOKEN.fullmatch(token):
            raise ApiError("unauthenticated", "Invalid token")

        async def ask(operation: str, **fields: Any) -> Any:
            return await self._ask(operation, token=token, **fields)

        return ask

    async def _bought(self, named: Low) -> str:
        fields = {name: named[name] for name in ("username", "password", "eauth") if named.get(name) is not None}
        key = json.dumps(fields, sort_keys=True)
        if key not in self._tokens:
            self._tokens[key] = await self._log_in(**fields)
        return self._tokens[key]
