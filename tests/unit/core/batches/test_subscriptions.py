"""Subscriptions to batches: what is kept for their followers."""

from __future__ import annotations

from typing import Any

import pytest
from websocket_api.core.batches.batch import Batch
from websocket_api.core.batches.subscriptions import BatchSubscription

from tests.unit.core.batches.support import Master, Masters
from tests.unit.core.support import Client


def resumed(master: Master, batch: Batch | None, position: Any, *, collection: bool = True) -> list[dict[str, Any]]:
    """Return what a client with a position gets, until it leaves."""
    client = Client()
    subscription = BatchSubscription(master.feed, client.connection, 1, master.session, batch, collection=collection)
    if position is not None:
        subscription.resume(position)
    client.connection.add(subscription)
    subscription.start()
    got = client.got
    client.connection.release()
    return got


async def test_nothing_is_kept_for_a_batch_after_its_last_follower_left() -> None:
    """Later followers get all changes as usual."""
    masters = Masters()
    one = await masters.start("one")
    client, later = Client(), Client()
    batch = await one.batch("a", "b", "c", concurrency=1)
    first = BatchSubscription(one.feed, client.connection, 1, one.session, batch)
    client.connection.add(first)
    first.start()
    await masters.pass_(1)
    one.returns(one.last, "a")
    client.connection.release()
    await masters.pass_(1)
    assert (dict(one.feed._pacers), dict(one.feed._changed)) == ({}, {})
    second = BatchSubscription(one.feed, later.connection, 1, one.session, batch)
    later.connection.add(second)
    second.start()
    for minion in ("b", "c"):
        one.returns(one.last, minion)
        await masters.pass_(1)
    assert later.got[-1]["batch"]["status"] == "resolved"
    assert (dict(one.feed._pacers), dict(one.feed._changed)) == ({}, {})


async def test_what_changes_while_a_snapshot_is_sent_follows_it() -> None:
    """However slowly the client reads: the last frame about each request has its last state."""
    masters = Masters()
    one = await masters.start("one")
    client = Client(max_frames=4)
    minions = [f"m{number}" for number in range(3000)]
    batch = await one.batch(*minions)
    await masters.pass_(1)
    client.socket.stuck = True
    client.connection.send({"type": "reply"})
    subscription = BatchSubscription(one.feed, client.connection, 1, one.session, batch)
    client.connection.add(subscription)
    subscription.start()
    assert subscription.is_sending
    for jid, sent_to, _ in one.salt.published:
        one.returns(jid, *[minion for minion in ("m0", "m2999") if minion in sent_to])
    await masters.pass_(1)
    got = []
    client.socket.stuck = False
    for _ in range(2):
        client.outbox.pump()
        got += client.got
        await masters.pass_(1)
    states = {request["minion"]: request["status"] for message in got for request in message.get("requests", ())}
    assert (len(states), states["m0"], states["m1"], states["m2999"]) == (3000, "resolved", "sent", "resolved")
    assert client.closed_with == []


@pytest.mark.parametrize("collection", [True, False])
async def test_a_client_that_comes_back_gets_the_requests_that_changed(collection: bool) -> None:
    """And the batch; nothing if nothing changed."""
    masters = Masters()
    one = await masters.start("one")
    batch = await one.batch("a", "b", "c")
    await masters.pass_(1)
    position = resumed(one, batch, None, collection=collection)[-1]["position"]
    (live,) = resumed(one, batch, position, collection=collection)
    assert (live["type"], live["position"]) == ("live", position)
    one.returns(one.last, "b")
    await masters.pass_(1)
    changed, live = resumed(one, batch, position, collection=collection)
    assert [request["minion"] for request in changed["requests"]] == (["b"] if collection else [])
    assert (changed["batch"]["done_count"], live["type"]) == (1, "live")


async def test_a_client_of_all_batches_gets_those_that_changed() -> None:
    """Also new ones, and those that ended."""
    masters = Masters()
    one = await masters.start("one")
    batches = [await one.batch("a"), await one.batch("b")]
    await masters.pass_(1)
    position = resumed(one, None, None)[-1]["position"]
    one.returns(one.last, "b")
    new = await one.batch("c")
    await masters.pass_(1)
    *changed, live = resumed(one, None, position)
    found = {frame["batch"]["id"]: frame["batch"]["status"] for frame in changed}
    assert found == {batches[1].id: "resolved", new.id: "dispatching"}
    assert live["type"] == "live"


async def test_a_client_of_all_batches_does_not_keep_one_that_was_forgotten_meanwhile() -> None:
    """Nothing can be sent of it, so the client gets all batches."""
    masters = Masters()
    one = await masters.start("one")
    batches = [await one.batch("a"), await one.batch("b")]
    await masters.pass_(1)
    position = resumed(one, None, None)[-1]["position"]
    one.registry.remove(batches[1])
    await masters.pass_(1)
    *frames, _ = resumed(one, None, position)
    assert [frame["batch"]["id"] for frame in frames] == [batches[0].id]
    position = resumed(one, None, None)[-1]["position"]
    assert [frame["type"] for frame in resumed(one, None, position)] == ["live"]


async def test_a_batch_that_another_master_drives_is_sent_whole_if_its_requests_were_not_read_meanwhile() -> None:
    """Only its head was in memory, so it is not known which of them changed."""
    masters = Masters()
    one, two = await masters.start("one"), await masters.start("two")
    batch = await one.batch("a", "b", "c")
    await masters.pass_(1)
    seen = await two.lookup.visible(batch.id, two.session.viewer)
    two.lookup.hold(seen)
    await two.lookup.load(seen)
    position = resumed(two, seen, None)[-1]["position"]
    two.lookup.release(seen)
    assert seen.requests is None
    one.returns(one.last, "b")
    await masters.pass_(10)
    again = await two.lookup.visible(batch.id, two.session.viewer)
    two.lookup.hold(again)
    await two.lookup.load(again)
    frames = resumed(two, again, position)
    states = {request["minion"]: request["status"] for frame in frames for request in frame.get("requests", ())}
    assert states["b"] == "resolved"


async def test_a_user_who_may_not_see_the_batch_any_more_is_sent_the_reason() -> None:
    """It is the batch of another user, and only users who may run everything see it."""
    masters = Masters()
    one = await masters.start("one")
    client, admin = Client(), one.world.session(".*", user="bob")
    batch = await one.batch("a")
    subscription = BatchSubscription(one.feed, client.connection, 1, admin, batch)
    client.connection.add(subscription)
    subscription.start()
    subscription.regroup()
    assert client.got[-1]["type"] == "live"
    admin.viewer = one.world.session("test.ping", user="bob").viewer
    subscription.regroup()
    assert client.got[-1]["error"]["code"] == "forbidden"
    assert client.connection.subscriptions == {}
