"""The file of the journal: SQLite, for one process at a time, for the master's user only. A thread writes it.

A row holds the entries of one write, because a row for each event costs several times as much. Without a flush to the
disk at each write (``synchronous=normal``) a power failure may lose the last writes; the numbers of these are not used
again either, because the time of the last write tells how many there may have been.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import queue
import sqlite3
import stat
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from .file_systems import network_type

log = logging.getLogger(__name__)

FORMAT = 1
"""The version of the file's format, in SQLite's ``user_version``."""
FOLDER = "websocket_api_journal"
"""The folder below the master's ``cachedir``."""
RETRY_SECONDS = 0.05  # between two attempts to get the lock
WAL_BYTES = 16 * 1024 * 1024  # that the log of SQLite keeps on disk while nothing is in it

TABLES = """
    CREATE TABLE state (epoch TEXT NOT NULL, seq INTEGER NOT NULL, time REAL NOT NULL, clean INTEGER NOT NULL);
    CREATE TABLE chunks (last INTEGER PRIMARY KEY, time REAL NOT NULL, written REAL NOT NULL, crc INTEGER NOT NULL,
        entries BLOB NOT NULL);
    CREATE TABLE jobs (jid TEXT PRIMARY KEY, last INTEGER NOT NULL, record BLOB NOT NULL) WITHOUT ROWID;
"""
INSERT = "INSERT INTO chunks VALUES (?, ?, ?, ?, ?)"


class JournalError(Exception):
    """The journal cannot be used; the message says why."""


class Batch(Protocol):
    """One write (core/journal/journal.py)."""

    @property
    def seq(self) -> int:
        """The newest number."""
        ...

    @property
    def oldest(self) -> int:
        """The oldest number to keep."""
        ...

    @property
    def time(self) -> float:
        """Seconds since the epoch."""
        ...

    @property
    def jobs(self) -> Sequence[tuple[str, int, bytes]]:
        """Jid, newest number and record of jobs."""
        ...

    @property
    def tidy(self) -> bool:
        """Whether to delete what is old."""
        ...

    @property
    def forgotten(self) -> Sequence[str]:
        """Jids of jobs to delete."""
        ...

    @property
    def clean(self) -> bool:
        """Whether it is the last write of this process."""
        ...

    def chunks(self) -> Iterable[tuple[int, float, float, int, bytes]]:
        """Return newest number, its time, time of the write, checksum and entries of each row."""
        ...


@dataclass
class Write:
    """A write in the thread; it sets ``done`` last."""

    done: bool = False
    failure: str | None = None


@dataclass(frozen=True)
class Kept:
    """The content of a file."""

    epoch: str
    seq: int
    time: float
    clean: bool
    chunks: list[tuple[int, bytes]] = field(default_factory=list)
    """Checksum and entries."""
    jobs: list[tuple[int, bytes]] = field(default_factory=list)
    """Newest number and record."""


def journal_path(opts: Mapping[str, Any]) -> Path:
    """Return the file of a master: masters with one ``cachedir`` have a file each."""
    return Path(opts["cachedir"], FOLDER, urllib.parse.quote(str(opts["id"]), safe="") + ".sqlite")


class JournalFile:
    """One journal file. :meth:`write` may be called from the event loop, everything else blocks."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        self._lock: int | None = None
        self._made: os.stat_result | None = None
        """The file as it was opened."""
        self._connection: sqlite3.Connection | None = None
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    # Before the engine serves

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
                return self._load(since)
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
            connection = self._connection or self._connect()
            connection.executescript(f"BEGIN; {TABLES} PRAGMA user_version={FORMAT};")
            connection.execute("INSERT INTO state VALUES (?, 0, ?, 0)", (epoch, now))
            connection.execute("COMMIT")
            self._begin_writing(connection)
        except (OSError, sqlite3.Error) as error:
            self.close()
            raise JournalError(_text(error)) from None

    def remove(self) -> None:
        """Delete the file, if no engine uses it."""
        with contextlib.suppress(OSError, JournalError):
            if self.path.exists():
                self._acquire(0)
                self._remove_files()
                log.info("removed the journal %s: history.store is memory", self.path)
        self.close()

    # While the engine serves

    def write(self, batch: Batch) -> Write:
        """Write a batch in the thread; return what tells when it has ended, and how."""
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
        if self._connection is None:
            return "the file is closed"
        reason = None
        try:
            self._write(self._connection, batch)
            if batch.tidy:
                self._check_place()
        except JournalError as error:
            reason = str(error)  # what is at the path is not this process's
        except (OSError, sqlite3.Error) as error:
            reason = _text(error)
            try:
                self._remove_files()
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

    # Below

    def _release(self) -> None:
        self._close_connection()
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

    def _connect(self) -> sqlite3.Connection:
        # SQLite gives its other files the mode of this one.
        made = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            self._made = os.fstat(made)
            if stat.S_IMODE(self._made.st_mode) != 0o600:
                os.fchmod(made, 0o600)
        finally:
            os.close(made)
        connection = sqlite3.connect(self.path, timeout=0, isolation_level=None, check_same_thread=False)
        self._connection = connection
        # Without shared memory: no other process reads it.
        connection.execute("PRAGMA locking_mode=EXCLUSIVE")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(f"PRAGMA journal_size_limit={WAL_BYTES}")
        connection.execute("PRAGMA synchronous=FULL")
        return connection

    def _load(self, since: float) -> Kept | None:
        """Return what the file has; None if it is new."""
        connection = self._connect()
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version == 0 and not connection.execute("SELECT 1 FROM sqlite_master").fetchone():
            return None
        if version != FORMAT:
            raise sqlite3.DatabaseError(f"it has the format {version} instead of {FORMAT}")
        state = connection.execute("SELECT epoch, seq, time, clean FROM state").fetchall()
        if len(state) != 1:
            raise sqlite3.DatabaseError("it has no position")
        epoch, seq, written, clean = state[0]
        last, time_of_last = connection.execute("SELECT max(last), max(written) FROM chunks").fetchone()
        kept = Kept(
            epoch,
            max(seq, last or 0),
            max(written, time_of_last or 0.0),
            bool(clean),
            connection.execute("SELECT crc, entries FROM chunks WHERE time >= ? ORDER BY last", (since,)).fetchall(),
            connection.execute("SELECT last, record FROM jobs").fetchall(),
        )
        # From now on the end of this process may come at any time.
        connection.execute("UPDATE state SET clean = 0")
        self._begin_writing(connection)
        return kept

    def _begin_writing(self, connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA synchronous=NORMAL")
        self._measure()

    def _write(self, connection: sqlite3.Connection, batch: Batch) -> None:
        rows = list(batch.chunks())
        if len(rows) == 1 and not (batch.jobs or batch.tidy or batch.clean):
            connection.execute(INSERT, rows[0])  # most writes: one statement, which is a transaction of its own
            return
        connection.execute("BEGIN")
        connection.executemany(INSERT, rows)
        connection.executemany("INSERT OR REPLACE INTO jobs VALUES (?, ?, ?)", batch.jobs)
        connection.executemany("DELETE FROM jobs WHERE jid = ?", [(jid,) for jid in batch.forgotten])
        if batch.tidy:
            connection.execute("DELETE FROM chunks WHERE last < ?", (batch.oldest,))
        connection.execute("UPDATE state SET seq = ?, time = ?, clean = ?", (batch.seq, batch.time, int(batch.clean)))
        connection.execute("COMMIT")
        if batch.tidy:
            self._measure()

    def _check_place(self) -> None:
        """Notice that somebody deleted the master's caches: SQLite would write on into nothing.

        :raises JournalError: another file, or none, is at the path
        """
        with contextlib.suppress(OSError):
            if self._made is not None and os.path.samestat(os.lstat(self.path), self._made):
                return
        raise JournalError(f"{self.path} was deleted or replaced")

    def _measure(self) -> None:
        self.size = sum(os.stat(path).st_size for path in self._files if path.exists())

    @property
    def _files(self) -> list[Path]:
        return [Path(f"{self.path}{ending}") for ending in ("", "-wal", "-journal", "-shm")]

    def _drop(self, reason: str) -> None:
        log.warning("the journal %s is dropped: %s; events are numbered from 1 again", self.path, reason)
        self._remove_files()

    def _remove_files(self) -> None:
        self._close_connection()
        for path in self._files:
            path.unlink(missing_ok=True)
        self.size = 0

    def _close_connection(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()

    def _refuse_busy(self, error: Exception) -> None:
        if "locked" in str(error):
            raise JournalError(f"another program uses {self.path}") from None


def _text(error: Exception) -> str:
    """Return what failed, and where, for a log line."""
    if not isinstance(error, OSError):
        return str(error)
    reason = error.strerror or str(error)
    return reason if error.filename is None else f"{reason}: {error.filename}"
