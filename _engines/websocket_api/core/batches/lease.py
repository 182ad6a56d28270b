"""Who drives a batch: one master at a time, although no store that Salt can use has a compare-and-set.

A batch's record names its driver. Whoever drives writes the record at least every 5 s, each time with another beat. A
driver whose beat stands still for 20 s, by the clock of who looks, is gone; whoever finds that writes its own name,
waits 2 s and reads the record again: two who try at once both find the name of the last.

The other half is what a driver promises: it reads the record before it sends anything, and writes or sends nothing
unless it found itself there in the last 10 s. A master that stood still for a minute finds another's name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

RENEW_SECONDS = 5.0
VOID_SECONDS = 20.0
SURE_SECONDS = 10.0  # half of the above: the other half is for a write that hangs
SETTLE_SECONDS = 2.0
QUICK_SECONDS = 1.0  # between reading a record and having written it: slower, and somebody may have come in between

Driver = dict[str, Any]


class Lease:
    """What this engine writes into records, and what it makes of others' writing.

    :param master: this master's identity
    :param run: this engine's run; after a restart it is another
    :param clock: seconds, monotonic
    :param wall: seconds since the epoch, for people who look into the store
    """

    def __init__(self, master: str, run: str, clock: Callable[[], float], wall: Callable[[], float]) -> None:
        self.master = master
        self._run = run
        self._clock = clock
        self._wall = wall
        self._beat = 0
        self._seen: dict[int, tuple[tuple[Any, ...], float]] = {}
        """Of batches that others drive: what their driver was when it last changed, and when that was."""

    def driver(self) -> Driver:
        """Return what stands in a record that is written now."""
        self._beat += 1
        until = self._wall() + VOID_SECONDS
        return {"master": self.master, "run": self._run, "beat": self._beat, "lease_until": until}

    def ours(self, stored: Mapping[str, Any]) -> bool:
        """Tell whether a record names this run as its driver."""
        driver = stored["driver"]
        return (driver["master"], driver["run"]) == (self.master, self._run)

    def void(self, id_: int, stored: Mapping[str, Any]) -> bool:
        """Tell whether a batch's driver is gone: its beat stands still, or it was an earlier run of this master's."""
        driver = stored["driver"]
        if driver["master"] == self.master:
            return True  # that run has ended: it had the port on which this one listens
        now, is_ = self._clock(), (driver["master"], driver["run"], driver["beat"])
        was, since = self._seen.get(id_, (None, now))
        if is_ != was:
            self._seen[id_] = is_, now
            return False
        return now - since >= VOID_SECONDS

    def forget(self, id_: int) -> None:
        """Look at a batch no more."""
        self._seen.pop(id_, None)
