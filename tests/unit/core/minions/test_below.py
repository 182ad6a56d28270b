"""Minions of masters below: known once an event names them, and marked with their syndic."""

from __future__ import annotations

from typing import Any

import pytest
from websocket_api.core.minions import syndics
from websocket_api.core.timing import timestamp

from tests.unit.core.support import JID, World

KEYS = {"near": "accepted", "low": "accepted", "new": "pending"}


def upper() -> World:
    """A master with the minion ``near`` and the syndic ``low``."""
    world = World(syndics=True)
    world.minions.read_keys(KEYS)
    return world


def name(world: World, *minions: str) -> None:
    """What a syndic passes on of a job that the lower master published."""
    world.fire(f"syndic/low/salt/job/{JID}/new", minions=list(minions), jid=JID)


def view(world: World, minion: str, *auth_list: Any) -> dict[str, Any] | None:
    viewer = world.session(*(auth_list or [".*"])).viewer
    found: dict[str, Any] | None = world.minion_feed.visible(viewer, [minion]).get(minion)
    return found


def passed_on(world: World, minion: str) -> None:
    world.fire(f"salt/job/{JID}/ret/{minion}", jid=JID, id=minion, **{"return": True})


def presence(world: World, *minions: str) -> None:
    world.fire("salt/presence/present", present=list(minions))


def connected(world: World) -> dict[str, bool | None]:
    return {one.id: one.connected for one in world.minions.all().values() if one.connected is not None}


@pytest.mark.parametrize(
    ("tag", "data"),
    [
        (f"syndic/low/salt/job/{JID}/new", {"minions": ["m1"], "jid": JID}),
        (f"syndic/low/{JID}", {"minions": ["m1"]}),
        ("syndic/low/salt/auth", {"id": "m1", "act": "accept", "result": True}),
        ("syndic/low/salt/minion/m1/start", {"id": "m1", "cmd": "_minion_event", "data": "started"}),
    ],
)
def test_a_minion_below_is_known_once_an_event_names_it(tag: str, data: dict[str, Any]) -> None:
    """It has no key and no grains here."""
    world = upper()
    changed: list[str] = []
    world.minions.on_change(changed.append)
    world.fire(tag, **data)
    assert view(world, "m1") == {
        "id": "m1",
        "key": None,
        "connected": True if "start" in tag else None,
        "seen": timestamp(world.time()) if "start" in tag else None,
        "grains": None,
        "syndic": "low",
    }
    assert set(changed) == {"m1"}
    assert world.minions.is_syndic("low")


@pytest.mark.parametrize(
    ("tag", "data"),
    [
        ("syndic/new/salt/auth", {"id": "m1", "act": "accept"}),
        ("syndic/nobody/salt/auth", {"id": "m1", "act": "accept"}),
        ("syndic/low/salt/auth", {"id": "m1", "act": "pend"}),
        ("syndic/low/start", {"id": "low", "cmd": "_minion_event", "data": "started"}),
        ("syndic/low/salt/key", {"id": "m1", "act": "accepted"}),
        ("syndic/low/", {"id": "m1", "cmd": "_minion_event"}),
        ("syndic/low", {"minions": ["m1"]}),
        (f"syndic//salt/job/{JID}/new", {"minions": ["m1"]}),
        (f"syndic/low/salt/job/{JID}/new", {"minions": "m1"}),
        (f"syndic/low/salt/job/{JID}/ret/m1", {"id": "m1", "return": True}),
        (f"salt/job/{JID}/ret/m1", {"id": "m1", "jid": JID, "return": True}),
    ],
)
def test_other_events_name_no_minion(tag: str, data: dict[str, Any]) -> None:
    """A syndic has an accepted key here; a key that waits below is no minion."""
    world = upper()
    world.fire(tag, **data)
    assert set(world.minions.all()) == set(KEYS)


def test_a_direct_minion_is_never_marked_as_one_below() -> None:
    """A minion can send such events. A minion with the syndic's id is below it."""
    world = upper()
    name(world, "near", "low")
    assert "syndic" not in (view(world, "near") or {})
    assert (view(world, "low") or {})["syndic"] == "low"
    assert world.minions.is_direct("near")
    assert not world.minions.is_direct("low")


def test_a_return_that_a_syndic_passed_on_shows_that_its_minion_is_there() -> None:
    """It counts for minions below only, because any minion can send one."""
    world = upper()
    name(world, "m1")
    passed_on(world, "m1")
    passed_on(world, "near")
    assert connected(world) == {"m1": True}
    world.minions.absent(["m1"])
    assert connected(world) == {"m1": False}


def test_keys_are_not_read_for_each_event_of_a_minion_below() -> None:
    """It has no key here; without masters below, the keys of an unknown sender are read."""
    for world, stale in ((upper(), False), (World(), True)):
        world.minions.read_keys(KEYS)
        tag = "salt/minion/m1/start"
        world.fire(tag, cmd="_minion_event", id="m1", tag=tag, data="started")
        assert world.minions.keys_stale is stale
    world = upper()
    name(world, "m1")
    world.fire("salt/auth", id="m1", act="accept", result=True)
    assert not world.minions.keys_stale


def test_a_lower_masters_presence_list_makes_no_minion_absent() -> None:
    """A syndic passes it on under the same tag; the own list still counts."""
    world = upper()
    name(world, "m1", "m2")
    presence(world, "near", "low")
    presence(world, "m1")
    assert connected(world) == {"near": True, "low": True, "m1": True}
    presence(world, "low")
    assert connected(world) == {"near": False, "low": True, "m1": True}


def test_a_minion_that_moves_up_or_down_changes_its_mark() -> None:
    """Its key is accepted here or deleted here; no subscription reports it as gone."""
    world = upper()
    name(world, "m1")
    world.minions.read_keys({**KEYS, "m1": "pending"})
    assert (view(world, "m1", ".*", "@wheel") or {})["key"] == "pending"
    world.minions.read_keys({**KEYS, "m1": "accepted"})
    assert "syndic" not in (view(world, "m1") or {"syndic": ""})
    assert list(world.minions.below) == []
    world.minions.read_keys(KEYS)
    assert view(world, "m1") is None
    name(world, "m1")
    world.minions.read_keys({**KEYS, "m1": "rejected"})
    world.minions.read_keys(KEYS)
    assert (view(world, "m1", ".*", "@wheel") or {})["key"] is None


def test_minions_below_are_bounded_and_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any minion can name some."""
    monkeypatch.setattr(syndics, "MAX_BELOW", 3)
    world = upper()
    name(world, "m1", "m2", "m3")
    name(world, "m1", "m4")
    assert list(world.minions.below) == ["m3", "m1", "m4"]
    assert set(world.minions.all()) == {*KEYS, "m3", "m1", "m4"}
    world.time.pass_(syndics.FORGET_SECONDS - 1)
    name(world, "m4")
    world.time.pass_(2)
    world.minions.read_keys(KEYS)
    assert set(world.minions.all()) == {*KEYS, "m4"}


def test_a_minion_below_is_seen_by_users_who_may_ping_it() -> None:
    """The same rule as for direct minions; expressions of auth lists can match it by its id."""
    world = upper()
    name(world, "m1", "m2")
    world.targets.sets["m1"] = {"m1"}
    assert view(world, "m1", {"m1": ["test.ping"]}) is not None
    assert view(world, "m2", {"m1": ["test.ping"]}) is None
    assert view(world, "m1", "test.ping") is not None
    assert view(world, "m1", "sys.doc") is None


def test_without_masters_below_no_event_names_a_minion() -> None:
    """The option ``order_masters`` is not set."""
    world = World()
    world.minions.read_keys(KEYS)
    name(world, "m1")
    assert set(world.minions.all()) == set(KEYS)
    assert not world.minions.is_syndic("low")
