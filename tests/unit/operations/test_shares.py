"""Each user is limited over all connections, and does not block other users."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from websocket_api.fair_share import Share, current_share

from tests.unit.operations.engine import ALL, Engine, Refused
from tests.unit.operations.test_batches import started


def shares_of_requests(engine: Engine, name: str) -> list[Share]:
    """Return a list that collects the shares of requests to the master."""
    found: list[Share] = []
    original = getattr(engine.commands, name)

    async def audit_fields(*args: Any, **kw: Any) -> Any:
        found.append(current_share())
        return await original(*args, **kw)

    setattr(engine.commands, name, audit_fields)
    return found


async def test_work_is_charged_to_the_user() -> None:
    """All work, on every connection, and also the later jobs of a batch."""
    engine = await started(ann=ALL, bob=ALL)
    ann, bob = await engine.user("ann"), await engine.user("bob")
    published, runners = shares_of_requests(engine, "publish"), shares_of_requests(engine, "runner")
    await ann.ask("cmd", fun="test.ping", tgt="db")
    await bob.ask("runner", fun="manage.up")
    await bob.ask("cmd", fun="test.ping", tgt="db", token=engine.accounts.give("ann"))
    await bob.ask("batch", batch=[{"fun": "test.ping", "tgt": "db"}])
    engine.world.time.pass_(1)
    for _ in range(50):
        await asyncio.sleep(0)
    assert published == [Share("ann", "pam"), Share("ann", "pam"), Share("bob", "pam")]
    assert runners == [Share("bob", "pam")]
    assert current_share() == Share("", "")


async def test_reading_an_unknown_token_is_charged_to_its_address() -> None:
    """Its user is not known yet."""
    engine, found = Engine(), list[Share]()
    original = engine.accounts.token

    async def token(token: str) -> Any:
        found.append(current_share())
        return await original(token)

    engine.accounts.token = token  # type: ignore[method-assign]
    await engine.user()
    talker = await engine.user()
    await talker.ask("ping", token=engine.accounts.give("ann"))
    address = talker.connection.address
    assert found == [Share("", address)] * 3


@pytest.mark.parametrize("limit", ["commands_per_user", "connections_per_user"])
async def test_all_connections_of_a_user_count_together(limit: str) -> None:
    """One more is refused, but not for another user. When one ends, another is allowed."""
    engine = Engine(limits={limit: 2}, ann=ALL, bob=ALL)
    first = await engine.user("ann")
    bob = await engine.user("bob")
    if limit == "connections_per_user":
        second = await engine.user("ann")
        await second.ask("auth", token=engine.accounts.give("ann"))  # it is this user's already
        with pytest.raises(Refused) as refused:
            await engine.user("ann")
        await engine.user("bob")
        second.connection.release()
        await engine.user("ann")
    else:
        second = await engine.user("ann")
        asking = {"fun": "test.sleep", "tgt": "db", "mode": "sync"}
        for one in (first, second):
            one.start("cmd", **asking)
        for _ in range(20):
            await asyncio.sleep(0)
        with pytest.raises(Refused) as refused:
            await second.ask("cmd", **asking)
        bob.start("cmd", **asking)
        first.connection.release()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        second.start("cmd", **asking)
    assert (refused.value.code, refused.value.error["details"]) == ("too_many", {"limit": limit})


async def test_a_users_batches_leave_room_for_those_of_others() -> None:
    """Ann alone may use all; with Bob, each gets half."""
    engine = await started(limits={"batch_requests": 3}, ann=ALL, bob=ALL)
    ann, bob = await engine.user("ann"), await engine.user("bob")
    item = {"fun": "test.ping", "tgt": "*"}
    for _ in range(10):
        await ann.ask("batch", batch=[item])
    with pytest.raises(Refused) as refused:
        await ann.ask("batch", batch=[item])
    assert refused.value.error["details"] == {"limit": "batch_requests"}
    for _ in range(5):
        await bob.ask("batch", batch=[item])
    with pytest.raises(Refused):
        await bob.ask("batch", batch=[item])


@pytest.mark.parametrize(
    ("limit", "kind", "what"),
    [
        ("jobs_in_flight", "cmd", {"fun": "test.ping", "tgt": "db"}),
        ("runners_in_flight", "runner", {"fun": "manage.up"}),
    ],
)
async def test_the_number_of_jobs_that_have_not_ended_is_limited(limit: str, kind: str, what: dict[str, Any]) -> None:
    """The next job waits until one ends, or is refused after a time; another user's job is not."""
    engine = Engine(limits={limit: 2, "master_seconds": 0.05}, ann=ALL, bob=ALL)
    ann, bob = await engine.user("ann"), await engine.user("bob")
    jids = [(await ann.ask(kind, **what))["jid"] for _ in range(2)]
    with pytest.raises(Refused) as refused:
        await ann.ask(kind, **what)
    assert refused.value.error["details"] == {"limit": limit}
    if kind == "cmd":
        engine.returns(jids[0], "db", True)
    else:
        ended = {"fun": "runner.manage.up", "user": "ann", "jid": jids[0], "return": [], "success": True}
        engine.world.fire(f"salt/run/{jids[0]}/ret", **ended)
    await bob.ask(kind, **what)
