"""Events of batches in Digital Rebar's format, for users who may see the batch."""

from __future__ import annotations

from itertools import count

from websocket_api.core.access.turns import Turns
from websocket_api.core.batches.batch import Batch
from websocket_api.core.batches.ids import request_id
from websocket_api.core.batches.lookup import BatchLookup
from websocket_api.core.batches.reader import BatchReader
from websocket_api.core.batches.registry import BatchRegistry
from websocket_api.core.batches.request import Call, Request
from websocket_api.protocols.digital_rebar.batches import RebarBatchEvents

from tests.unit.core.batches.support import Access, Store
from tests.unit.core.support import World
from tests.unit.protocols.digital_rebar.test_clients import RebarClient

ID = 4096


def a_batch(world: World, registry: BatchRegistry, minions: int = 2) -> Batch:
    """Return a batch of ann's that was just created."""
    requests = [Request(f"web{number}", 0) for number in range(minions)]
    batch = Batch(ID, "ann", "pam", [Call("test.ping", [], {})], requests, created=world.time.now)
    registry.add(batch)
    return batch


def make(world: World, turns: Turns | None = None) -> tuple[BatchRegistry, BatchReader]:
    """Return a registry whose changes are sent to Digital Rebar's clients, and its reader."""
    registry = BatchRegistry()
    reader = BatchReader(Access(Store(), "one"), registry)
    events = RebarBatchEvents(
        rebar=world.rebar,
        lookup=BatchLookup(registry, reader),
        later=world.hub.later,
        clock=world.time,
        turns=world.turns if turns is None else turns,
    )
    registry.on_change(events.apply_change)
    reader.driven.add(ID)
    return registry, reader


def end(batch: Batch, registry: BatchRegistry, world: World) -> None:
    """End all requests of a batch, and so the batch."""
    for index in range(batch.total):
        batch.at(index).status, batch.at(index).finished = "resolved", world.time.now
    batch.status, batch.finished = "resolved", world.time.now
    registry.notify(batch, range(batch.total), "save")


def test_events_follow_a_batch_from_create_to_destroy() -> None:
    """Those of its requests too; changes that are close together are sent once."""
    world = World()
    registry, _ = make(world)
    client = RebarClient(world)
    client.register("batches.*.*", "requests.*.*")
    batch = a_batch(world, registry)
    first, second = (str(request_id(ID, index)) for index in range(2))
    assert client.received == [
        ("batches", "create", str(ID)),
        ("requests", "create", first),
        ("requests", "create", second),
    ]
    for _ in range(5):
        registry.notify(batch, (0,), "update")
    assert client.received == [("requests", "update", first), ("batches", "update", str(ID))]
    end(batch, registry, world)
    assert client.received == [("requests", "save", first), ("requests", "save", second), ("batches", "save", str(ID))]
    registry.remove(batch)
    assert client.received == [("batches", "destroy", str(ID))]


def test_only_the_owner_and_users_with_all_permissions_get_events() -> None:
    """As in every protocol."""
    world = World()
    registry, _ = make(world)
    other, owner = RebarClient(world, "test.ping", user="bob"), RebarClient(world, "test.ping")
    everything = RebarClient(world, ".*", user="carol")
    for client in (other, owner, everything):
        client.register("batches.*.*")
    a_batch(world, registry)
    assert other.received == []
    assert owner.received == everything.received == [("batches", "create", str(ID))]


def test_a_batch_read_from_the_store_causes_no_event() -> None:
    """Its creation was sent before."""
    world = World()
    registry, _ = make(world)
    client = RebarClient(world)
    client.register("batches.*.*")
    batch = Batch(ID, "ann", "pam", [], None, created=0.0, total=3)
    registry.add(batch, "known")
    assert client.received == []
    registry.notify(batch, (), "update")
    assert client.received == [("batches", "update", str(ID))]


def test_events_of_a_large_batch_are_sent_in_turns_while_it_stays_in_memory() -> None:
    """One request after the other, so that other users have their turns."""
    world = World()
    seconds = count(step=0.001)
    registry, reader = make(world, Turns(world.time.later, lambda: next(seconds)))
    client = RebarClient(world, max_frames=10_000)
    client.register("batches.*.*", "requests.*.*")
    batch = a_batch(world, registry, minions=100)
    end(batch, registry, world)
    reader.driven.clear()
    assert (registry.is_held(batch), batch.requests is None) == (True, False)
    world.time.pass_(10)
    received = client.received
    assert received[0] == ("batches", "create", str(ID))
    assert [type_ for type_, _, _ in received[1:]] == ["requests"] * 200 + ["batches"]
    assert received[-1] == ("batches", "save", str(ID))
    assert (registry.is_held(batch), batch.requests is None) == (False, True)
