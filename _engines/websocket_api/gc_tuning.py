"""Tunes Python's garbage collector.

A full collection examines every object of the process, and stops the event loop meanwhile. So everything that exists
after the start is frozen once (``gc.freeze``), above all Salt's modules. That is half of all objects with 500
connections. Nothing is frozen later: no collection finds a frozen cycle, however large it is.
"""

from __future__ import annotations

import gc


class GcTuning:
    """Excludes the objects made before :meth:`start` from collections, until :meth:`stop`."""

    def start(self) -> None:
        """Free the garbage of the start, then freeze the other objects."""
        gc.collect()
        gc.freeze()

    def stop(self) -> None:
        """Undo :meth:`start`."""
        gc.unfreeze()
