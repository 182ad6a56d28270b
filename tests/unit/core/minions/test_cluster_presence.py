"""In a cluster each master lists its own minions: a minion is connected if any master has it."""

from __future__ import annotations

from websocket_api.core.minions.presence import MAX_MASTERS

from tests.unit.core.support import LIST_SECONDS, World

OWN, PEER = "10.0.0.1", "10.0.0.2"
MINIONS = ("a", "b", "c")


def clustered() -> World:
    """Return a master of a cluster with three minions, and a record of changes."""
    world = World(cluster_id=OWN)
    world.minions.read_keys(dict.fromkeys(MINIONS, "accepted"))
    return world


def lists(world: World, *present: str, master: str = OWN) -> None:
    """Send a master's list of its minions."""
    peer = {} if master == OWN else {"__peer_id": master}
    world.fire("salt/presence/present", present=list(present), **peer)


def returns(world: World, minion: str, *, master: str = OWN) -> None:
    """Let a minion return a job through a master."""
    peer = {} if master == OWN else {"__peer_id": master}
    world.fire(f"salt/job/20261123120000000009/ret/{minion}", cmd="_return", id=minion, **peer)


def connected(world: World) -> dict[str, bool | None]:
    return {name: one.connected for name, one in world.minions.all().items()}


def test_a_list_marks_no_minion_of_another_master_absent() -> None:
    """Nothing changes with each list, as it did when each one counted for all minions."""
    world = clustered()
    lists(world, "a")
    lists(world, "b", "c", master=PEER)
    changed: list[str] = []
    world.minions.on_change(changed.append)
    for _ in range(3):
        world.time.pass_(LIST_SECONDS)
        lists(world, "a")
        lists(world, "b", "c", master=PEER)
    assert connected(world) == {"a": True, "b": True, "c": True}
    assert changed == []


def test_a_minion_that_no_master_lists_is_gone() -> None:
    """Whichever master it was connected to."""
    world = clustered()
    lists(world, "a", "b")
    lists(world, "c", master=PEER)
    lists(world, "a")
    assert connected(world) == {"a": True, "b": False, "c": True}
    lists(world, master=PEER)
    assert connected(world) == {"a": True, "b": False, "c": False}


def test_a_minion_that_moves_to_another_master_stays_connected() -> None:
    """The old master's list without it comes before or after the new one's."""
    world = clustered()
    lists(world, "a")
    returns(world, "a", master=PEER)
    lists(world)
    assert connected(world)["a"] is True
    lists(world, "a")
    lists(world, master=PEER)
    assert connected(world)["a"] is True


def test_changes_count_for_the_master_that_sends_them() -> None:
    """A minion that one master lost may have connected to another."""
    world = clustered()
    lists(world, "a", "b")
    world.fire("salt/presence/change", new=["a"], lost=[], __peer_id=PEER)
    world.fire("salt/presence/change", new=[], lost=["a", "b"])
    assert connected(world) == {"a": True, "b": False, "c": None}


def test_the_minions_of_a_master_that_is_gone_do_not_stay_connected() -> None:
    """Its lists do not come any more: after three intervals its minions count as absent, unless they moved."""
    world = clustered()
    lists(world, "a")
    lists(world, "b", "c", master=PEER)
    for _ in range(3):
        world.time.pass_(LIST_SECONDS)
        lists(world, "a")
    assert connected(world) == {"a": True, "b": True, "c": True}
    returns(world, "c")
    world.time.pass_(LIST_SECONDS)
    lists(world, "a", "c")
    assert connected(world) == {"a": True, "b": False, "c": True}


def test_a_minion_that_does_not_answer_is_absent_whatever_the_lists_say() -> None:
    """Until the next sign of life."""
    world = clustered()
    lists(world, "b", master=PEER)
    world.minions.absent(["b"])
    lists(world, "a")
    assert connected(world)["b"] is False
    returns(world, "b", master=PEER)
    lists(world, "a")
    assert connected(world)["b"] is True


def test_forged_lists_take_no_memory() -> None:
    """A minion can make the master fire them, with any names of masters and minions."""
    world = clustered()
    lists(world, "a")
    lists(world, "b", master=PEER)
    for number in range(3 * MAX_MASTERS):
        lists(world, *(f"nobody{name}" for name in range(100)), master=f"forged{number}")
    presence = world.minions.presence
    assert len(presence._minions) <= MAX_MASTERS
    assert sum(map(len, presence._minions.values())) == 2
    lists(world, "a")
    assert connected(world) == {"a": True, "b": True, "c": None}


def test_without_a_cluster_a_list_says_it_all() -> None:
    """A peer's name in an event is then a claim of its sender."""
    world = World()
    world.minions.read_keys(dict.fromkeys(MINIONS, "accepted"))
    lists(world, "a", "b")
    lists(world, "a", master=PEER)
    assert connected(world) == {"a": True, "b": False, "c": None}
