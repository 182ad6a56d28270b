"""Python's collector of cyclic garbage, kept from holding up the event loop.

A full collection looks at everything that the process has made: a third of a second with 5,000 connections, in which
nobody gets an event. So what has survived one is set aside (``gc.freeze``), and the next looks at what is new only.
What is set aside is freed as ever when nobody holds it any more; only cycles among it are not. Connections take
themselves apart when they close; for what does not, everything is looked at again when it has doubled.
"""

from __future__ import annotations

import gc
import logging
import time
from typing import Any

log = logging.getLogger(__name__)

NEW_SHARE = 2  # collections of the middle generation until a full one (Python: 10): it then has little to look at
LEAST = 100_000  # more objects, what 800 connections hold: fewer are not worth a pause
GROWN = 2  # times as many as were left when everything was looked at last


class Collector:
    """Sets aside what has survived, from :meth:`start` to :meth:`stop`."""

    def __init__(self) -> None:
        self._left = 0
        """Objects that were there after everything was looked at."""
        self._thresholds = gc.get_threshold()

    def start(self) -> None:
        """Set aside what there is: what was made until now stays."""
        gc.callbacks.append(self._collected)
        gc.set_threshold(*self._thresholds[:2], NEW_SHARE)
        gc.collect()
        self._left = gc.get_freeze_count()

    def stop(self) -> None:
        """Leave the collector as it was found."""
        gc.callbacks.remove(self._collected)
        gc.set_threshold(*self._thresholds)
        gc.unfreeze()

    async def look_at_all(self) -> None:
        """Free the cycles among what was set aside, if so much was added that there may be many."""
        if gc.get_freeze_count() < max(self._left + LEAST, self._left * GROWN):
            return
        began = time.perf_counter()
        gc.unfreeze()
        freed = gc.collect()
        self._left = gc.get_freeze_count()
        log.debug("%d objects freed of %d, in %.0f ms", freed, freed + self._left, 1000 * (time.perf_counter() - began))

    @staticmethod
    def _collected(phase: str, info: dict[str, Any]) -> None:
        if phase == "stop" and info["generation"] == 2:
            gc.freeze()
