"""Job objects of lists, kept while neither the job nor what a viewer may see of it changes.

Programs ask for the list of jobs again and again, and few jobs of the list have changed since.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

from .job import Job

MAX_OBJECTS = 2000
"""Kept for all viewers; about 1 KiB each, without what :attr:`JobObject.encoded` has."""
MAX_ENCODED = 4096
"""Bytes of one kept encoding: a call can have long arguments, or a list of minions."""


class JobObject(dict[str, Any]):
    """A job object that many readers share. Do not change it: make another one."""

    __slots__ = ("encoded",)

    def __init__(self, fields: dict[str, Any]) -> None:
        super().__init__(fields)
        self.encoded: dict[str, bytes] = {}
        """What formats made of it, by their names."""

    def keep(self, name: str, encoded: bytes) -> None:
        """Keep what a format made of it, unless that is long."""
        if len(encoded) <= MAX_ENCODED:
            self.encoded[name] = encoded


class KeptObjects:
    """The job objects that were made last."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, Hashable], tuple[int, JobObject | None]] = {}
        """The revision of the job and its object, by jid and view; the oldest first."""

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, job: Job, view: Hashable, make: Callable[[], dict[str, Any] | None]) -> JobObject | None:
        """Return the object of a job.

        :param view: all that decides what a viewer may see of a job, in addition to the job
        :param make: makes the object; None if the viewer may see nothing of the job
        """
        key = job.jid, view
        found = self._kept.get(key)
        if found is not None and found[0] == job.revision:
            return found[1]
        made = make()
        value = None if made is None else JobObject(made)
        if job.revision:
            self._kept.pop(key, None)
            if len(self._kept) >= MAX_OBJECTS:
                del self._kept[next(iter(self._kept))]
            self._kept[key] = job.revision, value
        return value
