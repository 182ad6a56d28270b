"""Subscriptions to batches: what is kept for their followers."""

from __future__ import annotations

from websocket_api.core.batches.subscriptions import BatchSubscription

from tests.unit.core.batches.support import Masters
from tests.unit.core.support import Client


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
