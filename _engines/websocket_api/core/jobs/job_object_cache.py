"""Cache the job objects of lists until the job, or what a viewer may see of it, changes.

Programs poll the list of jobs, and few jobs change between two requests.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

from .job import Job

MAX_OBJECTS = 2000
"""Maximum number of objects, of all viewers: about 1 KiB each, without :attr:`CachedJobObject.encoded`."""
MAX_ENCODED_BYTES = 4096
"""Maximum length of a kept encoding: a call can have long arguments, or a list of minions."""


class CachedJobObject(dict[str, Any]):
    """A job object that many requests share. It must not be changed."""

    __slots__ = ("encoded",)

    def __init__(self, fields: dict[str, Any]) -> None:
        super().__init__(fields)
        self.encoded: dict[str, bytes] = {}
        """The object as formats encode it, by name of the format."""

    def keep(self, name: str, encoded: bytes) -> None:
        """Keep the object as a format encodes it, unless that is long."""
        if len(encoded) <= MAX_ENCODED_BYTES:
            self.encoded[name] = encoded


class JobObjectCache:
    """The job objects that were made last, by job and view."""

    def __init__(self) -> None:
        self._objects: dict[tuple[str, Hashable], tuple[int, CachedJobObject | None]] = {}
        """The revision of the job and the object made of it, by jid and view; the oldest first."""

    def __len__(self) -> int:
        return len(self._objects)

    def get(self, job: Job, view: Hashable, make: Callable[[], dict[str, Any] | None]) -> CachedJobObject | None:
        """Return the object of a job: a cached one if the job has not changed since.

        :param view: everything but the job that decides what a viewer may see of it
        :param make: makes the object; None if the viewer may see nothing of the job
        """
        key = job.jid, view
        found = self._objects.get(key)
        if found is not None and found[0] == job.revision:
            return found[1]
        made = make()
        value = None if made is None else CachedJobObject(made)
        if job.revision:  # else it is not in the registry, which counts the changes
            self._objects.pop(key, None)
            if len(self._objects) >= MAX_OBJECTS:
                del self._objects[next(iter(self._objects))]
            self._objects[key] = job.revision, value
        return value
