"""The minion registry, kept up to date by the master's events."""

from __future__ import annotations

import pytest
from websocket_api.core.minions.minion import Minion

from tests.unit.core.support import World


def world_with_keys(*minions: str) -> World:
    world = World()
    world.minions.read_keys(dict.fromkeys(minions, "accepted"))
    world.changed = []  # type: ignore[attr-defined]
    world.minions.on_change(world.changed.append)  # type: ignore[attr-defined]
    return world


def changes(world: World) -> list[str]:
    names: list[str] = list(world.changed)  # type: ignore[attr-defined]
    world.changed.clear()  # type: ignore[attr-defined]
    return names


def minion(world: World, name: str) -> Minion:
    found = world.minions.get(name)
    assert found is not None
    return found


def connected(world: World) -> dict[str, bool | None]:
    return {name: one.connected for name, one in world.minions.all().items()}


@pytest.mark.parametrize("act", ["accept", "accepted"])
def test_key_events_with_the_known_state_change_nothing(act: str) -> None:
    """Salt and its documentation spell states differently; each reconnect of a minion fires one."""
    world = world_with_keys("a")
    world.fire("salt/auth", id="a", act=act, result=True)
    assert (world.minions.keys_stale, changes(world)) == (False, [])


@pytest.mark.parametrize("act", ["reject", "rejected", "pend", "pending", "delete"])
def test_other_key_events_only_mark_the_keys_as_stale(act: str) -> None:
    """A minion can forge them: the key store is read, and until then nothing changes."""
    world = world_with_keys("a")
    world.fire("salt/key", id="a", act=act, result=True)
    assert (world.minions.keys_stale, minion(world, "a").key, changes(world)) == (True, "accepted", [])


def test_a_key_event_of_an_unknown_minion_marks_the_keys_as_stale() -> None:
    """The first event of a new minion is ``salt/auth``."""
    world = world_with_keys()
    world.fire("salt/auth", id="a", act="pend", result=True, pub="...")
    assert (world.minions.keys_stale, world.minions.all()) == (True, {})


@pytest.mark.parametrize("act", ["denied", "deny"])
def test_a_denied_key_with_a_known_name_changes_no_key(act: str) -> None:
    """The denied key is another machine's; the key store has the truth."""
    world = world_with_keys("a")
    world.fire("salt/auth", id="a", act=act, result=False, pub="...")
    assert (minion(world, "a").key, world.minions.keys_stale) == ("accepted", True)


def test_keys_from_the_store_replace_the_known_ones() -> None:
    """Minions without a key are removed, new ones are added, the others keep their data."""
    world = world_with_keys("a", "b")
    world.fire("salt/presence/present", present=["b"])
    changes(world)
    world.minions.read_keys({"b": "accepted", "c": "pending"})
    assert connected(world) == {"b": True, "c": None}
    assert sorted(changes(world)) == ["a", "c"]


def test_a_malformed_key_event_marks_the_keys_as_stale() -> None:
    """The key store is read."""
    world = world_with_keys("a")
    world.fire("salt/key", result=True)
    assert world.minions.keys_stale
    world.minions.read_keys({"a": "accepted"})
    assert not world.minions.keys_stale


def test_a_presence_event_sets_the_connected_minions() -> None:
    """``present`` lists all of them; a connected minion that is not listed is gone."""
    world = world_with_keys("a", "b", "c")
    world.fire("salt/presence/present", present=["a", "b"])
    assert connected(world) == {"a": True, "b": True, "c": None}
    world.fire("salt/presence/present", present=["a"])
    assert connected(world) == {"a": True, "b": False, "c": None}


def test_a_presence_change_affects_the_named_minions_only() -> None:
    """``change`` lists differences."""
    world = world_with_keys("a", "b")
    world.fire("salt/presence/present", present=["a"])
    world.fire("salt/presence/change", new=["b"])
    assert connected(world) == {"a": True, "b": True}
    world.fire("salt/presence/change", lost=["a"])
    assert connected(world) == {"a": False, "b": True}


def test_a_start_event_is_always_reported() -> None:
    """A restarted minion may have other grains, even if it was connected before."""
    world = world_with_keys("a")
    for _ in range(2):
        world.fire("salt/minion/a/start", cmd="_minion_event", id="a", data="started")
    assert (minion(world, "a").connected, world.minions.stale) == (True, {"a"})
    assert changes(world) == ["a", "a"]


def test_a_return_marks_a_minion_as_connected() -> None:
    """And sets the time when it was seen; that alone is not reported."""
    world = world_with_keys("a")
    world.publish("a")
    world.answer("a")
    assert (minion(world, "a").connected, minion(world, "a").seen) == (True, world.time.now)
    world.time.pass_(5)
    world.answer("a")
    assert (minion(world, "a").seen, changes(world)) == (world.time.now, ["a"])


@pytest.mark.parametrize(
    "data",
    [
        {"cmd": "_minion_event", "id": "b", "data": "started"},
        {"id": "a"},
        {},
    ],
)
def test_a_start_event_with_another_name_changes_nothing(data: dict[str, str]) -> None:
    """A tag proves nothing; the master checked the id in the envelope."""
    world = world_with_keys("a", "b")
    world.fire("salt/minion/a/start", **data)
    assert minion(world, "a").connected is None


def test_a_minions_event_changes_no_keys_or_presence() -> None:
    """Only the master's events do."""
    world = world_with_keys("a", "b")
    for tag, data in (("salt/key", {"id": "b", "act": "delete"}), ("salt/presence/present", {"present": []})):
        world.fire(tag, cmd="_minion_event", id="a", data=data)
    assert (set(world.minions.all()), minion(world, "b").connected) == ({"a", "b"}, None)


def test_an_event_of_an_unknown_minion_marks_the_keys_as_stale() -> None:
    """A minion that sends events has a key."""
    world = world_with_keys()
    world.fire("salt/minion/new/start", cmd="_minion_event", id="new", data="started")
    assert (world.minions.all(), world.minions.keys_stale) == ({}, True)


@pytest.mark.parametrize("tag", ["minion/refresh/a", "salt/minion/refresh/a"])
def test_a_refresh_marks_the_grains_as_stale(tag: str) -> None:
    """The minion's data in the master's cache changed."""
    world = world_with_keys("a")
    world.fire(tag, **{"Minion data cache refresh": "a"})
    assert world.minions.stale == {"a"}


def test_changed_grains_are_reported() -> None:
    """Unchanged ones, and those of unknown minions, are not."""
    world = world_with_keys("a")
    world.minions.stale.add("a")
    for _ in range(2):
        world.minions.read_grains({"a": {"os": "Debian"}, "stranger": {"os": "x"}})
    assert (minion(world, "a").grains, changes(world)) == ({"os": "Debian"}, ["a"])
    assert (world.minions.stale, set(world.minions.all())) == (set(), {"a"})


def test_absent_minions_are_reported_once() -> None:
    """A minion without an answer counts as disconnected."""
    world = world_with_keys("a")
    for _ in range(2):
        world.minions.absent(["a", "stranger"])
    assert (minion(world, "a").connected, changes(world)) == (False, ["a"])


def test_the_minion_object_of_clients() -> None:
    """Times are ISO 8601 in UTC; hidden keys and grains are null."""
    one = Minion("a", key="accepted", connected=True, seen=1_000_000.0, grains={"os": "Debian"})
    assert one.to_dict(key=True, grains=True) == {
        "id": "a",
        "key": "accepted",
        "connected": True,
        "seen": "1970-01-12T13:46:40+00:00",
        "grains": {"os": "Debian"},
    }
    hidden = one.to_dict(key=False, grains=False)
    assert (hidden["key"], hidden["grains"]) == (None, None)
