"""List the master's keys, and read them again only if they changed.

Salt 3008 lists the whole key store for each glob, with a ``realpath`` per key: a second of CPU for 10,000 keys.
"""

from __future__ import annotations

import functools
import os
import threading
import time
from collections.abc import Callable
from typing import Any

from .salt_compat import SALT_LINE

Listed = dict[str, list[str]]
Mark = tuple[tuple[int, int, int, int] | None, ...]

#: The folders of the driver ``localfs_key``. It lists the names in them and reads no file.
FOLDERS = ("minions", "minions_pre", "minions_rejected", "minions_denied")
#: A list is kept if it was read this long after the last change: the file system may give two changes one time.
SETTLE_SECONDS = 0.1  # Linux takes the time of its last tick, which is at most 10 ms ago
COARSE_SETTLE_SECONDS = 2.1  # on file systems that keep whole seconds, or every second one
KEEP_SECONDS = 60.0  # Salt leaves out a folder that it cannot read for the moment, and only logs that


class KeyList:
    """The last list of the keys, for all threads.

    :param folder: ``pki_dir``
    :param clock: seconds, monotonic
    """

    def __init__(self, folder: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._paths = [os.path.join(folder, name) for name in FOLDERS]
        self._clock = clock
        self._lock = threading.Lock()
        self._listed: Listed | None = None
        self._listed_at = 0.0
        """When that read began."""
        self._mark = self._look()
        self._marked_at = clock()
        """When the folders were first seen with this mark."""

    def read(self, read: Callable[[], Listed]) -> Listed:
        """Return what ``read()`` would return, ``{folder: [id, ...]}``. It belongs to the caller."""
        requested_at = self._clock()
        with self._lock:  # threads that wait share the first list that was read after their request
            mark = self._look()
            if mark != self._mark:
                self._mark, self._marked_at, self._listed = mark, self._clock(), None
            settled = self._listed_at - self._marked_at >= _settle_seconds(mark)
            is_kept = settled and requested_at - self._listed_at < KEEP_SECONDS
            if self._listed is None or not (is_kept or self._listed_at >= requested_at):
                self._listed = None
                began = self._clock()
                listed = read()
                if self._look() != mark:
                    return listed
                self._listed, self._listed_at = listed, began
            return {state: list(names) for state, names in self._listed.items()}

    def _look(self) -> Mark:
        """Return the state of the folders, which differs after a key was added, removed or moved."""
        return tuple(map(_mark, self._paths))


def key_list(opts: dict[str, Any]) -> KeyList | None:
    """Return an empty list for the key store of this master; None if its lists are cheap or cannot be kept."""
    if SALT_LINE < 3008 or opts.get("keys.cache_driver") != "localfs_key" or opts.get("key_cache"):
        return None
    return KeyList(opts["cluster_pki_dir"] if opts.get("cluster_id") else opts["pki_dir"])


def list_through(known: KeyList | None, key: Any) -> Any:
    """Have Salt's ``Key`` list the keys through ``known``, and return it."""
    if known is not None:
        key.list_keys = functools.partial(known.read, key.list_keys)
    return key


def _settle_seconds(mark: Mark) -> float:
    has_fractions = any(folder is not None and folder[2] % 1_000_000_000 for folder in mark)
    return SETTLE_SECONDS if has_fractions else COARSE_SETTLE_SECONDS


def _mark(path: str) -> tuple[int, int, int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_ctime_ns
