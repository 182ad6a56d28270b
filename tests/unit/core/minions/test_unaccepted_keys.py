"""Minions without an accepted key."""

from __future__ import annotations

import pytest

from tests.unit.core.support import World

KEYS = {"a": "accepted", "p": "pending", "r": "rejected", "d": "denied"}


@pytest.mark.parametrize("entry", ["test.ping", ".*", {"*": [".*"]}], ids=repr)
def test_unaccepted_minions_are_visible_with_permission_for_keys_only(entry: object) -> None:
    """Any machine on the network can choose such a name."""
    world = World()
    world.minions.read_keys(KEYS)
    assert list(world.minion_feed.visible(world.session(entry).viewer)) == ["a"]
    keeper = world.session(entry, {"@wheel": ["key.list_all"]})
    assert {name: one["key"] for name, one in world.minion_feed.visible(keeper.viewer).items()} == KEYS


def test_a_minion_whose_key_is_revoked_disappears() -> None:
    """For users who could run functions on it."""
    world = World()
    world.minions.read_keys({"a": "accepted"})
    viewer = world.session("test.ping").viewer
    assert world.minion_feed.views(viewer, ["a"])["a"] is not None
    world.minions.read_keys({"a": "rejected"})
    assert world.minion_feed.views(viewer, ["a"]) == {"a": None}
