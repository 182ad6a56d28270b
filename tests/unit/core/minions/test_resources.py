"""Resources of Salt 3008: devices with ids and returns of their own, which a minion manages."""

from __future__ import annotations

from typing import Any

import pytest
from websocket_api.operations import targets

from tests.unit.core.support import JID, World

KEYS = {"web1": "accepted"}
SWITCH = ("dummy", "web1")


def world_with(*names: str) -> World:
    world = World()
    world.minions.read_keys(KEYS, (), dict.fromkeys(names, SWITCH))
    return world


def view(world: World, name: str, *auth_list: Any) -> dict[str, Any] | None:
    viewer = world.session(*(auth_list or [".*"])).viewer
    found: dict[str, Any] | None = world.minion_feed.visible(viewer, [name]).get(name)
    return found


def test_a_resource_is_listed_with_its_type_and_minion() -> None:
    """It has no key."""
    world = world_with("switch")
    assert view(world, "switch") == {
        "id": "switch",
        "key": None,
        "connected": None,
        "seen": None,
        "grains": None,
        "resource": {"type": "dummy", "minion": "web1"},
    }


def test_resources_come_and_go_with_their_registration() -> None:
    """Changes are reported once."""
    world, changed = world_with("switch", "router"), list[str]()
    world.minions.on_change(changed.append)
    world.minions.read_keys(KEYS, (), {"router": SWITCH, "lamp": SWITCH})
    assert sorted(changed) == ["lamp", "switch"]
    assert set(world.minions.all()) == {"web1", "router", "lamp"}
    world.minions.read_keys(KEYS, (), {"router": SWITCH, "lamp": ("light", "web1")})
    assert sorted(changed) == ["lamp", "lamp", "switch"]


def test_a_minion_with_the_id_of_a_resource_is_a_minion() -> None:
    """Salt matches the key first."""
    world = world_with("web1", "switch")
    assert "resource" not in (view(world, "web1") or {"resource": ""})
    world.minions.read_keys({**KEYS, "switch": "accepted"}, (), {"switch": SWITCH})
    assert "resource" not in (view(world, "switch") or {"resource": ""})


def test_a_return_of_a_resource_shows_that_it_is_there() -> None:
    """Salt puts the id of the resource into the return of its minion."""
    world = world_with("switch")
    world.fire(f"salt/job/{JID}/ret/switch", cmd="_return", id="switch", jid=JID, **{"return": True})
    assert (view(world, "switch") or {})["connected"] is True
    assert not world.minions.keys_stale


@pytest.mark.parametrize("connected", [True, False])
def test_a_resource_without_an_answer_is_down_only_if_its_minion_is(connected: bool) -> None:
    """A glob reaches resources too, and some functions never return from them."""
    world = world_with("switch")
    for name in ("web1", "switch"):
        world.fire(f"salt/job/{JID}/ret/{name}", cmd="_return", id=name, jid=JID, **{"return": True})
    world.minions.absent(["switch"] if connected else ["web1", "switch"])
    assert (view(world, "switch") or {})["connected"] is connected


def test_resources_are_down_with_their_minion_and_unknown_when_it_is_back() -> None:
    """Only their own returns show that they are there again. Other minions change nothing."""
    world, changed = world_with("switch", "router"), list[str]()
    world.minions.read_keys({**KEYS, "web2": "accepted"}, (), dict.fromkeys(["switch", "router"], SWITCH))

    def returned(name: str) -> None:
        world.fire(f"salt/job/{JID}/ret/{name}", cmd="_return", id=name, jid=JID, **{"return": True})

    def connected() -> list[bool | None]:
        return [world.minions.all()[name].connected for name in ("web1", "switch", "router")]

    for name in ("web1", "web2", "switch"):
        returned(name)
    world.minions.absent(["web2"])
    assert connected() == [True, True, None]
    world.minions.on_change(changed.append)
    world.minions.absent(["web1"])
    assert connected() == [False, False, False]
    assert sorted(changed) == ["router", "switch", "web1"]
    returned("web2")
    returned("web1")
    assert connected() == [True, None, None]
    returned("switch")
    assert connected() == [True, True, None]
    assert sorted(changed[3:]) == ["router", "switch", "switch", "web1", "web2"]


@pytest.mark.parametrize(("entry", "sees"), [("test.ping", True), ({"T@dummy": ["test.ping"]}, True), ("x", False)])
def test_users_see_the_resources_that_they_may_ping(entry: Any, sees: bool) -> None:
    """An entry for the minion that manages it is another one."""
    world = world_with("switch")
    world.targets.sets |= {"T@dummy": {"switch"}, "web1": {"web1"}}
    assert (view(world, "switch", entry) is not None) is sees
    assert view(world, "switch", {"web1": [".*"]}) is None


def test_a_refresh_of_resources_reads_them_again() -> None:
    """The minion registered them again."""
    world = world_with("switch")
    world.fire("resource/refresh/web1", **{"Resource cache refresh": "web1"})
    assert (world.minions.keys_stale, world.minions.stale) == (True, {"web1", "switch"})


def test_known_resources_of_a_list_are_all_sent() -> None:
    """Only ids that nobody knows are limited."""
    names = [f"r{number}" for number in range(100)]
    world = world_with(*names)
    assert targets.without_unknown(world.minions, names, "list") == (names, [])
