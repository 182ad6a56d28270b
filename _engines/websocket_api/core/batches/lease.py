"""The lease on a batch: one master drives it at a time, although no store that Salt supports has a compare-and-set.

The record of a batch names its driver. The driver writes the record at least every 5 s, with a new beat each time. A
driver whose beat has not changed for 20 s, by the clock of the master that reads it, is gone. That master writes its
own name, waits 2 s and reads the record again: if two masters try at once, both read the name of the last writer.

A driver also keeps a promise: it reads the record before it sends anything. It writes and sends nothing unless it read
its own name in the last 10 s. A master that was suspended for a minute reads another master's name, and stops.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

RENEW_SECONDS = 5.0
EXPIRE_SECONDS = 20.0
CONFIRMED_SECONDS = 10.0  # half of EXPIRE_SECONDS: the other half is for a write that hangs
SETTLE_SECONDS = 2.0
QUICK_SECONDS = 1.0  # between a read and the end of its write; if slower, another master may have written in between

Driver = dict[str, Any]


class Lease:
    """Writes this engine's name into records, and judges the names of other drivers.

    :param master: the identity of this master
    :param run: this run of the engine; a restart has another one
    :param clock: seconds, monotonic
    :param wall: seconds since the epoch, for people who read the store
    """

    def __init__(self, master: str, run: str, clock: Callable[[], float], wall: Callable[[], float]) -> None:
        self.master = master
        self._run = run
        self._clock = clock
        self._wall = wall
        self._beat = 0
        self._seen: dict[int, tuple[tuple[Any, ...], float]] = {}
        """For batches of other drivers: the driver when it last changed, and the time of that change."""

    def driver(self) -> Driver:
        """Return the driver for a record that is written now."""
        self._beat += 1
        until = self._wall() + EXPIRE_SECONDS
        return {"master": self.master, "run": self._run, "beat": self._beat, "lease_until": until}

    def is_ours(self, stored: Mapping[str, Any]) -> bool:
        """Return whether a record names this run as its driver."""
        driver = stored["driver"]
        return (driver["master"], driver["run"]) == (self.master, self._run)

    def is_expired(self, id_: int, stored: Mapping[str, Any]) -> bool:
        """Return whether the driver of a batch is gone: its beat has stopped, or it is our earlier run."""
        driver = stored["driver"]
        if driver["master"] == self.master:
            return True  # that run has ended: it used the port that this one listens on
        now, current = self._clock(), (driver["master"], driver["run"], driver["beat"])
        last, since = self._seen.get(id_, (None, now))
        if current != last:
            self._seen[id_] = current, now
            return False
        return now - since >= EXPIRE_SECONDS

    def forget(self, id_: int) -> None:
        """Stop tracking the driver of a batch."""
        self._seen.pop(id_, None)
