"""The file of the journal, for one process at a time and for the master's user only. A thread writes it."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import queue
import sqlite3
import threading
import time
import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .file_systems import network_type
from .journal_database import Batch, JournalDatabase, JournalError, Kept

log = logging.getLogger(__name__)

FOLDER = "websocket_api_journal"
"""The folder below the master's ``cachedir``."""
RETRY_SECONDS = 0.05  # between two attempts to get the lock


@dataclass
class Write:
    """A write in the thread; it sets ``done`` last."""

    done: bool = False
    failure: str | None = None


def journal_path(opts: Mapping[str, Any]) -> Path:
    """Return the file of a master: masters with one ``cachedir`` have a file each."""
    return Path(opts["cachedir"], FOLDER, urllib.parse.quote(str(opts["id"]), safe="") + ".sqlite")


class JournalFile:
    """One journal file. :meth:`write` may be called from the event loop, everything else blocks."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._database = JournalDatabase(path)
        self._lock: int | None = None
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return self._database.size

    def open(self, *, wait: float, since: float) -> Kept | None:
        """Open the file, and return what an earlier process kept; None if there is nothing that can be used.

        Without a result the file is empty: :meth:`create` gives it its numbering.

        :param wait: seconds to wait for an earlier process to release it
        :param since: entries before this time are not needed, in seconds since the epoch
        :raises JournalError: another engine uses the file, it cannot be read or written, or no local disk has it
        """
        kind = network_type(self.path)
        if kind is not None:
            raise JournalError(
                f"the master's cachedir is on a network file system ({kind}); it must be on a local disk"
            )
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._acquire(wait)
            try:
                return self._database.load(since)
            except (sqlite3.DatabaseError, TypeError) as error:  # the second one: a number is text
                self._refuse_busy(error)
                self._drop(str(error))
                return None
        except (OSError, sqlite3.Error) as error:
            self.close()
            raise JournalError(_text(error)) from None

    def drop(self, reason: str) -> None:
        """Delete content that cannot be used.

        :raises JournalError: it cannot be deleted
        """
        try:
            self._drop(reason)
        except OSError as error:
            self.close()
            raise JournalError(_text(error)) from None

    def create(self, epoch: str, now: float) -> None:
        """Begin a numbering in an empty file.

        :param now: seconds since the epoch
        :raises JournalError: it cannot be written
        """
        try:
            self._database.create(epoch, now)
        except (OSError, sqlite3.Error) as error:
            self.close()
            raise JournalError(_text(error)) from None

    def remove(self) -> None:
        """Delete the file, if no engine uses it."""
        with contextlib.suppress(OSError, JournalError):
            if self.path.exists():
                self._acquire(0)
                self._database.remove()
                log.info("removed the journal %s: history.store is memory", self.path)
        self.close()

    def write(self, batch: Batch) -> Write:
        """Begin to write a batch in the thread; return the write, which tells when it has ended, and how."""
        write = Write()

        def work() -> None:
            write.failure = self.apply(batch)
            write.done = True

        if self._thread is None:
            # A daemon: a disk that hangs must not keep the process from ending.
            self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
            self._thread.start()
        self._jobs.put(work)
        return write

    def apply(self, batch: Batch) -> str | None:
        """Write a batch; return why it failed, or None. The thread calls this.

        The file is closed after a clean batch. After a failure it is deleted: it does not have the numbers that are
        given from now on.
        """
        reason = None
        try:
            self._database.write(batch)
        except JournalError as error:
            reason = str(error)  # nothing is deleted: what is at the path is not this process's
        except (OSError, sqlite3.Error) as error:
            reason = _text(error)
            try:
                self._database.remove()
            except OSError as fault:
                reason = f"{reason}; {self.path} cannot be deleted ({_text(fault)})"
        if batch.clean or reason is not None:
            self._release()
        return reason

    def close(self) -> None:
        """Close the file and release its lock, after the writes that were begun."""
        if self._thread is not None:
            self._jobs.put(None)
            self._thread.join()
            self._thread = None
        self._release()

    def _release(self) -> None:
        self._database.close()
        lock, self._lock = self._lock, None
        if lock is not None:
            os.close(lock)

    def _run(self) -> None:
        while (work := self._jobs.get()) is not None:
            work()

    def _acquire(self, wait: float) -> None:
        """Lock the file against other engines. The lock ends with the process, however that ends."""
        path = f"{self.path}.lock"
        self._lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        deadline = time.monotonic() + wait
        while True:
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    self.close()
                    raise JournalError(f"another engine uses {self.path}") from None
            time.sleep(RETRY_SECONDS)

    def _drop(self, reason: str) -> None:
        log.warning("the journal %s is dropped: %s; events are numbered from 1 again", self.path, reason)
        self._database.remove()

    def _refuse_busy(self, error: Exception) -> None:
        if "locked" in str(error):
            raise JournalError(f"another program uses {self.path}") from None


def _text(error: Exception) -> str:
    """Return what failed, and where, for a log line."""
    if not isinstance(error, OSError):
        return str(error)
    reason = error.strerror or str(error)
    return reason if error.filename is None else f"{reason}: {error.filename}"
