"""Minions, kept by what the master tells of them."""

from __future__ import annotations

import pytest
from websocket_api.core.minions.registry import Minion

from tests.unit.core.support import World


def world_with_keys(*minions: str) -> World:
    world = World()
    world.minions.read_keys(dict.fromkeys(minions, "accepted"))
    world.changed = []  # type: ignore[attr-defined]
    world.minions.on_change(world.changed.append)  # type: ignore[attr-defined]
    return world


def changes(world: World) -> list[str]:
    told: list[str] = list(world.changed)  # type: ignore[attr-defined]
    world.changed.clear()  # type: ignore[attr-defined]
    return told


def minion(world: World, name: str) -> Minion:
    found = world.minions.get(name)
    assert found is not None
    return found


def connected(world: World) -> dict[str, bool | None]:
    return {name: one.connected for name, one in world.minions.all().items()}


@pytest.mark.parametrize("act", ["accept", "accepted"])
def test_key_events_of_what_is_known_change_nothing(act: str) -> None:
    """Salt writes one spelling, its documentation the other; each reconnect of a minion brings one."""
    world = world_with_keys("a")
    world.fire("salt/auth", id="a", act=act, result=True)
    assert (world.minions.keys_stale, changes(world)) == (False, [])


@pytest.mark.parametrize("act", ["reject", "rejected", "pend", "pending", "delete"])
def test_other_key_events_are_only_a_hint(act: str) -> None:
    """A minion can have such an event fired: the key store is asked, and until then nothing changes."""
    world = world_with_keys("a")
    world.fire("salt/key", id="a", act=act, result=True)
    assert (world.minions.keys_stale, minion(world, "a").key, changes(world)) == (True, "accepted", [])


def test_a_minion_that_is_not_known_makes_the_keys_be_read() -> None:
    """The first event of a new minion is ``salt/auth``."""
    world = world_with_keys()
    world.fire("salt/auth", id="a", act="pend", result=True, pub="...")
    assert (world.minions.keys_stale, world.minions.all()) == (True, {})


@pytest.mark.parametrize("act", ["denied", "deny"])
def test_a_stranger_with_anothers_name_changes_no_key(act: str) -> None:
    """Denied is the stranger's key, not that of the minion whose name it took: the store tells."""
    world = world_with_keys("a")
    world.fire("salt/auth", id="a", act=act, result=False, pub="...")
    assert (minion(world, "a").key, world.minions.keys_stale) == ("accepted", True)


def test_keys_that_were_read_replace_what_was_known() -> None:
    """Minions without a key are gone, new ones come, the others keep what is known of them."""
    world = world_with_keys("a", "b")
    world.fire("salt/presence/present", present=["b"])
    changes(world)
    world.minions.read_keys({"b": "accepted", "c": "pending"})
    assert connected(world) == {"b": True, "c": None}
    assert sorted(changes(world)) == ["a", "c"]


def test_an_odd_key_event_makes_the_keys_be_read_again() -> None:
    """What cannot be understood is looked up."""
    world = world_with_keys("a")
    world.fire("salt/key", result=True)
    assert world.minions.keys_stale
    world.minions.read_keys({"a": "accepted"})
    assert not world.minions.keys_stale


def test_presence_tells_who_is_connected() -> None:
    """``present`` lists all who are; who was connected and is not among them has gone."""
    world = world_with_keys("a", "b", "c")
    world.fire("salt/presence/present", present=["a", "b"])
    assert connected(world) == {"a": True, "b": True, "c": None}
    world.fire("salt/presence/present", present=["a"])
    assert connected(world) == {"a": True, "b": False, "c": None}


def test_a_change_with_only_new_drops_nobody() -> None:
    """``change`` lists what changed: who is not named is as before."""
    world = world_with_keys("a", "b")
    world.fire("salt/presence/present", present=["a"])
    world.fire("salt/presence/change", new=["b"])
    assert connected(world) == {"a": True, "b": True}
    world.fire("salt/presence/change", lost=["a"])
    assert connected(world) == {"a": False, "b": True}


def test_a_start_connects_and_is_always_told() -> None:
    """A minion that restarted may have other grains, though it was connected before."""
    world = world_with_keys("a")
    for _ in range(2):
        world.fire("salt/minion/a/start", cmd="_minion_event", id="a", data="started")
    assert (minion(world, "a").connected, world.minions.stale) == (True, {"a"})
    assert changes(world) == ["a", "a"]


def test_a_return_is_a_sign_of_life() -> None:
    """A minion that answers is connected, and was seen now; being seen again is not told."""
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
def test_a_start_in_anothers_name_is_no_sign_of_life(data: dict[str, str]) -> None:
    """A tag proves nothing; the id in the envelope was checked by the master."""
    world = world_with_keys("a", "b")
    world.fire("salt/minion/a/start", **data)
    assert minion(world, "a").connected is None


def test_a_minion_cannot_speak_for_keys_or_presence() -> None:
    """What a minion sends changes no key and connects nobody else."""
    world = world_with_keys("a", "b")
    for tag, data in (("salt/key", {"id": "b", "act": "delete"}), ("salt/presence/present", {"present": []})):
        world.fire(tag, cmd="_minion_event", id="a", data=data)
    assert (set(world.minions.all()), minion(world, "b").connected) == ({"a", "b"}, None)


def test_an_unknown_minion_makes_the_keys_be_read_again() -> None:
    """Who speaks has a key, though no event told of it."""
    world = world_with_keys()
    world.fire("salt/minion/new/start", cmd="_minion_event", id="new", data="started")
    assert (world.minions.all(), world.minions.keys_stale) == ({}, True)


@pytest.mark.parametrize("tag", ["minion/refresh/a", "salt/minion/refresh/a"])
def test_a_refresh_makes_the_grains_be_read_again(tag: str) -> None:
    """The minion's data changed in the master's cache."""
    world = world_with_keys("a")
    world.fire(tag, **{"Minion data cache refresh": "a"})
    assert world.minions.stale == {"a"}


def test_grains_are_told_when_they_changed() -> None:
    """The same grains again are no news; those of unknown minions are none of ours."""
    world = world_with_keys("a")
    world.minions.stale.add("a")
    for _ in range(2):
        world.minions.read_grains({"a": {"os": "Debian"}, "stranger": {"os": "x"}})
    assert (minion(world, "a").grains, changes(world)) == ({"os": "Debian"}, ["a"])
    assert (world.minions.stale, set(world.minions.all())) == (set(), {"a"})


def test_absent_minions_are_told_once() -> None:
    """Who did not answer is not connected."""
    world = world_with_keys("a")
    for _ in range(2):
        world.minions.absent(["a", "stranger"])
    assert (minion(world, "a").connected, changes(world)) == (False, ["a"])


def test_a_minion_as_it_is_shown() -> None:
    """Times are ISO 8601 in UTC; key and grains are null where they may not be seen."""
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
