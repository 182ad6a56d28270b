"""The garbage collector skips the objects of the start, and no others, and runs rarely."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest
from websocket_api.gc_tuning import THRESHOLD, GcTuning


class Node:
    """An object that refers to itself."""

    def __init__(self) -> None:
        self.me: Node | None = self


@pytest.fixture(autouse=True)
def _frozen_again() -> Iterator[None]:
    """Freeze what tests/conftest.py froze, which the end of a tuning undoes."""
    yield
    gc.freeze()


@pytest.fixture
def collector() -> Iterator[GcTuning]:
    """A running tuning, which is undone afterwards."""
    before = gc.get_threshold(), list(gc.callbacks)
    made = GcTuning()
    made.start()
    yield made
    made.stop()
    assert (gc.get_threshold(), gc.callbacks) == before
    assert gc.get_freeze_count() == 0


def test_objects_of_the_start_are_frozen(collector: GcTuning) -> None:
    """All objects that exist are frozen."""
    assert gc.get_freeze_count() > 1000
    assert len(gc.get_objects()) < 1000


def test_later_objects_are_never_frozen(collector: GcTuning) -> None:
    """A collection finds every cycle, also one that survived earlier collections."""
    frozen, node = gc.get_freeze_count(), Node()
    gone = weakref.ref(node)
    for _ in range(3):
        gc.collect()
    assert gc.get_freeze_count() <= frozen
    del node
    assert gone() is not None
    gc.collect()
    assert gone() is None


def test_collections_are_rarer(collector: GcTuning) -> None:
    """Thousands of connections that open at once are new objects, of which few are garbage."""
    collector.stop()
    usual = gc.get_threshold()
    collector.start()
    assert gc.get_threshold() == (THRESHOLD, *usual[1:])
    assert usual[0] < THRESHOLD


def test_unreferenced_objects_are_freed_though_frozen() -> None:
    """Freezing only affects the search for cycles."""
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
