"""Tunes Python's garbage collector.

A full collection examines every object of the process, and stops the event loop meanwhile. So everything that exists
after the start is frozen once (``gc.freeze``), above all Salt's modules. That is half of all objects with 500
connections. Nothing is frozen later: no collection finds a frozen cycle, however large it is.

Collections are rarer than by Python's default: connections that end leave no cycles, so there is little to find. Each
collection looks at all that is new, which was 7 % of the CPU time of a thousand clients that connect at once.
"""

from __future__ import annotations

import gc

THRESHOLD = 5000
"""New containers, less those that were freed, until the young ones are collected; Python's default is 700."""


class GcTuning:
    """Excludes the objects made before :meth:`start` from collections, and makes these rarer, until :meth:`stop`."""

    def __init__(self) -> None:
        self._before = gc.get_threshold()

    def start(self) -> None:
        """Free the garbage of the start, then freeze the other objects."""
        gc.collect()
        gc.freeze()
        gc.set_threshold(THRESHOLD, *self._before[1:])

    def stop(self) -> None:
        """Undo :meth:`start`."""
        gc.set_threshold(*self._before)
        gc.unfreeze()
