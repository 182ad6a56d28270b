"""Snapshots that are larger than the outbox: a client that reads gets them, whatever their size."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from websocket_api.core.batches import records as batchrecords
from websocket_api.core.batches import request as batchrequests
from websocket_api.core.batches.batch import Batch
from websocket_api.core.batches.lookup import BatchLookup
from websocket_api.core.batches.reader import BatchReader
from websocket_api.core.batches.registry import BatchRegistry
from websocket_api.core.batches.request import Call, Request
from websocket_api.core.batches.subscriptions import BatchFeed, BatchSubscription
from websocket_api.core.delivery.chunks import MAX_BYTES, MAX_ITEMS, cut, max_chunk_bytes
from websocket_api.core.delivery.outbox import TRANSPORT_BYTES, Outbox
from websocket_api.core.delivery.positions import Revisions
from websocket_api.core.delivery.snapshots import SnapshotSubscription
from websocket_api.core.subscriptions.job_subscription import JobSubscription
from websocket_api.core.subscriptions.minion_subscription import MinionSubscription

from tests.unit.core.batches.support import Access, Store
from tests.unit.core.support import JID, Client, Socket, World

MIB = 1024 * 1024
NAMES = [f"m{number:04}" for number in range(1200)]
FEW = NAMES[:3]


class Line(Socket):
    """The transport of a client that reads as fast as its line allows."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting = 0

    def busy(self) -> bool:
        return self.waiting > 0

    def write(self, data: bytes) -> None:
        super().write(data)
        self.waiting += len(data)


class Reader(Client):
    """A client that reads a mebibyte in a tenth of a second."""

    def __init__(self, world: World, *, max_bytes: int = 8 * MIB) -> None:
        super().__init__(max_bytes=max_bytes)
        self.socket = self.outbox._transport = Line()
        self._world = world

    def read(self) -> list[dict[str, Any]]:
        """Read until nothing more arrives, and return all of it."""
        got = self.got
        while self.socket.waiting:
            self.socket.waiting = max(0, self.socket.waiting - MIB)
            if not self.socket.busy():
                self.outbox.pump()
            self._world.time.pass_(0.1)
            got += self.got
        return got

    def follow(
        self, make: Callable[..., SnapshotSubscription], source: Any, *what: Any, **more: Any
    ) -> SnapshotSubscription:
        session = self._world.session(".*", "@wheel")
        subscription = make(source, self.connection, self.connection.next_number(), session, *what, **more)
        self.connection.add(subscription)
        subscription.start()
        return subscription


def job_of(world: World, minions: list[str], size: int) -> None:
    world.publish(*minions)
    for minion in minions:
        world.answer(minion, "x" * size)


def follow_job(world: World, reader: Reader, size: int, minions: list[str], **more: Any) -> None:
    job_of(world, minions, size)
    reader.follow(JobSubscription, world.job_feed, [world.jobs.get(JID)], **more)


def follow_all_jobs(world: World, reader: Reader, size: int, minions: list[str]) -> None:
    job_of(world, minions, size)
    reader.follow(JobSubscription, world.job_feed, None)


def follow_one_batch(world: World, reader: Reader, batch: Batch) -> None:
    registry = BatchRegistry()
    lookup = BatchLookup(registry, BatchReader(Access(Store(), "one"), registry))
    feed = BatchFeed(
        registry=registry,
        lookup=lookup,
        history=world.history,
        later=world.time.later,
        clock=world.time,
        turns=world.turns,
        revisions=Revisions("changes1"),
    )
    registry.add(batch)
    reader.follow(BatchSubscription, feed, batch)


def follow_batch(world: World, reader: Reader, size: int, minions: list[str]) -> None:
    requests = [Request(minion, 0, "resolved", 100.0, "x" * size) for minion in minions]
    batch = Batch(4096, "ann", "pam", [Call("test.ping", [], {})], requests, created=0.0)
    follow_one_batch(world, reader, batch)


def follow_batch_of_a_large_call(world: World, reader: Reader, size: int, minions: list[str]) -> None:
    batch = Batch(4096, "ann", "pam", [Call("x.y", ["x" * size], {})], [Request(m, 0) for m in minions], created=0.0)
    follow_one_batch(world, reader, batch)


def follow_fleet(world: World, reader: Reader, size: int, minions: list[str]) -> None:
    world.minions.read_keys(dict.fromkeys(minions, "accepted"))
    world.minions.read_grains({minion: {"text": "x" * size} for minion in minions})
    reader.follow(MinionSubscription, world.minion_feed)


FOLLOW = [follow_job, follow_all_jobs, follow_batch, follow_batch_of_a_large_call, follow_fleet]


def names_in(got: list[dict[str, Any]]) -> list[str]:
    found: list[str] = []
    for message in got:
        found += message.get("minions", ())
        found += [request["minion"] for request in message.get("requests", ())]
    return found


@pytest.mark.parametrize("follow", FOLLOW)
def test_a_client_that_reads_gets_a_snapshot_of_any_size(follow: Callable[..., None]) -> None:
    """24 MB through an outbox of 8 MiB, in chunks of a mebibyte; all of it arrives once."""
    world = World()
    reader = Reader(world)
    follow(world, reader, 20_000, NAMES)
    waited = reader.outbox.bytes
    got = reader.read()
    assert reader.closed_with == []
    assert sorted(names_in(got)) == NAMES
    assert [message["type"] for message in got].index("live") == len(got) - 1
    assert max(len(json.dumps(message)) for message in got) < 1.1 * MAX_BYTES
    assert waited <= 4 * MIB, "there is room for what else comes"


@pytest.mark.parametrize("follow", FOLLOW)
def test_a_part_larger_than_the_outbox_waits_for_an_empty_outbox(follow: Callable[..., None]) -> None:
    """The transport takes a frame of any size once it has written all before it."""
    world = World(size=8 * MIB)
    reader = Reader(world, max_bytes=64 * 1024)
    reader.connection.send({"type": "reply"})
    follow(world, reader, 100_000, FEW)
    got = reader.read()
    assert reader.closed_with == []
    assert [names for message in got if (names := names_in([message]))] == [[name] for name in FEW]


def test_a_change_larger_than_the_outbox_is_sent_in_chunks_and_encoded_once() -> None:
    """A thousand minions return within 0.1 s; later changes follow."""
    world = World()
    readers = [Reader(world), Reader(world)]
    world.publish(*NAMES)
    for reader in readers:
        reader.follow(JobSubscription, world.job_feed, [world.jobs.get(JID)])
        reader.read()
    job_of(world, NAMES, 20_000)
    world.time.pass_(0.1)
    world.answer(NAMES[-1], "last")
    world.time.pass_(0.1)
    frames = [list(reader.socket.written) for reader in readers]
    assert frames[0][0] is frames[1][0]
    for got in [reader.read() for reader in readers]:
        returned: dict[str, Any] = {}
        for message in got:
            returned |= message["minions"]
        assert {part["state"] for part in returned.values()} == {"returned"}
        assert (len(returned), returned[NAMES[-1]]["return"]) == (len(NAMES), "last")
        assert max(len(json.dumps(message)) for message in got) < 1.1 * MAX_BYTES
    assert [reader.closed_with for reader in readers] == [[], []]


def test_a_shared_change_does_not_use_permissions_gained_later() -> None:
    """A chunk is made when a client has room for it, perhaps after another viewer's permissions changed."""
    world = World()
    world.targets.sets["half"] = set(NAMES[:600])
    readers = [Reader(world), Reader(world)]
    world.publish(*NAMES)
    subscriptions = [reader.follow(JobSubscription, world.job_feed, [world.jobs.get(JID)]) for reader in readers]
    for subscription, reader in zip(subscriptions, readers, strict=True):
        subscription.session.viewer = world.session({"half": ["test.*"]}).viewer
        subscription.regroup()
        reader.read()
    assert subscriptions[0].session.viewer == subscriptions[1].session.viewer
    for minion in NAMES:
        world.answer(minion, "x" * 20_000)
    world.time.pass_(0.1)
    subscriptions[0].session.viewer = world.session(".*").viewer
    subscriptions[0].regroup()
    got = readers[1].read()
    assert set(names_in(got)) == set(NAMES[:600])
    assert {(message["job"]["tgt"], message["job"]["total"]) for message in got} == {(None, 600)}
    assert set(names_in(readers[0].read())) == set(NAMES)


def test_a_large_change_of_all_jobs_is_sent_in_chunks() -> None:
    """For ``jid: *`` too."""
    world = World()
    reader = Reader(world)
    world.publish(*NAMES)
    reader.follow(JobSubscription, world.job_feed, None)
    reader.read()
    job_of(world, NAMES, 20_000)
    world.time.pass_(0.1)
    assert set(names_in(reader.read())) == set(NAMES)
    assert reader.closed_with == []


def test_changed_grains_of_many_minions_are_sent_in_chunks() -> None:
    """All minions were refreshed."""
    world = World()
    reader = Reader(world)
    follow_fleet(world, reader, 10, NAMES)
    reader.read()
    world.minions.read_grains({minion: {"text": "y" * 20_000} for minion in NAMES})
    world.time.pass_(0.1)
    got = reader.read()
    assert (reader.closed_with, set(names_in(got))) == ([], set(NAMES))
    assert max(len(json.dumps(message)) for message in got) < 1.1 * MAX_BYTES


def test_omitted_returns_do_not_count_for_the_chunk_size() -> None:
    """Values that a client does not get make its chunks no smaller."""
    world = World()
    reader = Reader(world)
    follow_job(world, reader, 20_000, NAMES, without_return=True)
    assert [len(message.get("minions", ())) for message in reader.read()] == [500, 500, 200, 0]


def test_the_results_of_a_batch_are_measured_once_or_not_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Results received with a size have one; those read from the store are measured when first sent."""
    measured: list[Any] = []
    monkeypatch.setattr(batchrequests, "encode", lambda value: measured.append(value) or b"12345")
    batch = Batch(4096, "ann", "pam", [Call("test.ping", [], {})], [Request(name, 0) for name in FEW], created=0.0)
    batch.send(batch.next(), 0.0)
    batch.end(0, "resolved", 0.0, result="came", size=600)
    batch.end(1, "error", 0.0, result={"error": "missing"})
    for _ in range(2):
        assert [batch.request_bytes(place) for place in range(3)] == [605, 10, 5]
    assert measured == [[[], {}], {"error": "missing"}]
    assert batchrecords.calls(batch) == [{"fun": "test.ping", "arg": [], "kwarg": {}, "method": "post", "resource": ""}]
    assert len(batchrecords.chunk(batch, 0)[0]) == 10, "sizes are not stored"


def test_items_are_cut_by_number_and_bytes() -> None:
    """A larger item gets a chunk of its own; no items give one empty chunk."""
    assert [len(chunk) for chunk in cut(range(1200), lambda _: 0, MIB)] == [MAX_ITEMS, MAX_ITEMS, 200]
    sizes = [100, 5000, 100, 100, 700, 300]
    assert list(cut(sizes, int, 1000)) == [[100], [5000], [100, 100], [700], [300]]
    assert list(cut([], int, 1000)) == [[]]


def test_a_chunk_is_small_compared_to_the_outbox() -> None:
    """One eighth of it, at most a mebibyte."""
    assert [max_chunk_bytes(Client(max_bytes=bound).outbox) for bound in (64 * 1024, 64 * MIB)] == [8192, MIB]


def test_a_chunk_waits_for_room() -> None:
    """Half of the limit is left to other frames; a larger chunk waits for an empty outbox."""
    socket, called = Socket(), list[str]()
    outbox = Outbox(socket, max_bytes=4 * TRANSPORT_BYTES, max_frames=10, on_overflow=lambda: called.append("over"))
    assert outbox.has_room(100 * TRANSPORT_BYTES), "nothing waits"
    socket.stuck = True
    outbox.put(b"x" * TRANSPORT_BYTES)
    assert (outbox.has_room(TRANSPORT_BYTES), outbox.has_room(TRANSPORT_BYTES + 1)) == (True, False)
    outbox.when_room(TRANSPORT_BYTES + 1, lambda: called.append("half"))
    outbox.when_room(3 * TRANSPORT_BYTES, lambda: called.append("all"))
    socket.stuck = False
    socket.write = lambda data: setattr(socket, "stuck", True)  # type: ignore[method-assign]
    outbox.pump()
    assert called == ["half"]
    socket.stuck = False
    outbox.pump()
    assert called == ["half", "all"]
