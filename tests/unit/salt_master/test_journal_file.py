"""The journal's file: real SQLite, as a start after any kind of end finds it."""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import resource
import sqlite3
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from websocket_api.core.events.event import Event, make
from websocket_api.core.events.history import Gap
from websocket_api.core.journal.journal import Batch
from websocket_api.journaling import Opened, open_journal
from websocket_api.salt_master.journal_database import FORMAT, JournalError
from websocket_api.salt_master.journal_file import JournalFile, journal_path
from websocket_api.settings import History

from tests.support.waiting import until

NOW = 1_000_000.0
DISK = History(store="disk")


def path_of(folder: Path, id_: str = "master") -> Path:
    return journal_path({"cachedir": str(folder), "id": id_})


def opened(folder: Path) -> Opened:
    return open_journal({"cachedir": str(folder), "id": "master"}, DISK, NOW)


def file_of(one: Opened) -> JournalFile:
    assert isinstance(one.file, JournalFile), one.failure
    return one.file


def batch(*seqs: int, size: int = 10, **more: Any) -> Batch:
    entries: list[Event | Gap] = [make(seq, "t", {"x": "y" * size}, NOW)[0] for seq in seqs]
    fields: dict[str, Any] = {"entries": entries, "seq": seqs[-1] if seqs else 0, "oldest": 1, "time": NOW, **more}
    return Batch(**fields)


def written(folder: Path, *batches: Batch) -> str:
    """Write batches as a process that is killed then; return the epoch."""
    one = opened(folder)
    file = file_of(one)
    assert [file.apply(each) for each in batches] == [None] * len(batches)
    file.close()
    assert one.restored is not None
    return one.restored.epoch


def kept(one: Opened) -> tuple[str, int, list[int]]:
    """Return epoch, newest number and the numbers of entries."""
    assert one.restored is not None, one.failure
    return one.restored.epoch, one.restored.seq, [entry.seq for entry in one.restored.entries]


def content(folder: Path) -> tuple[str, int, list[int]]:
    """Return what the next process finds."""
    one = opened(folder)
    found = kept(one)
    file_of(one).close()
    return found


def test_what_was_written_is_there_after_a_kill(tmp_path: Path) -> None:
    """Epoch, numbers, entries; rows of old entries are deleted."""
    epoch = written(tmp_path, batch(1, 2), batch(3, 4), batch(5, oldest=3, tidy=True))
    assert content(tmp_path) == (epoch, 5, [3, 4, 5])


def test_only_the_masters_user_can_read_it(tmp_path: Path) -> None:
    """The folder, the file, SQLite's own files and the lock, whatever the umask; a looser mode is corrected."""
    before = os.umask(0)
    try:
        one = opened(tmp_path)
        assert file_of(one).apply(batch(1)) is None
        folder = path_of(tmp_path).parent
        modes = {path.name: oct(stat.S_IMODE(path.stat().st_mode)) for path in folder.iterdir()}
        assert modes == dict.fromkeys(["master.sqlite", "master.sqlite-wal", "master.sqlite.lock"], "0o600")
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        file_of(one).close()
        path_of(tmp_path).chmod(0o644)
        again = opened(tmp_path)
        assert stat.S_IMODE(path_of(tmp_path).stat().st_mode) == 0o600
        file_of(again).close()
    finally:
        os.umask(before)


def test_masters_with_one_cachedir_have_a_file_each(tmp_path: Path) -> None:
    """By their id, which can have any characters."""
    paths = [path_of(tmp_path, id_) for id_ in ("a", "b", "../a", "a/b", "10.0.0.1:4506")]
    assert len(set(paths)) == 5
    assert {path.parent for path in paths} == {tmp_path / "websocket_api_journal"}


def test_a_second_engine_is_refused(tmp_path: Path) -> None:
    """While the first one uses the file; it does not touch it."""
    first = opened(tmp_path)
    file_of(first).apply(batch(1))
    second = JournalFile(path_of(tmp_path))
    with pytest.raises(JournalError, match="another engine uses"):
        second.open(wait=0, since=0)
    assert file_of(first).apply(batch(2)) is None
    file_of(first).close()
    assert content(tmp_path)[2] == [1, 2]


def test_an_engine_waits_for_an_earlier_process_to_end(tmp_path: Path) -> None:
    """At a reload both run for a moment. After its last write the earlier one has released the file."""
    first = opened(tmp_path)
    waiting = threading.Event()
    thread = threading.Thread(target=lambda: waiting.wait(20) and file_of(first).apply(batch(1, clean=True)))
    thread.start()
    second = JournalFile(path_of(tmp_path))
    threading.Timer(0.2, waiting.set).start()
    found = second.open(wait=20, since=0)
    thread.join()
    assert found is not None
    assert (found.seq, found.clean) == (1, True)
    second.close()


def _hold(path: str, ready: Any) -> None:
    one = JournalFile(Path(path))
    one.open(wait=0, since=0)
    one.create("e", NOW)
    one.apply(batch(1))
    ready.set()
    threading.Event().wait(60)


def test_a_killed_process_releases_the_file(tmp_path: Path) -> None:
    """The kernel does, at once; what it had written is there."""
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    process = context.Process(target=_hold, args=(str(path_of(tmp_path)), ready))
    process.start()
    assert ready.wait(60)
    process.kill()
    process.join()
    assert content(tmp_path) == ("e", 1, [1])


def _version(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version={FORMAT + 1}")


def _table(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE jobs")


def _entry(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE chunks SET entries = replace(entries, 'y', 'z')")
        connection.commit()


def _state(change: str) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        with contextlib.closing(sqlite3.connect(path)) as connection:
            connection.executescript(change)
            connection.commit()

    return damage


DAMAGES = {
    "a newer version": _version,
    "a table is missing": _table,
    "an entry was changed": _entry,
    "the time is text": _state("UPDATE state SET time = 'x'"),
    "the time is far away": _state("UPDATE state SET time = -1e308; UPDATE chunks SET written = -1e308"),
    "the number is too large": _state("UPDATE state SET seq = 9007199254740990"),
    "the number has a fraction": _state("UPDATE state SET seq = 100.5"),
    "the epoch is empty": _state("UPDATE state SET epoch = ''"),
    "the epoch is data": _state("UPDATE state SET epoch = x'ff00'"),
    "the epoch is longer than a position may be": _state("UPDATE state SET epoch = printf('%0100d', 1)"),
    "a job is no record": _state("INSERT INTO jobs VALUES ('x', 1, x'ff')"),
    "a job is a list": _state("INSERT INTO jobs VALUES ('x', 1, '[]')"),
    "a job has a number of text": _state("INSERT INTO jobs VALUES ('x', 'y', '{}')"),
    "text": lambda path: path.write_text("no database\n" * 1000, encoding="utf-8"),
    "zeros": lambda path: path.write_bytes(bytes(100_000)),
    "a part": lambda path: os.truncate(path, path.stat().st_size // 2),
    "overwritten pages": lambda path: path.write_bytes(
        path.read_bytes()[:5000] + b"\xaa" * (path.stat().st_size - 5000)
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_file_that_cannot_be_used_is_dropped(tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture) -> None:
    """It is logged once, and a new numbering begins in a new file."""
    epoch = written(tmp_path, *(batch(seq, size=5000) for seq in range(1, 20)))
    DAMAGES[damage](path_of(tmp_path))
    with caplog.at_level(logging.WARNING):
        one = opened(tmp_path)
    new, seq, entries = kept(one)
    assert (new == epoch, seq, entries) == (False, 0, [])
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith(f"the journal {path_of(tmp_path)} is dropped: ")
    file_of(one).apply(batch(1))
    file_of(one).close()
    assert content(tmp_path) == (new, 1, [1])


@pytest.mark.parametrize("data", [b"", b"x"])
def test_a_file_without_content_is_new(tmp_path: Path, data: bytes) -> None:
    """As a crash right after its creation leaves it."""
    path_of(tmp_path).parent.mkdir()
    path_of(tmp_path).write_bytes(data)
    assert content(tmp_path)[1:] == (0, [])


def _is_file(folder: Path) -> str:
    (folder / "websocket_api_journal").write_text("")
    return "exists"


def _lock_is_folder(folder: Path) -> str:
    Path(f"{path_of(folder)}.lock").mkdir(parents=True)
    return "directory"


def _lock_is_link(folder: Path) -> str:
    path_of(folder).parent.mkdir()
    Path(f"{path_of(folder)}.lock").symlink_to(folder / "other")
    return "symbolic"


def _is_link(folder: Path) -> str:
    path_of(folder).parent.mkdir()
    (folder / "other").write_text("not the engine's")
    path_of(folder).symlink_to(folder / "other")
    return "symbolic"


def _is_folder(folder: Path) -> str:
    path_of(folder).mkdir(parents=True)
    return "directory"


@pytest.mark.parametrize("obstacle", [_is_file, _is_link, _is_folder, _lock_is_folder, _lock_is_link])
def test_a_file_that_cannot_be_opened_means_no_journal(tmp_path: Path, obstacle: Any) -> None:
    """The reason is named, and nothing that is there is changed."""
    word = obstacle(tmp_path)
    one = opened(tmp_path)
    assert one.file is None
    assert word in (one.failure or "")
    assert str(path_of(tmp_path).parent) in (one.failure or ""), "it says where"
    if obstacle is _is_link:
        assert (tmp_path / "other").read_text() == "not the engine's"


@contextlib.contextmanager
def no_file_larger_than(size: int) -> Iterator[None]:
    """Let writes beyond this size fail, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_file_that_cannot_be_written_is_deleted(tmp_path: Path) -> None:
    """It lacks numbers that are given from now on, so the next start must not continue it."""
    one = opened(tmp_path)
    assert file_of(one).apply(batch(1)) is None
    with no_file_larger_than(1_000_000):
        failure = file_of(one).apply(batch(2, size=3_000_000))
    assert failure
    assert [path.name for path in path_of(tmp_path).parent.iterdir()] == ["master.sqlite.lock"]
    assert file_of(one).apply(batch(3)) == "the file is closed"
    assert content(tmp_path)[1:] == (0, [])


@pytest.mark.parametrize("replaced", [False, True])
def test_a_file_that_somebody_deleted_is_noticed(tmp_path: Path, replaced: bool) -> None:
    """As by ``rm -r`` of the master's caches: SQLite would write on. A file that is there instead stays."""
    one = opened(tmp_path)
    assert file_of(one).apply(batch(1)) is None
    for path in path_of(tmp_path).parent.iterdir():
        path.unlink()
    if replaced:
        path_of(tmp_path).write_text("another one's")
    assert file_of(one).apply(batch(2, tidy=True)) == f"{path_of(tmp_path)} was deleted or replaced"
    assert path_of(tmp_path).exists() is replaced
    assert file_of(one).apply(batch(3)) == "the file is closed"
    assert content(tmp_path)[1:] == (0, [])


def test_a_file_of_an_earlier_start_is_deleted_with_the_option_memory(tmp_path: Path) -> None:
    """Nobody deletes its old events otherwise. One that another engine uses stays."""
    epoch = written(tmp_path, batch(1))
    used = opened(tmp_path)
    opts = {"cachedir": str(tmp_path), "id": "master"}
    assert open_journal(opts, History(), NOW) == Opened()
    assert path_of(tmp_path).exists()
    file_of(used).close()
    assert kept(used)[0] == epoch
    assert open_journal(opts, History(), NOW) == Opened()
    assert not path_of(tmp_path).exists()
    assert open_journal({**opts, "cachedir": str(tmp_path / "none")}, History(), NOW) == Opened()
    assert not (tmp_path / "none").exists()


def test_a_process_that_has_the_history_continues_the_file(tmp_path: Path) -> None:
    """At a reload: no gap. A file of another numbering gets the numbering of the process."""
    epoch = written(tmp_path, batch(1, 2, clean=True))
    opts = {"cachedir": str(tmp_path), "id": "master"}
    one = open_journal(opts, DISK, NOW, epoch=epoch, seq=9)
    assert one.continued is not None
    assert (one.continued.last, kept(one)) == (2, (epoch, 2, []))
    file_of(one).apply(batch(3))
    file_of(one).close()
    other = open_journal(opts, DISK, NOW, epoch="mine", seq=9)
    assert kept(other) == ("mine", 0, [])
    file_of(other).apply(batch(7, 8, 9))
    file_of(other).close()
    assert content(tmp_path) == ("mine", 9, [7, 8, 9])


async def test_the_event_loop_does_not_wait_for_a_write(tmp_path: Path) -> None:
    """A thread writes, in the order of the calls."""
    one = opened(tmp_path)
    writes = [file_of(one).write(batch(number, clean=number == 3)) for number in (1, 2, 3)]
    await until(lambda: all(write.done for write in writes))
    assert [write.failure for write in writes] == [None] * 3
    assert content(tmp_path)[2] == [1, 2, 3]


def test_a_write_after_the_last_one_changes_nothing(tmp_path: Path) -> None:
    """The file is another process's then."""
    one = opened(tmp_path)
    assert file_of(one).apply(batch(1, clean=True)) is None
    assert file_of(one).apply(batch(2)) == "the file is closed"
    assert content(tmp_path)[2] == [1]


def test_a_network_file_system_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite's log and its locks need a local disk. Nothing is written there."""
    monkeypatch.setattr("websocket_api.salt_master.journal_file.network_type", lambda path: "nfs4")
    one = opened(tmp_path)
    assert one.file is None
    assert one.failure == ("the master's cachedir is on a network file system (nfs4); it must be on a local disk")
    assert list(tmp_path.iterdir()) == []
