"""Minions as users may see them: all of a chunk are decided together, as a plain decision about each would be."""

from __future__ import annotations

import random

import pytest

from tests.unit.core.plain_visibility import PlainVisibility
from tests.unit.core.random_rights import MINIONS, TARGETS, auth_list
from tests.unit.core.support import World


@pytest.mark.parametrize("seed", range(20))
def test_each_minion_is_shown_as_if_it_were_asked_for_alone(seed: int) -> None:
    """Whether it is there, its key and its grains. Of some only the key is known, and some are not known."""
    chance, world = random.Random(seed), World()
    world.targets.sets |= {target: set(chance.sample(MINIONS, 3)) for target in TARGETS}
    keys = {name: chance.choice(["accepted", "accepted", "pending", "denied"]) for name in MINIONS[:6]}
    world.minions.read_keys(keys)
    world.minions.read_grains({name: {"os": "Debian"} for name in MINIONS[:6]})
    plain = PlainVisibility(world.jobs.get, world.targets.matches)
    seen = 0
    for _ in range(50):
        viewer = world.session(*auth_list(chance)).viewer
        entries, names = viewer.permissions.auth_list, chance.sample(MINIONS, chance.randint(0, len(MINIONS)))
        views = world.minion_feed.views(viewer, names)
        assert list(views) == names
        lists_keys = any(entry in ("@wheel", {"@wheel": ["key.list_all"]}) for entry in entries)
        for name, view in views.items():
            pings = keys.get(name) == "accepted" and plain.may_run(entries, "test.ping", (), name)
            assert (view is not None) is (name in keys and (lists_keys or pings))
            if view is not None:
                seen += 1
                assert view["key"] == (keys[name] if lists_keys else None)
                assert (view["grains"] is not None) is plain.may_run(entries, "grains.items", (), name)
    assert seen
