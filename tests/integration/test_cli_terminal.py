"""``salt-live`` on a terminal, against a real master: the bar, Ctrl-C, and coming back."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.client import Client
from tests.support.gates import MINION, Gate
from tests.support.terminal import Terminal
from tests.support.waiting import wait_until

CHECKOUT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-m", "salt_live.cli"]
pytestmark = pytest.mark.slow


@pytest.fixture
def env(engine_url: str, tmp_path: Path) -> dict[str, str]:
    return {
        **{name: os.environ[name] for name in ("PATH",) if name in os.environ},
        "HOME": str(tmp_path / "home"),
        "TERM": "xterm",
        "PYTHONUTF8": "1",
        "SALTAPI_URL": engine_url,
        "SALTAPI_USER": "demo",
        "SALTAPI_PASS": "demo",
        "PYTHONPATH": str(CHECKOUT / "clients" / "python" / "src"),
    }


@pytest.fixture
def waiting(gate: Gate) -> list[str]:
    """A command line whose minions return when the gate is opened for their id."""
    script = gate.script(f"echo {MINION} is done", MINION)
    return ["minion-*", "cmd.run", script, "template=jinja", "python_shell=True"]


def leave(terminal: Terminal) -> str:
    """Press Ctrl-C and return the job's id, which the note names."""
    terminal.type("\x03")
    note = terminal.expect("-w")
    found = re.search(r"come back with: salt-live job (\d+) -w", note)
    assert found, note
    return found[1]


def test_the_bar_moves_ctrl_c_detaches_and_the_job_can_be_joined_again(
    env: dict[str, str], waiting: list[str], gate: Gate, demo: Client
) -> None:
    with Terminal([*COMMAND, *waiting], env) as terminal:
        terminal.expect("0 of 2 returned")
        gate.open("minion-1")
        terminal.expect("minion-1 is done")
        terminal.expect("1 of 2 returned")
        jid = leave(terminal)
        assert terminal.end() == 130
        assert max(len(line) for line in re.split(r"[\r\n]", terminal.text)) < 200
    assert demo.ask("get_job", jid=jid)["state"] == "running"
    with Terminal([*COMMAND, "job", jid, "-w"], env) as terminal:
        terminal.expect("minion-1 is done")
        terminal.expect("1 of 2 returned")
        gate.open("minion-2")
        terminal.expect("minion-2 is done")
        assert terminal.end() == 0


@pytest.mark.parametrize(("answer", "state"), [("y", "canceled"), ("n", "running")])
def test_ctrl_c_twice_asks_whether_to_terminate(
    env: dict[str, str], waiting: list[str], demo: Client, answer: str, state: str
) -> None:
    with Terminal([*COMMAND, *waiting], env) as terminal:
        terminal.expect("0 of 2 returned")
        jid = leave(terminal)
        terminal.type("\x03")
        terminal.expect("on its minions? [y/N]")
        terminal.type(f"{answer}\n")
        assert terminal.end() == 130
    wait_until(lambda: demo.ask("get_job", jid=jid)["state"] == state, f"the state {state}")


def test_a_closed_pipe_ends_it_quietly(env: dict[str, str]) -> None:
    """``salt-live ... | head -1``: no traceback, and the exit code of a closed pipe."""
    process = subprocess.Popen(
        [*COMMAND, "minion-*", "test.echo", "x" * 100_000], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout
    assert process.stderr
    process.stdout.read(1)
    process.stdout.close()
    assert process.wait(60) == 141
    assert process.stderr.read() == b""
    process.stderr.close()


@pytest.mark.parametrize(
    ("words", "more", "code", "says"),
    [
        (["*", "test.ping"], {"SALTAPI_PASS": "wrong"}, 2, "cannot log in"),
        (["*", "test.ping"], {"SALTAPI_PASS": ""}, 2, "no login: run `salt-live login`"),
        (["*", "test.ping"], {"SALTAPI_URL": "ws://127.0.0.1:1"}, 69, "cannot connect to ws://127.0.0.1:1/ws"),
        (["*", "test.ping"], {"SALTAPI_URL": "ws://no.such.host.invalid"}, 69, "cannot connect"),
        (["*", "test.ping"], {"SALTAPI_URL": "nonsense://x"}, 64, "invalid address"),
        (["*", "test.ping"], {"SALTAPI_USER": "nobody"}, 2, "cannot log in"),
        (["*", "cmd.run", "id"], {"SALTAPI_USER": "viewer"}, 77, ""),
        (["run", "jobs.active"], {"SALTAPI_USER": "viewer"}, 77, ""),
        (["run", "no.function"], {}, 1, "no runner function no.function"),
        (["job", "20141103073312975821"], {}, 1, ""),
        (["job", "not-a-jid"], {}, 1, ""),
        (["*", "test.ping", "-b", "many"], {}, 64, "batch size"),
        (["*", "test.ping", "--out=funny"], {}, 64, "there is no output form funny"),
        (["*", "test.ping", "--nonsense"], {}, 64, "--nonsense"),
        (["*"], {}, 64, "the function is missing"),
        (["events", "--since", "x"], {}, 64, "--since"),
        (["events", "count=x"], {}, 64, "count must be a number"),
        (["*", "test.ping,test.version"], {}, 64, "several functions"),
        (["--ca", "/no/such/file", "*", "test.ping"], {}, 69, "/no/such/file"),
    ],
)
def test_bad_input_is_one_clear_line(
    env: dict[str, str], words: list[str], more: dict[str, str], code: int, says: str
) -> None:
    command: Any = [*COMMAND, *words]
    ran = subprocess.run(
        command, env=env | more, capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL
    )
    assert (ran.returncode, ran.stdout) == (code, ""), ran.stderr
    assert len(ran.stderr.splitlines()) == 1
    assert ran.stderr.startswith("salt-live: ")
    assert says in ran.stderr
