"""`make demo`: what tools/demo.py promises to the person who typed the command."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.client import Client
from tests.integration.conftest import CHECKOUT
from tests.ports import free_port
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of this checkout as far as the demo uses it, under a path too long for the unix sockets of Salt."""
    folder = tmp_path / ("a folder with a long name " * 4).strip()
    folder.mkdir()
    shutil.copytree(CHECKOUT / "tools", folder / "tools", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("_engines", "_modules", "_runners", "websocket_api"):
        (folder / name).symlink_to(CHECKOUT / name)
    return folder


@pytest.fixture
def start(checkout: Path) -> Iterator[Start]:
    """Start the demo with the given environment; what it prints goes to `printed` beside it."""
    started: list[subprocess.Popen[str]] = []

    def run(**environment: object) -> subprocess.Popen[str]:
        env = os.environ | {name: str(value) for name, value in environment.items()}
        command = [sys.executable, str(checkout / "tools" / "demo.py")]
        with (checkout / "printed").open("w") as out:
            process = subprocess.Popen(command, env=env, stdout=out, stderr=subprocess.STDOUT, text=True)
        started.append(process)
        return process

    yield run
    for process in started:
        if process.poll() is None:
            process.terminate()
            process.wait(30)


def printed(checkout: Path) -> str:
    """Return what the demo has printed so far."""
    return (checkout / "printed").read_text()


def wait_ready(process: subprocess.Popen[str], checkout: Path) -> None:
    """Wait for the line that says ready, or for the demo's end."""
    wait_until(lambda: "\nready: " in printed(checkout) or process.poll() is not None, "the demo ready", timeout=150)
    assert process.poll() is None, printed(checkout)


def below(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """Return all processes that the demo started, and theirs."""
    return psutil.Process(process.pid).children(recursive=True)


def commands(processes: list[psutil.Process]) -> dict[str, psutil.Process]:
    """Return those that still run by their command line: Salt's own jobs come and go while a test looks."""
    found = {}
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            found[" ".join(process.cmdline())] = process
    return found


def test_a_demo_runs_a_command_and_leaves_nothing_behind(start: Start, checkout: Path) -> None:
    """When ready it serves both users; SIGTERM ends it with exit code 0 and every process it started."""
    port = free_port()
    process = start(PORT=port, MINIONS=1)
    wait_ready(process, checkout)
    with Client(f"ws://127.0.0.1:{port}/") as client:
        assert client.login("viewer")["perms"] == ["test.ping"]
        client.login("demo")
        # A job that still runs, and an orphan in a session of its own, must end with the demo too.
        client.ask("cmd", fun="cmd.run", tgt="minion1", arg=["setsid sleep 600 >/dev/null 2>&1 & sleep 601"])
        wait_until(lambda: {"sleep 600", "sleep 601"} <= commands(below(process)).keys(), "both sleeping")
    started = below(process)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    assert [it for it in started if it.is_running()] == []
    assert "no process is left" in printed(checkout)


def test_a_demo_whose_master_dies_shows_its_log(start: Start, checkout: Path) -> None:
    """The end of the master ends the demo with exit code 1 and the tail of the master's log."""
    process = start(PORT=free_port(), MINIONS=0)
    wait_ready(process, checkout)
    started = below(process)
    next(it for line, it in commands(psutil.Process(process.pid).children()).items() if "salt-master" in line).kill()
    assert process.wait(30) == 1
    assert [it for it in started if it.is_running()] == []
    assert "demo: the master ended" in printed(checkout)
    assert "the end of .demo/log/master:" in printed(checkout)


def test_a_taken_port_is_told_before_anything_starts(start: Start, checkout: Path) -> None:
    """One line that names the port, exit code 1, and no config was written."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert start(PORT=port).wait(30) == 1
    assert printed(checkout).count("\n") == 1
    assert str(port) in printed(checkout)
    assert not (checkout / ".demo" / "etc").exists()


@pytest.mark.parametrize(
    ("name", "value"), [("PORT", "http"), ("PORT", "65536"), ("MINIONS", "-1"), ("MINIONS", "2.5")]
)
def test_a_wrong_number_is_named(start: Start, checkout: Path, name: str, value: str) -> None:
    """PORT and MINIONS out of their range are told in one line with the range."""
    assert start(**{name: value}).wait(30) == 1
    assert f"{name}={value}" in printed(checkout)
    assert printed(checkout).count("\n") == 1
