"""Auth lists of all forms, at random, for tests that compare decisions about them."""

from __future__ import annotations

import random
from typing import Any

MINIONS = ["web1", "web2", "web3", "db1", "db2", "low1", "low2", ""]
TARGETS = ["web*", "db*", "G@os:Debian", "low*", "web1 or db1"]
ENTRIES: list[Any] = [
    "test.*",
    "state.apply",
    "event.send",
    "(",
    {"web*": ["test.*", "grains.items", "beacons.list"]},
    {"web*": ["event.send", {"pkg.install": {"kwargs": {"name": "nginx"}}}]},
    {"db*": ["test.ping", "state.apply", "pkg.install"]},
    {"G@os:Debian": [".*"]},
    {"low*": "test.ping"},
    {"web1 or db1": ["test.ping", {"state.apply": {"args": ["web"]}}]},
    {"*": ["grains.items", {"pkg.install": {"kwargs": {"name": "nginx"}}}]},
    {"*": [{"state.apply": {"args": ["db"]}}]},
    {"never*": [".*"]},
    {"@events": ["tag:myco/*", "tag:*ploy"]},
    {"@events": ["tag:other/thing"]},
    {"@events": "myco/*"},
    {"@runner": ["manage.*", {"state.orch": {"args": ["web"], "kwargs": {"test": "True"}}}]},
    {"@wheel": ["key.list_all"]},
    {"@jobs": ["lookup_jid"]},
]
WIDE: list[Any] = [".*", "@events", "@jobs", "@runner", "@wheel"]


def auth_list(chance: random.Random) -> list[Any]:
    """Return an auth list: most have some targets only."""
    entries = chance.sample(ENTRIES, chance.randint(1, 3))
    return entries + ([chance.choice(WIDE)] if chance.random() < 0.15 else [])
