"""Batches of several masters: which of them has driven a batch."""

from __future__ import annotations

from websocket_api.core.batches.subscriptions import BatchSubscription

from tests.unit.core.batches.support import Masters
from tests.unit.core.support import Client


async def test_a_batch_that_another_master_took_over_belongs_to_both() -> None:
    """A client that follows the batches of the first one gets its end, and learns who drives it."""
    masters = Masters()
    one, two = await masters.start("one", name="m1"), await masters.start("two", name="m2")
    batch = await one.batch("a", "b", concurrency=1)
    await masters.pass_(6)
    seen, client = two.registry.get(batch.id), Client()
    assert seen is not None
    assert (batch.master, seen.master) == ("m1", "m1")
    subscription = BatchSubscription(two.feed, client.connection, 1, two.session, None, masters=frozenset({"m1"}))
    client.connection.add(subscription)
    subscription.start()
    masters.kill(one)
    two.salt.cache = one.salt.cache
    await masters.pass_(30)
    assert (seen.master, masters.store.batches[batch.id]["masters"]) == ("m2", ["m1", "m2"])
    assert [seen.is_of(frozenset(names)) for names in ((), ("m1",), ("m2", "m3"), ("m3",))] == [True, True, True, False]
    three = await masters.start("one", "2", name="m1")
    three.salt.cache = one.salt.cache
    await masters.pass_(6)
    known = three.registry.get(batch.id)
    assert known is not None
    assert known.masters == ("m1", "m2"), "the master that drove it first has only come back"
    two.returns(one.last, "a")
    await masters.pass_(1)
    two.returns(two.last, "b")
    await masters.pass_(6)
    frames = [(frame["batch"]["master"], frame["batch"]["status"]) for frame in client.got if frame["type"] == "batch"]
    assert (frames[0][0], frames[-1]) == ("m1", ("m2", "resolved"))
    assert (known.status, known.master) == ("resolved", "m2")


async def test_a_master_that_takes_a_batch_back_is_named_again() -> None:
    """The last driver is the master of the batch; each is listed once."""
    masters = Masters()
    one = await masters.start("one", name="m1")
    batch = await one.batch("a", "b", concurrency=1)
    cache = one.salt.cache
    last = one
    for identity, name, run in (("two", "m2", "1"), ("one", "m1", "2"), ("two", "m2", "2")):
        masters.kill(last)
        last = await masters.start(identity, run, name=name)
        last.salt.cache = cache
        await masters.pass_(30)
        assert masters.store.batches[batch.id]["masters"][-1] == name
    assert masters.store.batches[batch.id]["masters"] == ["m1", "m2"]


async def test_batches_of_earlier_releases_belong_to_the_master_that_drove_them() -> None:
    """It knows them by its identity. Other masters do not know who drove them."""
    masters = Masters()
    one = await masters.start("one", name="m1")
    batch = await one.batch("a")
    await masters.pass_(1)
    one.returns(one.last, "a")
    await masters.pass_(1)
    await masters.stop(one)
    del masters.store.batches[batch.id]["masters"]
    again, two = await masters.start("one", "2", name="m1"), await masters.start("two", name="m2")
    for master, names in ((again, ("m1",)), (two, ())):
        known = await master.lookup.visible(batch.id, master.session.viewer)
        with master.lookup.holding(known):
            await master.lookup.load(known)
            assert (known.status, known.masters) == ("resolved", names)
