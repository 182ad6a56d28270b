"""The content of the journal's file: SQLite tables. Everything here blocks, except :attr:`JournalDatabase.size`.

A row holds the entries of one write, because a row for each event costs several times as much. Without a flush to the
disk at each write (``synchronous=normal``) a power failure may lose the last writes; the numbers of these are not used
again either, because the time of the last write tells how many there may have been.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

FORMAT = 1
"""The version of the file's format, in SQLite's ``user_version``."""
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


class JournalDatabase:
    """The tables of one journal file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        """Bytes on disk, those of SQLite's own files included."""
        self._made: os.stat_result | None = None
        """The file as it was opened."""
        self._connection: sqlite3.Connection | None = None

    def load(self, since: float) -> Kept | None:
        """Open the file, and return its content; None if it is new.

        :param since: entries before this time are left out, in seconds since the epoch
        :raises OSError: the file cannot be opened
        :raises sqlite3.Error: its content cannot be used, or another program uses it
        :raises TypeError: a number in it is text
        """
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

    def create(self, epoch: str, now: float) -> None:
        """Begin a numbering in an empty file, which is opened if it is not open.

        :param now: seconds since the epoch
        :raises OSError: the file cannot be opened
        :raises sqlite3.Error: it cannot be written
        """
        connection = self._connection or self._connect()
        connection.executescript(f"BEGIN; {TABLES} PRAGMA user_version={FORMAT};")
        connection.execute("INSERT INTO state VALUES (?, 0, ?, 0)", (epoch, now))
        connection.execute("COMMIT")
        self._begin_writing(connection)

    def write(self, batch: Batch) -> None:
        """Write a batch to the open file.

        :raises OSError: the size of the file cannot be read
        :raises sqlite3.Error: it cannot be written
        :raises JournalError: the file is closed; another file, or none, is at the path
        """
        if self._connection is None:
            raise JournalError("the file is closed")
        self._insert(self._connection, batch)
        if batch.tidy:
            self._check_place()

    def _insert(self, connection: sqlite3.Connection, batch: Batch) -> None:
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

    def remove(self) -> None:
        """Close and delete the file.

        :raises OSError: it cannot be deleted
        """
        self.close()
        for path in self._files:
            path.unlink(missing_ok=True)
        self.size = 0

    def close(self) -> None:
        """Close the file."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()

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

    def _begin_writing(self, connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA synchronous=NORMAL")
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
