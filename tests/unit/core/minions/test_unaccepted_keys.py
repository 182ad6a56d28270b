"""Minions whose keys nobody has accepted."""

from __future__ import annotations

import pytest

from tests.unit.core.support import World

KEYS = {"a": "accepted", "p": "pending", "r": "rejected", "d": "denied"}


@pytest.mark.parametrize("entry", ["test.ping", ".*", {"*": [".*"]}], ids=repr)
def test_names_without_an_accepted_key_are_for_who_may_list_keys(entry: object) -> None:
    """Anybody on the network can choose such a name: it is shown as ``salt/key`` events are."""
    world = World()
    world.minions.read_keys(KEYS)
    assert list(world.minion_feed.visible(world.session(entry).viewer)) == ["a"]
    keeper = world.session(entry, {"@wheel": ["key.list_all"]})
    assert {name: one["key"] for name, one in world.minion_feed.visible(keeper.viewer).items()} == KEYS


def test_a_minion_whose_key_is_taken_back_is_gone() -> None:
    """For who could run something on it, and cannot any more."""
    world = World()
    world.minions.read_keys({"a": "accepted"})
    viewer = world.session("test.ping").viewer
    assert world.minion_feed.views(viewer, ["a"])["a"] is not None
    world.minions.read_keys({"a": "rejected"})
    assert world.minion_feed.views(viewer, ["a"]) == {"a": None}
