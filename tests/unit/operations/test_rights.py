"""Permissions are checked before targets: neither answers nor their cost reveal minions without permission."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from websocket_api.core.access.permissions import Permissions
from websocket_api.errors import ApiError, not_permitted
from websocket_api.protocols.salt_api.lowstate import run

from tests.support.waiting import LOOP_SECONDS
from tests.unit.operations.engine import ALL, Engine, Refused, Talker

MATCHING = {"hit": ["web2"], "miss": [], "own": ["web1"], "both": ["web1", "web2"]}
"""What a target means, by how it is called here; web1 is the minion on which some users may run something."""
KINDS = ("glob", "pcre", "grain", "grain_pcre", "pillar", "pillar_pcre", "pillar_exact", "nodegroup", "compound")
USERS: dict[str, list[Any]] = {
    "nothing": ["@events"],
    "elsewhere": [{"db": ["test.*", "sys.*", "event.*"]}],
    "one": [{"web1": ["test.*", "sys.*", "event.*"]}],
    "other": [{"web1": ["cmd.run"]}],
}
"""Users who may not run test.ping on web2."""


class Salt(Engine):
    """An engine whose master authorizes as Salt does: it matches, then checks permissions, then the number of minions.

    ``work`` has each request to the master, without its answer.
    """

    def __init__(self) -> None:
        super().__init__(**USERS, root=ALL)
        self.work: list[tuple[str, Any]] = []
        for kind in KINDS:
            self.sets |= {f"{kind}:{name}": found for name, found in MATCHING.items()}
        commands, publish = self.commands, self.commands.publish
        commands.answers = {"test.ping": True, "sys.list_functions": [], "sys.argspec": {}, "sys.doc": {}}

        async def authorized(
            token: str, user: str, fun: str, arg: Any, kwarg: Any, tgt: Any, *more: Any, **extra: Any
        ) -> Any:
            self.work.append(("publish", tgt))
            found = await Engine.match(self, tgt, more[0])
            perms = Permissions(self.accounts.users[user], self.services.sessions._targets)
            allowed = all(perms.may_run(fun, arg, name) for name in found)
            if not (allowed and perms.may_run_somehow(fun)):
                raise not_permitted()
            if not found:
                raise ApiError("no_minions", "the target matches no minion")
            return await publish(token, user, fun, arg, kwarg, tgt, *more, **extra)

        commands.publish = authorized  # type: ignore[method-assign]

    async def match(self, tgt: Any, tgt_type: str, delimiter: str = ":") -> list[str]:
        if hasattr(self, "work"):
            self.work.append(("match", tgt))
        return await super().match(tgt, tgt_type, delimiter)


async def low(talker: Talker, client: str, tgt: Any, tgt_type: str) -> Any:
    """Run a low of salt-api."""

    async def ask(operation: str, **fields: Any) -> Any:
        try:
            return await talker.ask(operation, **fields)
        except Refused as fault:
            raise ApiError(fault.code, fault.error["message"], fault.error["details"]) from None

    sent = {"client": client, "tgt": tgt, "tgt_type": tgt_type, "fun": "test.ping", "batch": "1", "subset": 1}
    taken = ("tgt", "tgt_type", "client", "fun", *(("batch",) if client == "local_batch" else ()))
    return await run({name: sent[name] for name in taken}, ask, tuple(talker.engine.services.settings.clients))


def item(tgt: Any, tgt_type: str) -> dict[str, Any]:
    return {"fun": "test.ping", "tgt": tgt, "tgt_type": tgt_type}


ASKED = {
    "cmd": lambda talker, *tgt: talker.ask("cmd", **item(*tgt)),
    "cmd, parsed": lambda talker, *tgt: talker.ask("cmd", parse=True, arg=["a=b"], **item(*tgt)),
    "find_job": lambda talker, *tgt: talker.ask("cmd", **{**item(*tgt), "fun": "saltutil.find_job"}, arg=["1"]),
    "batch": lambda talker, *tgt: talker.ask("batch", batch=[item(*tgt)]),
    "batch, no such function": lambda talker, *tgt: talker.ask("batch", batch=[{**item(*tgt), "fun": "no.such"}]),
    "batch, of two": lambda talker, *tgt: talker.ask("batch", batch=[item("db", "glob"), item(*tgt)]),
    "match": lambda talker, *tgt: talker.ask("match", tgt=tgt[0], tgt_type=tgt[1]),
    "match, of a function": lambda talker, *tgt: talker.ask("match", **item(*tgt)),
    "functions": lambda talker, *tgt: talker.ask("functions", tgt=tgt[0], tgt_type=tgt[1]),
    "signature": lambda talker, *tgt: talker.ask("signature", module="no.such", tgt=tgt[0], tgt_type=tgt[1]),
    "event": lambda talker, *tgt: talker.ask("event", tag="a/b", body={}, tgt=tgt[0], tgt_type=tgt[1]),
    "local_async": lambda talker, *tgt: low(talker, "local_async", *tgt),
    "local": lambda talker, *tgt: low(talker, "local", *tgt),
    "local_subset": lambda talker, *tgt: low(talker, "local_subset", *tgt),
    "local_batch": lambda talker, *tgt: low(talker, "local_batch", *tgt),
}
"""Everything that takes a target, and the lows of salt-api, which are made of it."""


async def answer(user: str, asked: str, tgt: Any, tgt_type: str) -> tuple[Any, list[Any]]:
    """Return the answer to a user, without ids and times, and the work for it."""
    engine = Salt()
    await engine.services.batches.maintenance.tick()
    talker = await engine.user(user)
    engine.work.clear()
    try:
        result = await asyncio.wait_for(ASKED[asked](talker, tgt, tgt_type), LOOP_SECONDS)
        if isinstance(result, dict):
            assert result.get("tgt", tgt) in (tgt, None), "a batch repeats the target that was sent, and no other"
            varying = ("id", "created_at", "requests", "tgt")
            result = {name: value for name, value in result.items() if name not in varying}
    except Refused as fault:
        result = fault.error
    except ApiError as fault:
        result = [fault.code, fault.message, fault.details]
    return result, [(what, tgt if isinstance(tgt, list) else "the target") for what, tgt in engine.work]


def pairs() -> Iterator[tuple[Any, Any, str]]:
    """Pairs of targets: one matches a minion without permission, the other matches none."""
    for kind in KINDS:
        yield f"{kind}:hit", f"{kind}:miss", kind
    yield ["web2"], ["gone"], "list"
    yield "web2", "gone", "list"
    yield "L@web2", "L@gone", "compound"


@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize("user", USERS)
async def test_no_minions_and_no_permission_have_the_same_answer_and_work(user: str, asked: str) -> None:
    """For each type of target. A user without any permission is refused before anything is matched."""
    for hit, miss, kind in pairs():
        result, work = await answer(user, asked, hit, kind)
        nobody, same_work = await answer(user, asked, miss, kind)
        assert result == nobody, kind
        assert [what for what, _ in work] == [what for what, _ in same_work], kind
        assert "publish" not in dict(work), f"{kind}: the master's refusal would be an event"
        if user == "nothing":
            assert work == []


@pytest.mark.parametrize("asked", [name for name in ASKED if "no such" not in name and "two" not in name])
async def test_hidden_minions_do_not_change_targets_by_data(asked: str) -> None:
    """A target such as ``L@web1 or I@secret:a*`` must not reveal the pillar of other minions."""
    for kind in KINDS:
        if kind in ("glob", "pcre") and asked not in ("match", "functions", "local_batch"):
            continue  # ids alone: Salt's own answer, see below
        result, work = await answer("one", asked, f"{kind}:both", kind)
        alone, same_work = await answer("one", asked, f"{kind}:own", kind)
        assert (result, work) == (alone, same_work), kind


@pytest.mark.parametrize("asked", ["cmd", "batch", "local_async", "local"])
@pytest.mark.parametrize("kind", ["glob", "pcre"])
async def test_a_target_of_ids_with_hidden_minions_is_refused_as_in_salt(asked: str, kind: str) -> None:
    """The whole command is refused."""
    result, _ = await answer("one", asked, f"{kind}:both", kind)
    assert (result["code"] if isinstance(result, dict) else result[0]) == "forbidden"


@pytest.mark.parametrize("asked", ["cmd", "batch", "local_async"])
async def test_a_list_with_hidden_ids_is_refused_whether_or_not_they_exist(asked: str) -> None:
    """Without matching."""
    for names in (["web1", "web2"], ["web1", "gone"]):
        result, work = await answer("one", asked, names, "list")
        assert (result["code"] if isinstance(result, dict) else result[0], work) == ("forbidden", [])


@pytest.mark.parametrize("asked", ["cmd", "batch"])
async def test_users_with_permission_everywhere_get_no_minions(asked: str) -> None:
    """This reveals nothing to them."""
    result, _ = await answer("root", asked, "glob:miss", "glob")
    assert result["code"] == "no_minions"


@pytest.mark.parametrize("client", ["runner", "wheel"])
@pytest.mark.parametrize("fun", ["key.accept", "manage.up", "no.such"])
async def test_functions_of_the_master_are_not_read_without_permission(client: str, fun: str) -> None:
    """Neither the answer nor its time reveals it."""
    engine = Salt()
    talker = await engine.user("one")
    with pytest.raises(Refused) as caught:
        await talker.ask(client, fun=fun)
    assert caught.value.error["message"] == not_permitted().message
    assert engine.commands.called == []
