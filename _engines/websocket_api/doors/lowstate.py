"""salt-api's lowstate: each low is one command, said in operations, and its answer shaped as these clients read it."""

from __future__ import annotations

import asyncio
import json
import random
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from ..errors import MAX_FAULTS, ApiError
from ..live.calls import redact_call
from ..operations.targets import names

Ask = Callable[..., Awaitable[Any]]
"""``await ask(operation, **fields)``."""
Low = Mapping[str, Any]

CLIENTS = (
    *("local", "local_async", "local_subset", "local_batch"),
    *("runner", "runner_async", "wheel", "wheel_async"),
)
CREDENTIALS = ("token", "username", "password", "eauth")
_TOKEN = re.compile(r"[0-9a-fA-F]{32,128}")
LONGEST_SECONDS = 3600  # that a synchronous low waits; nearly always it ends sooner, when its job does
PUBLISHED = frozenset(
    (
        *("client", "fun", "tgt", "tgt_type", "expr_form", "arg", "kwarg", *CREDENTIALS),
        *("ret", "metadata", "delimiter", "full_return", "state_events"),
        *("timeout", "gather_job_timeout", "batch", "batch_wait", "subset", "sub"),
    )
)
"""What may stand in a low for minions. ``timeout`` and ``gather_job_timeout`` tell Salt's own client when to ask
whether minions still run a job; the engine asks once for all who watch."""
ENDED = ("returned", "failed")
MARK = "__kwarg__"
LIST_OF_FUNCTIONS = {"path": "/fun", "message": "must be a string"}
NO_RETURN = """\
Minion did not return. [No response]
The minions may not have all finished running and any remaining minions will return upon completion. To look up the \
return data for this job later, run the following command:

salt-run jobs.lookup_jid {jid}"""
"""What LocalClient of Salt 3008 says; clients look for its beginning."""
MASTER_ONLY = frozenset(("client", "fun", "arg", "kwarg", "timeout", "full_return", *CREDENTIALS))
"""What is no keyword argument of the function in a low for the master, where they stand flat."""


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


def settled(low: Low, fields: Low) -> dict[str, Any]:
    """Return a low with what its path says.

    ``local`` is what ``local_async`` is short for there, as in rest_cherrypy: both run the same, and the path says when
    the answer comes.

    :raises ApiError: bad_message where the low states something else
    """
    for name, value in fields.items():
        stated = low.get(name)
        if stated not in (None, "", value) and (name, stated) != ("client", "local"):
            fault = {"path": f"/{name}", "message": "differs from what the path says"}
            raise ApiError("bad_message", f"{name} {fault['message']}", [fault])
    return {**low, **fields}


def check_client(client: Any, enabled: tuple[str, ...]) -> str:
    """Return a client that is enabled; refuse others in Salt's words.

    :raises ApiError: bad_message
    """
    if client not in (*CLIENTS, "ssh"):
        raise ApiError("bad_message", f"Invalid client specified: '{_shown(client)}'")
    if client == "ssh" or client not in enabled:
        how = "Add to 'netapi_enable_clients' master config option to enable."
        raise ApiError("bad_message", f"Client disabled: '{client}'. {how}")
    return str(client)


async def _on_minions(client: str, low: Low, ask: Ask) -> list[Any]:
    if unknown := [name for name in low if name not in PUBLISHED]:
        faults = [
            {"path": f"/{_shown(name)}", "message": "does not travel with a command"} for name in unknown[:MAX_FAULTS]
        ]
        raise ApiError("bad_message", f"{_shown(unknown[0])} does not travel with a command", faults)
    call = _call(low)
    try:
        if client == "local_async":
            return [await ask("cmd", mode="async", **call)]
        if client == "local_batch":
            return await _in_batches(call, low, ask)
        if client == "local_subset":
            call |= await _subset(call, low, ask)
        return [_returns(await ask("cmd", mode="sync", timeout=LONGEST_SECONDS, **call), bool(low.get("full_return")))]
    except ApiError as fault:
        if fault.code != "no_minions":
            raise
        return [] if client == "local_batch" else [{}]


def _call(low: Low) -> dict[str, Any]:
    """Return the fields of ``cmd`` that a low means."""
    call: dict[str, Any] = {"fun": low["fun"], **_target(low)}
    call["arg"], call["kwarg"] = _arguments(low)
    call["parse"] = True
    call |= {name: low[name] for name in ("metadata", "delimiter", "ret") if low.get(name) is not None}
    if isinstance(call.get("ret"), list):
        call["ret"] = ",".join(map(str, call["ret"]))
    if low.get("state_events"):
        call["progress"] = True
    return call


def _target(low: Low) -> dict[str, Any]:
    """Return the target of a low and its kind, which the operation refuses where they do not fit.

    :raises ApiError: bad_message where there is no target, or where the old and the new name state different kinds
    """
    tgt, kinds = low.get("tgt"), [low[name] for name in ("tgt_type", "expr_form") if low.get(name)]
    if tgt is None:
        raise ApiError("bad_message", "a low for minions needs tgt", [{"path": "/tgt", "message": "is required"}])
    if len(kinds) > 1 and kinds[0] != kinds[1]:
        fault = {"path": "/expr_form", "message": "states another kind than tgt_type"}
        raise ApiError("bad_message", f"expr_form {fault['message']}", [fault])
    tgt_type = kinds[0] if kinds else "list" if isinstance(tgt, list) else "glob"
    return {"tgt": names(tgt) if tgt_type == "list" and isinstance(tgt, str) else tgt, "tgt_type": tgt_type}


async def _subset(call: Mapping[str, Any], low: Low, ask: Ask) -> dict[str, Any]:
    """Return the target that is so many of the minions, by chance."""
    wanted = _number(low, "subset" if "subset" in low else "sub", 3)
    found = await _matched(call, ask)
    return {"tgt": random.sample(found, min(len(found), max(1, int(wanted)))), "tgt_type": "list"}


async def _in_batches(call: dict[str, Any], low: Low, ask: Ask) -> list[Any]:
    found, full = await _matched(call, ask), bool(low.get("full_return"))
    size, pause = _size(low.get("batch", "100%"), len(found)), _number(low, "batch_wait", 0)
    answers: list[Any] = []
    for start in range(0, len(found), size):
        if start and pause:
            await asyncio.sleep(pause)
        call |= {"tgt": found[start : start + size], "tgt_type": "list"}
        ended = await ask("cmd", mode="sync", timeout=LONGEST_SECONDS, **call)
        answers += [{minion: value} for minion, value in _returns(ended, full, with_missing=False).items()]
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
        elif with_missing:
            whole = {"out": "no_return", "ret": NO_RETURN.format(jid=jid), "retcode": 1}
        else:
            continue
        answers[name] = whole if full else whole["ret"]
    return answers


async def _on_master(client: str, low: Low, ask: Ask) -> Any:
    kind, fun = client.removesuffix("_async"), low["fun"]
    flat = {name: value for name, value in low.items() if name not in MASTER_ONLY}
    fields = {"fun": fun, "arg": _list(low.get("arg")), "kwarg": {**flat, **_object(low)}}
    if client.endswith("_async"):
        return await ask(kind, mode="async", **fields)
    timeout = _number(low, "timeout", LONGEST_SECONDS) if kind == "runner" else LONGEST_SECONDS
    ran = await ask(kind, mode="sync", full=True, timeout=min(LONGEST_SECONDS, max(1, timeout)), **fields)
    if kind == "runner" and not low.get("full_return"):
        return ran["return"]
    whole = {"jid": ran["jid"], "tag": ran["tag"], "fun": f"{kind}.{fun}", "return": ran["return"]}
    data = {**whole, "success": ran["success"], "user": (await ask("whoami"))["user"]}
    if kind == "wheel":
        return {"tag": ran["tag"], "data": data}
    arg, kwarg = redact_call(fields["arg"], fields["kwarg"])
    arguments = [*arg, kwarg] if kwarg else arg
    return {"tag": f"{ran['tag']}/ret", "data": {**data, "fun_args": arguments}}


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


def _arguments(low: Low) -> tuple[list[Any], dict[str, Any]]:
    """Return ``arg`` and ``kwarg``. Who sends again what Salt's job lists show has keyword arguments among ``arg``,
    with Salt's mark on them; of a name that is there twice the last counts, as on a minion."""
    arg, kwarg = [], {}
    for value in [*_list(low.get("arg")), {**_object(low), MARK: True}]:
        if isinstance(value, dict) and value.get(MARK) is True:
            kwarg.update(value)
        else:
            arg.append(value)
    kwarg.pop(MARK)
    return arg, kwarg


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _object(low: Low) -> dict[str, Any]:
    value = low.get("kwarg")
    if value is not None and not isinstance(value, dict):
        raise ApiError("bad_message", "kwarg must be an object", [{"path": "/kwarg", "message": "must be an object"}])
    return value or {}


def _number(low: Low, name: str, default: float) -> float:
    value = low.get(name)
    if value is None or value == "":
        return default
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = -1.0
    if not 0 <= number <= 1_000_000:
        raise ApiError("bad_message", f"{name} must be a number", [{"path": f"/{name}", "message": "must be a number"}])
    return number


def _size(text: Any, total: int) -> int:
    """Return how many minions a batch has: a number, or a percentage of all."""
    share, percent, rest = str(text).strip().partition("%")
    if rest or not share.isascii() or not share.isdigit() or not int(share[:9]):
        sentence = "must be a number above 0 or a percentage"
        raise ApiError("bad_message", f"batch {sentence}", [{"path": "/batch", "message": sentence}])
    return max(1, total * int(share[:9]) // 100 if percent else int(share[:9]))


def _shown(name: Any) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in str(name)[:64])
