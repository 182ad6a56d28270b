"""Python's collector of cyclic garbage, kept from looking at what stays for good.

A full collection looks at everything that the process has made, and holds up the event loop meanwhile. What there is
once the engine has started, Salt's modules above all, is frozen (``gc.freeze``), once: it is half of what there is with
500 connections. Nothing is frozen later. A frozen cycle is garbage that no collection finds, however large it is.
"""

from __future__ import annotations

import gc


class GcTuning:
    """Passes over what was made before :meth:`start`, until :meth:`stop`."""

    def start(self) -> None:
        """Free what the start has left, and freeze the rest."""
        gc.collect()
        gc.freeze()

    def stop(self) -> None:
        """Leave the collector as it was found."""
        gc.unfreeze()
