"""The collector of cyclic garbage passes over what the start has made, and over nothing else."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest
from websocket_api.gc_tuning import GcTuning


class Node:
    """Something that holds itself."""

    def __init__(self) -> None:
        self.me: Node | None = self


@pytest.fixture
def collector() -> Iterator[GcTuning]:
    """A collector that runs, and leaves no trace behind."""
    before = gc.get_threshold(), list(gc.callbacks)
    made = GcTuning()
    made.start()
    yield made
    made.stop()
    assert (gc.get_threshold(), gc.callbacks) == before
    assert gc.get_freeze_count() == 0


def test_what_the_start_has_made_is_not_looked_at_again(collector: GcTuning) -> None:
    """All that was there is frozen."""
    assert gc.get_freeze_count() > 1000
    assert len(gc.get_objects()) < 1000


def test_what_was_made_since_is_never_frozen(collector: GcTuning) -> None:
    """A collection finds every cycle, also one that has survived others."""
    frozen, node = gc.get_freeze_count(), Node()
    gone = weakref.ref(node)
    for _ in range(3):
        gc.collect()
    assert gc.get_freeze_count() <= frozen
    del node
    assert gone() is not None
    gc.collect()
    assert gone() is None


def test_what_nobody_holds_is_freed_though_it_was_frozen() -> None:
    """Freezing concerns the search for cycles only."""
    node = Node()
    node.me = None
    gone = weakref.ref(node)
    made = GcTuning()
    made.start()
    try:
        del node
        assert gone() is None
    finally:
        made.stop()
