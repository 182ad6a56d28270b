"""`make demo` starts a demo that works, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid
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
    """A copy of the parts of this checkout that the demo uses, with a path too long for Salt's unix sockets."""
    folder = tmp_path / ("a folder with a long name " * 4).strip()
    folder.mkdir()
    shutil.copytree(CHECKOUT / "tools", folder / "tools", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("_engines", "_modules", "_runners", "websocket_api"):
        (folder / name).symlink_to(CHECKOUT / name)
    return folder


@pytest.fixture
def start(checkout: Path) -> Iterator[Start]:
    """Start the demo with an environment; its output is written to the file `printed`."""
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
    """Return those that still run, by command line, because Salt's own jobs start and end at any time."""
    found = {}
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            found[" ".join(process.cmdline())] = process
    return found


def run_commands(client: Client, process: subprocess.Popen[str]) -> None:
    """Log in as both users, and leave a job that runs, and an orphan in a session of its own."""
    assert client.login("viewer")["perms"] == ["test.ping"]
    client.login("demo")
    client.ask("cmd", fun="cmd.run", tgt="minion1", arg=["setsid sleep 600 >/dev/null 2>&1 & sleep 601"])
    wait_until(lambda: {"sleep 600", "sleep 601"} <= commands(below(process)).keys(), "both sleeping")


def left_of(mark: str, folder: Path) -> list[psutil.Process]:
    """Return all processes of a demo: with its mark in their environment, or with their output in its folder.

    Salt's daemons overwrite their environment with their title.
    """
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            output = os.readlink(f"/proc/{process.pid}/fd/1")
            ours = process.environ().get("DEMO_MARK") == mark or output.startswith(f"{folder}/")
            if ours and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def ends_at_once(process: psutil.Process) -> bool:
    """Return whether SIGINT ends the demo's process: in its first 20 ms Python catches it, and prints a traceback."""
    if "demo.py" not in " ".join(process.cmdline()):
        return False
    caught = re.search(r"^SigCgt:\s*(\w+)", Path(f"/proc/{process.pid}/status").read_text(), re.MULTILINE)
    return caught is not None and not int(caught[1], 16) & 1 << (signal.SIGINT - 1)


def runs(pid: int, program: str) -> bool:
    """Return whether a process below another one runs a program. Salt's daemons have no environment to see for long."""
    for process in psutil.Process(pid).children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if program in " ".join(process.cmdline()):
                return True
    return False


SIGNALS = {
    "T": signal.SIGTERM, "I": signal.SIGINT, "H": signal.SIGHUP, "Q": signal.SIGQUIT, "K": signal.SIGKILL,
}  # fmt: skip


@pytest.mark.parametrize(
    ("moment", "order", "pause"),
    [
        ("at the start", "T", 0),
        ("at the start", "TT", 0),
        ("at the start", "I", 0),
        ("the master starts", "T", 0),
        ("the master starts", "TT", 0),
        ("the master starts", "TTTTTTTTTTTTTTTT", 0.005),
        ("the master starts", "IT", 0.02),
        ("the master starts", "TI", 0.3),
        ("the master starts", "IIII", 0.3),
        ("the master starts", "HQTITHQI", 0.05),
        ("the minion starts", "TTTT", 0.2),
        ("the minion starts", "IITT", 0.01),
        ("the minion starts", "K", 0),
        pytest.param("ready", "TT", 0, marks=pytest.mark.costly),
        pytest.param("ready", "K", 0, marks=pytest.mark.costly),
    ],
)
def test_no_order_of_signals_leaves_a_process(
    checkout: Path, tmp_path: Path, moment: str, order: str, pause: float
) -> None:
    """`make` and the demo are one process group, and make also forwards signals, so the demo gets each twice."""
    (tmp_path / "Makefile").write_text(f"demo:\n\t@exec '{sys.executable}' '{checkout}/tools/demo.py'\n")
    mark = uuid.uuid4().hex
    env = {**os.environ, "PORT": str(free_port()), "MINIONS": "1", "DEMO_MARK": mark}
    with (checkout / "printed").open("w") as out:
        make = subprocess.Popen(
            ["make", "-C", str(tmp_path)], env=env, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
        )
    moments = {
        # Only the children of make: to look through all processes can take longer than the start. On a busy machine
        # the moment can pass unseen; then it is the next one.
        "at the start": lambda: (
            any(map(ends_at_once, psutil.Process(make.pid).children())) or runs(make.pid, "salt-master")
        ),
        "the master starts": lambda: runs(make.pid, "salt-master"),
        "the minion starts": lambda: runs(make.pid, "salt-minion"),
        "ready": lambda: "\nready: " in printed(checkout),
    }
    try:
        wait_until(lambda: make.poll() is not None or moments[moment](), moment, timeout=150)
        assert make.poll() is None, printed(checkout)
        if moment == "ready":
            assert any("salt-master" in " ".join(it.cmdline()) for it in left_of(mark, tmp_path))  # it would be found
        for letter in order:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(make.pid, SIGNALS[letter])
            time.sleep(pause)
        make.wait(60)
        wait_until(lambda: not left_of(mark, tmp_path), "the end of every process", timeout=30)
    finally:
        for process in left_of(mark, tmp_path):
            with contextlib.suppress(psutil.Error):
                process.kill()
        make.wait(10)
    assert "Traceback" not in printed(checkout)


def master_of(process: subprocess.Popen[str]) -> psutil.Process:
    """Return the demo's Salt master."""
    (worker,) = psutil.Process(process.pid).children()
    return next(it for line, it in commands(worker.children()).items() if "salt-master" in line)


def test_a_demo_runs_commands_and_keeps_states_and_leaves_no_process(start: Start, checkout: Path) -> None:
    """SIGTERM ends it with exit code 0, and every process that it started, orphans too.

    The end of the master ends it with exit code 1 and the tail of the master's log. .demo/states/ starts with a small
    highstate. Changes to it, and files in .demo/files/, are kept.
    """
    own, left = checkout / ".demo" / "states", checkout / ".demo" / "files"
    left.mkdir(parents=True)
    (left / "left.sls").write_text("left_note:\n  test.succeed_without_changes: []\n")
    (left / "folder").mkdir()
    (left / "folder" / "init.sls").write_text("")
    for end, code, said in (
        ("SIGTERM", 0, ["no process is left"]),
        ("the master dies", 1, ["demo: the master ended", "the end of .demo/log/master:"]),
    ):
        port = free_port()
        process = start(PORT=port, MINIONS=1)
        wait_ready(process, checkout)
        with Client(f"ws://127.0.0.1:{port}/") as client:
            run_commands(client, process)
            job = client.ask("cmd", fun="state.apply", tgt="minion1", mode="sync", timeout=60, patience=90)
            steps = {step["__id__"]: step for step in job["minions"]["minion1"]["return"].values()}
        assert {step["result"] for step in steps.values()} == {True}
        assert ("my_note" in steps) == (end != "SIGTERM")
        started = below(process)
        process.terminate() if end == "SIGTERM" else master_of(process).kill()
        assert process.wait(30) == code
        assert [it for it in started if it.is_running()] == []
        for text in said:
            assert text in printed(checkout)
        assert {"hello_note", "hello_file", "hello_slow"} <= steps.keys()
        assert (checkout / ".demo" / "cache" / "minion1" / "hello").exists()
        (own / "mine").mkdir(exist_ok=True)
        (own / "mine" / "init.sls").write_text("my_note:\n  test.succeed_without_changes: []\n")
        (own / "top.sls").write_text("base:\n  '*':\n    - hello\n    - mine\n")
    assert (left / "left.sls").exists()
    assert (left / "folder" / "init.sls").exists()


def test_a_port_in_use_is_an_error_before_anything_starts(start: Start, checkout: Path) -> None:
    """One line names the port, the exit code is 1, and no configuration is written."""
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
    """If PORT or MINIONS is out of range, one line names the range."""
    assert start(**{name: value}).wait(30) == 1
    assert f"{name}={value}" in printed(checkout)
    assert printed(checkout).count("\n") == 1
