"""The collector of cyclic garbage looks at little, and finds what was left."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Iterator

import pytest
from websocket_api import collector as module
from websocket_api.collector import Collector


class Node:
    """Something that holds itself."""

    def __init__(self) -> None:
        self.me: Node | None = self


@pytest.fixture
def collector() -> Iterator[Collector]:
    """A collector that runs, and leaves no trace behind."""
    before = gc.get_threshold(), list(gc.callbacks)
    made = Collector()
    made.start()
    yield made
    made.stop()
    assert (gc.get_threshold(), gc.callbacks) == before
    assert gc.get_freeze_count() == 0


def test_what_survived_is_not_looked_at_again(collector: Collector) -> None:
    """After a full collection nothing is left to look at but what is made from then on."""
    kept = [Node() for _ in range(1000)]
    gc.collect()
    assert len(gc.get_objects()) < 1000
    assert gc.get_freeze_count() > len(kept)


def test_what_nobody_holds_is_freed_though_it_was_set_aside(collector: Collector) -> None:
    """Setting aside concerns the search for cycles only."""
    node = Node()
    node.me = None
    gone = weakref.ref(node)
    gc.collect()
    del node
    assert gone() is None


def test_a_cycle_that_was_set_aside_is_found_when_much_was_added(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not while little was added, for a look at everything is a pause; then all that is in cycles is freed."""
    node = Node()
    gone = weakref.ref(node)
    gc.collect()
    del node
    asyncio.run(collector.look_at_all())
    assert gone() is not None
    added = [Node() for _ in range(100)]
    gc.collect()
    monkeypatch.setattr(module, "LEAST", len(added))
    monkeypatch.setattr(module, "GROWN", 1)
    asyncio.run(collector.look_at_all())
    assert gone() is None
