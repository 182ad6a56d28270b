"""The supervisor, by real processes: the serving process is killed, crashes, hangs or does not start."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.functional.running import Engine
from tests.support.processes import ended
from tests.support.reloading import copy_of_engine
from tests.support.waiting import is_open, wait_until

pytest.importorskip("salt")

pytestmark = [pytest.mark.both_lines]

MakeEngine = Callable[..., Engine]
ENDS = "has ended"


@pytest.fixture
def engine(make_engine: MakeEngine) -> Engine:
    """An engine that serves."""
    return started(make_engine())


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """The engine's code, to be changed by the test."""
    return copy_of_engine(tmp_path)


def started(engine: Engine) -> Engine:
    """Start an engine and wait until it serves."""
    engine.start()
    engine.wait()
    return engine


def from_copy(make_engine: MakeEngine, package: Path) -> Engine:
    """Start an engine with this code."""
    return started(make_engine(master={"engines_dirs": [str(package.parent)]}))


def kill(pid: int, number: signal.Signals = signal.SIGKILL) -> None:
    """Send a signal to a serving process and wait for its end."""
    os.kill(pid, number)
    wait_until(lambda: ended(pid), "the serving process's end")


def starts(engine: Engine) -> int:
    """Return how often the engine has logged that it listens."""
    return engine.log.count(" listens on ")


@pytest.mark.parametrize(
    ("number", "line"),
    [
        (signal.SIGKILL, "ERROR .* has ended (SIGKILL): another one is started"),
        (signal.SIGSEGV, "ERROR .* has ended (SIGSEGV): another one is started"),
        (signal.SIGTERM, "INFO .* has ended: another one is started"),
    ],
)
def test_a_serving_process_that_ends_is_replaced(engine: Engine, number: signal.Signals, line: str) -> None:
    """Clients that connect meanwhile are not refused: they wait for the next process. The log names the cause."""
    level, _, words = line.partition(" .* ")
    with engine.client("demo") as client:
        before, supervisor = engine.pid, engine.supervisor_pid
        kill(before, number)
        assert client.closed().code == (1012 if number == signal.SIGTERM else None)
    with socket.create_connection(("127.0.0.1", engine.port), timeout=1), engine.client("demo") as client:
        assert client.ask("ping")
    assert engine.pid != before
    assert (engine.supervisor_pid, engine.alive) == (supervisor, True)
    wait_until(lambda: starts(engine) == 2, "the second start")
    assert [one.split()[0] for one in engine.log.splitlines() if words in one] == [level]
    assert engine.complaints == []


def test_the_next_process_runs_the_code_on_disk(make_engine: MakeEngine, package: Path) -> None:
    """The supervisor loads none of it, so nothing of the old release stays."""
    engine = from_copy(make_engine, package)
    pong = package / "operations" / "session.py"
    pong.write_text(pong.read_text().replace('"version":', '"changed": True, "version":'))
    with engine.client("demo") as client:
        assert "changed" not in client.ask("ping")
    kill(engine.pid)
    with engine.client("demo") as client:
        assert client.ask("ping")["changed"] is True
    assert "restart the master" not in engine.log


def test_a_process_that_ends_at_once_is_started_ever_more_slowly(make_engine: MakeEngine, package: Path) -> None:
    """One line says so, clients are refused meanwhile, and the engine serves as soon as its code is whole."""
    engine = from_copy(make_engine, package)
    server = package / "server.py"
    whole = server.read_text()
    server.write_text("this is no Python")
    kill(engine.pid)
    wait_until(lambda: engine.log.count(ENDS) >= 4, "the fourth end")
    assert engine.log.count("ends at once: it is started every 10 s at least") == 1
    assert not is_open(engine.port)
    server.write_text(whole)
    wait_until(lambda: starts(engine) == 2, "the second start")
    with engine.client("demo") as client:
        assert client.ask("ping")


def test_a_supervisor_that_does_not_fit_ends_for_salt_to_start_the_new_one(
    make_engine: MakeEngine, package: Path
) -> None:
    """A release may change how the two processes speak: then Salt's start, which is slower, brings both."""
    engine = from_copy(make_engine, package)
    startup = package / "startup.py"
    startup.write_text(startup.read_text().replace("serving: Serving)", "serving: Serving, more: int)"))
    own = package / "__init__.py"
    own.write_text(own.read_text().replace("__opts__, serving)", "__opts__, serving, 1)"))
    kill(engine.pid)
    wait_until(lambda: not engine.alive, "the supervisor's end")
    assert "has changed: Salt starts it again within 10 s" in engine.log
    assert not is_open(engine.port)
    engine.serve()


@pytest.mark.parametrize("stopped", [False, True])
def test_a_killed_supervisor_takes_the_serving_process_with_it(engine: Engine, stopped: bool) -> None:
    """Even one that hangs, or the next engine would find the port in use."""
    if stopped:
        os.kill(engine.pid, signal.SIGSTOP)
    engine.kill()
    wait_until(lambda: not is_open(engine.port), "the end of its threads, which hold the port too")
    engine.serve()


def test_a_stop_while_the_engine_starts_ends_both_processes(make_engine: MakeEngine) -> None:
    """Here it waits for its schemas; SIGTERM comes twice, as from Salt."""
    engine = make_engine(schemas=False)
    engine.start()
    wait_until(lambda: "waits for salt://websocket_api/schemas" in engine.log, "waiting")
    serving = engine.pid
    os.kill(engine.supervisor_pid, signal.SIGTERM)
    engine.stop()
    wait_until(lambda: ended(serving), "the end of the serving process")
    assert ENDS not in engine.log


def test_each_further_sigterm_changes_nothing(engine: Engine) -> None:
    """Salt sends it more than once; clients are asked to reconnect all the same."""
    with engine.client("demo") as client:
        stopping = threading.Thread(target=engine.stop)
        stopping.start()
        while engine.alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(engine.supervisor_pid, signal.SIGTERM)
        stopping.join()
        assert client.closed().code == 1012
    assert not is_open(engine.port)
