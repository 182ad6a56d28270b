"""The journal of a running engine: it is killed, stopped, suspended, and its disk fails; the bus is a socket."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.functional.running import Engine
from tests.support.buses import Publisher
from tests.support.waiting import wait_until

DISK = {"history": {"store": "disk"}}


@contextmanager
def running(engine: Engine) -> Iterator[Publisher]:
    """Run an engine with a bus of its own; stop it at the end if it still runs."""
    bus = Publisher(engine.sock_dir)
    try:
        engine.start()
        engine.wait()
        yield bus
    finally:
        engine.stop()
        bus.close()


def follow(client: Any, **fields: Any) -> dict[str, Any]:
    reply: dict[str, Any] = client.ask("subscribe", subscription="event", tag="my/", **fields)
    return reply


def told(client: Any, last: str) -> list[str]:
    """Return what a client got up to the event with this tag: tags, and reasons of gaps."""
    frames = client.frames(until=lambda frame: frame.get("tag") == last)
    return [frame.get("tag") or f"gap {frame['reason']}" for frame in frames if frame["type"] in ("event", "gap")]


def wait_for_journal(engine: Engine) -> None:
    """Wait until everything that was read is on disk."""
    wait_until(lambda: engine.metric("journal_up") == 1 and engine.metric("journal_waiting_events") == 0, "the journal")


def folder(engine: Engine) -> Path:
    import salt.config

    return Path(salt.config.master_config(str(engine.root / "master"))["cachedir"], "websocket_api_journal")


def complaints(engine: Engine) -> list[str]:
    """Return what the log says about the journal at WARNING or above, up to what follows from it."""
    found = [line.partition(" ") for line in engine.log.splitlines()]
    lines = [text.partition(" ")[2] for level, _, text in found if level in ("WARNING", "ERROR", "CRITICAL")]
    return [line.partition(";")[0] for line in lines if "journal" in line]


def parts(engine: Engine) -> dict[str, Any]:
    request = urllib.request.Request(f"http://127.0.0.1:{engine.port}/healthz", headers={"Accept": "application/json"})
    with urllib.request.urlopen(request, timeout=20) as response:
        found: dict[str, Any] = json.load(response)["parts"]
    return found


@pytest.mark.parametrize("end", [Engine.kill, Engine.stop])
def test_clients_resume_over_a_restart(make_engine: Callable[..., Engine], end: Callable[[Engine], Any]) -> None:
    """Events up to the end are replayed, one gap stands for the absence, and new events follow, in one epoch."""
    engine = make_engine(DISK)
    with running(engine) as bus:
        with engine.client("demo") as client:
            epoch = follow(client)["epoch"]
            bus.send(*((f"my/{number}", {"n": number}) for number in range(100)))
            client.frames(until=lambda frame: frame["tag"] == "my/99")
        wait_for_journal(engine)
        end(engine)
    with running(engine) as bus:
        with engine.client("demo") as client:
            reply = follow(client, since={"epoch": epoch, "seq": 50})
            assert (reply["epoch"], reply["recovered"]) == (epoch, False)
            bus.send(("my/new", {}))
            assert told(client, "my/new") == [*(f"my/{number}" for number in range(50, 100)), "gap restart", "my/new"]
        (file,) = folder(engine).glob("*.sqlite")
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert engine.metric("journal_bytes") > 0
        assert parts(engine)["journal"] == {"status": "ok"}


def test_a_suspended_engine_loses_nothing(make_engine: Callable[..., Engine]) -> None:
    """SIGSTOP for a while: the bus waits, the clients get everything, and a kill afterwards loses nothing either."""
    engine = make_engine(DISK)
    with running(engine) as bus:
        with engine.client("demo") as client:
            epoch = follow(client)["epoch"]
            bus.send(("my/0", {}))
            os.kill(engine.pid, signal.SIGSTOP)
            bus.send(*((f"my/{number}", {}) for number in range(1, 100)))
            os.kill(engine.pid, signal.SIGCONT)
            assert told(client, "my/99") == [f"my/{number}" for number in range(100)]
        wait_for_journal(engine)
        engine.kill()
    with running(engine) as bus, engine.client("demo") as client:
        follow(client, since={"epoch": epoch, "seq": 0})
        bus.send(("my/new", {}))
        assert told(client, "my/new") == [*(f"my/{number}" for number in range(100)), "gap restart", "my/new"]


def test_a_second_engine_of_the_same_master_has_no_journal(make_engine: Callable[..., Engine]) -> None:
    """It says so once, and serves from memory; the first one's journal is not touched."""
    first = make_engine(DISK)
    with running(first) as bus:
        bus.send(("my/0", {}))
        wait_until(lambda: first.metric("events_read_total") == 1, "the event")
        wait_for_journal(first)
        same = {"root_dir": str(first.root), "sock_dir": str(first.root / "second")}
        second = make_engine(DISK, master=same, constants={"journaling.LOCK_SECONDS": 0.1})
        with running(second) as other, second.client("demo") as client:
            follow(client)
            other.send(("my/1", {}))
            assert told(client, "my/1") == ["my/1"]
            (complaint,) = complaints(second)
            assert complaint.startswith("the journal of events is off: another engine uses ")
            assert second.metric("journal_up") == 0
            assert parts(second)["journal"]["status"] == "degraded"
        assert first.metric("journal_up") == 1
        assert complaints(first) == []


def mounted(folder: Path, command: str) -> list[str]:
    """Return a command that runs another one with its own view of the journal's folder; skip if this is not allowed.

    :param folder: for a trial
    :param command: mounts the folder ``$here``
    """
    space = ["unshare", "--user", "--map-root-user", "--mount"]
    # The engine is started in the folder of its master.
    script = f'here="$PWD/var/cache/salt/master/websocket_api_journal"; mkdir -p "$here" && {command} && exec "$@"'
    wrapper = [*space, "sh", "-c", script, "sh"]
    try:
        subprocess.run([*wrapper, "true"], check=True, capture_output=True, timeout=60, cwd=folder)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"cannot mount here: {error}")
    return wrapper


def test_a_full_disk_stops_the_journal_only(make_engine: Callable[..., Engine], tmp_path: Path) -> None:
    """Clients get all events. It is logged once, and /healthz and the metrics tell it."""
    engine = make_engine(DISK, wrapper=mounted(tmp_path, 'mount -t tmpfs -o size=2m tmpfs "$here"'))
    with running(engine) as bus, engine.client("demo") as client:
        wait_for_journal(engine)
        follow(client)
        expected = [f"my/{number}" for number in range(40)]
        bus.send(*((tag, {"x": "x" * 100_000}) for tag in expected))
        assert told(client, "my/39") == expected
        wait_until(lambda: engine.metric("journal_up") == 0, "the end of the journal")
        bus.send(("my/last", {}))
        assert told(client, "my/last") == ["my/last"]
        assert complaints(engine) == ["the journal of events is off: database or disk is full"]
        assert parts(engine)["journal"]["status"] == "degraded"
        assert engine.metric("journal_waiting_events") == engine.metric("journal_bytes") == 0


def test_a_read_only_folder_means_no_journal(make_engine: Callable[..., Engine], tmp_path: Path) -> None:
    """The engine serves from memory, and the log says why."""
    read_only = 'mount --bind "$here" "$here" && mount -o remount,bind,ro "$here" "$here"'
    engine = make_engine(DISK, wrapper=mounted(tmp_path, read_only))
    with running(engine) as bus, engine.client("demo") as client:
        follow(client)
        bus.send(("my/0", {}))
        assert told(client, "my/0") == ["my/0"]
        (complaint,) = complaints(engine)
        assert complaint.startswith("the journal of events is off: Read-only file system: /")


def test_a_damaged_file_is_dropped_at_the_start(make_engine: Callable[..., Engine]) -> None:
    """The engine starts as with a new file: another epoch."""
    engine = make_engine(DISK)
    with running(engine) as bus:
        bus.send(("my/0", {}))
        wait_until(lambda: engine.metric("events_read_total") == 1, "the event")
        wait_for_journal(engine)
        with engine.client("demo") as client:
            epoch = client.ask("ping")["epoch"]
    for file in folder(engine).glob("*.sqlite*"):  # SQLite's log of the last writes too
        file.write_bytes(b"damaged" * 1000)
    with running(engine), engine.client("demo") as client:
        reply = follow(client, since={"epoch": epoch, "seq": 0})
        assert (reply["epoch"] == epoch, reply["recovered"]) == (False, False)
        (complaint,) = complaints(engine)
        assert complaint.endswith(" is dropped: file is not a database")
