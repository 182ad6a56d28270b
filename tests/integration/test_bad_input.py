"""Errors that only a real master and its minions can cause: permissions, targets, functions, a master in trouble.

``functional/test_bad_input.py`` has the errors that the engine itself finds.
"""

from __future__ import annotations

import contextlib
import json
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import psutil
import pytest

from tests.client import Client, Refused
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow

MASTER_SECONDS = 8.0  # the default of ``master_seconds``
SLACK_SECONDS = 30.0  # allowance for a loaded machine

Connect = Callable[..., Client]


@pytest.fixture(autouse=True)
def _bystander(connect: Connect) -> Iterator[None]:
    """Check that another client, which follows the bus meanwhile, still gets events and answers."""
    client = connect("demo")
    client.ask("subscribe", subscription="event", tag="bystander/")
    yield
    client.ask("event", tag="bystander/still-here", body={})
    client.frames(until=lambda frame: frame.get("tag") == "bystander/still-here")


def refused(client: Client, type: str, /, **fields: Any) -> Refused:
    """Send a request that must fail and return its error; the connection must stay open."""
    with pytest.raises(Refused) as caught:
        client.ask(type, **fields)
    client.ask("ping")
    return caught.value


FORBIDDEN: list[tuple[str, str, dict[str, Any]]] = [
    ("viewer", "cmd", {"fun": "cmd.run", "tgt": "*", "arg": ["id"]}),
    ("viewer", "cmd", {"fun": "test.echo", "tgt": "minion-1", "arg": ["x"], "mode": "sync"}),
    ("half", "cmd", {"fun": "test.ping", "tgt": "minion-2"}),
    ("half", "cmd", {"fun": "test.ping", "tgt": "*"}),
    ("half", "cmd", {"fun": "grains.items", "tgt": "minion-1"}),
    ("viewer", "runner", {"fun": "jobs.list_jobs"}),
    ("viewer", "runner", {"fun": "jobs.list_jobs", "mode": "sync"}),
    ("viewer", "wheel", {"fun": "key.list_all"}),
    ("viewer", "event", {"tag": "myco/x", "body": {}}),
    ("viewer", "event", {"tag": "myco/x", "body": {}, "tgt": "*"}),
    ("viewer", "signature", {"module": "test.ping", "tgt": "minion-1"}),
    ("viewer", "signature", {"module": "jobs.list_jobs", "client": "runner"}),
]


@pytest.mark.parametrize(("user", "type", "fields"), FORBIDDEN, ids=lambda value: json.dumps(value)[:60])
def test_what_the_user_may_not_do_is_forbidden(connect: Connect, user: str, type: str, fields: dict[str, Any]) -> None:
    """Salt's permissions decide."""
    assert refused(connect(user), type, **fields).code == "forbidden"


def test_a_hidden_job_is_not_found(connect: Connect, demo: Client) -> None:
    """Another user's job of a function that the user may not run looks like a job that does not exist."""
    jid = demo.ask("cmd", fun="test.echo", tgt="*", arg=["secret"], mode="sync")["jid"]
    viewer = connect("viewer")
    for type, fields in (("get_job", {"jid": jid}), ("cancel", {"jid": jid})):
        assert refused(viewer, type, **fields).code == "not_found"
    assert refused(viewer, "subscribe", subscription="job", jid=jid).code == "not_found"


# Missing minions and functions

MISSING: list[tuple[str, str, dict[str, Any]]] = [
    ("no_minions", "cmd", {"fun": "test.ping", "tgt": "nobody-*"}),
    ("no_minions", "cmd", {"fun": "test.ping", "tgt": ["nobody"], "mode": "sync"}),
    ("no_minions", "cmd", {"fun": "test.ping", "tgt": "G@os:NoSuchOs", "tgt_type": "compound"}),
    ("no_minions", "cmd", {"fun": "test.ping", "tgt": "../../minion-1"}),
    ("no_minions", "signature", {"module": "test.ping", "tgt": "nobody"}),
    ("no_minions", "functions", {"tgt": "nobody"}),
    ("no_minions", "event", {"tag": "myco/x", "body": {}, "tgt": "nobody"}),
    ("unknown_function", "signature", {"module": "no.such_function", "tgt": "minion-1", "timeout": 60}),
    ("unknown_function", "signature", {"module": "no.such_function", "client": "runner"}),
    ("unknown_function", "signature", {"module": "no.such_function", "client": "wheel"}),
    ("unknown_function", "runner", {"fun": "no.such_function"}),
    ("unknown_function", "runner", {"fun": "no.such_function", "mode": "sync"}),
    ("unknown_function", "wheel", {"fun": "no.such_function"}),
]


@pytest.mark.parametrize(("code", "type", "fields"), MISSING, ids=lambda value: json.dumps(value)[:60])
def test_what_is_missing_has_its_code(demo: Client, code: str, type: str, fields: dict[str, Any]) -> None:
    """A target without minions gets ``no_minions``, a missing function ``unknown_function``."""
    assert refused(demo, type, **fields).code == code


def test_a_function_that_minions_do_not_have_fails_in_the_job(demo: Client) -> None:
    """Only minions know their functions: ``cmd`` starts a job that fails with Salt's own message."""
    job = demo.ask("cmd", fun="no.such_function", tgt="*", mode="sync")
    assert (job["state"], job["failed"]) == ("failed", 2)
    assert "is not available" in job["minions"]["minion-1"]["return"]


def test_an_ended_job_cannot_be_canceled(demo: Client) -> None:
    """The error is a ``conflict``."""
    jid = demo.ask("cmd", fun="test.ping", tgt="*", mode="sync")["jid"]
    assert refused(demo, "cancel", jid=jid).code == "conflict"


def test_a_minion_that_is_down_is_missing_in_its_job(demo: Client, away: str) -> None:
    """The job ends without it and reports it as missing; the other returns are there."""
    job = demo.ask("cmd", fun="test.ping", tgt=["minion-1", away], mode="sync", timeout=60, patience=70)
    assert (job["state"], job["done"], job["missing"]) == ("partial", 2, 1)
    assert job["minions"][away]["state"] == "missing"
    assert job["minions"]["minion-1"]["return"] is True


def test_a_question_to_a_minion_that_is_down_times_out(demo: Client, away: str) -> None:
    """``signature`` waits for its ``timeout``, then fails with ``timeout``, which is retryable."""
    error = refused(demo, "signature", module="test.ping", tgt=away, timeout=2)
    assert (error.code, error.retryable) == ("timeout", True)


# A master in trouble


@pytest.fixture
def frozen_master(salt_master: Any, engine_port: int, demo: Client) -> Iterator[Callable[[], None]]:
    """Freeze all processes of the master except the engine's until the end of the test; then commands work again."""
    stopped: list[psutil.Process] = []

    def listens(process: psutil.Process) -> bool:
        return any(
            it.status == psutil.CONN_LISTEN and it.laddr.port == engine_port for it in process.net_connections("inet")
        )

    def freeze() -> None:
        for process in psutil.Process(salt_master.pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                if not listens(process):
                    process.send_signal(signal.SIGSTOP)
                    stopped.append(process)

    yield freeze
    for process in stopped:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGCONT)

    def works() -> bool:
        with contextlib.suppress(Refused):
            return bool(demo.ask("cmd", fun="test.ping", tgt="*", mode="sync")["state"] == "complete")
        return False

    wait_until(works, "a command that works")


COMMANDS: dict[str, dict[str, Any]] = {
    "cmd": {"fun": "test.ping", "tgt": "*"},
    "runner": {"fun": "steps.two", "arg": [1]},
    "wheel": {"fun": "steps.two", "arg": [1]},
}


def test_a_master_that_does_not_answer_is_a_retryable_error(demo: Client, frozen_master: Callable[[], None]) -> None:
    """Commands fail within seconds, and the connection still answers a ping.

    A wheel answers only after it has run, so meanwhile the engine checks whether the master answers. The engine uses
    the master again once it answers: the end of the fixture waits for that.
    """
    frozen_master()
    began = time.monotonic()
    for type, fields in COMMANDS.items():
        demo.send({"type": type, "id": type, **fields})
    assert demo.ask("ping")["epoch"]
    replies = {reply["id"]: reply["error"] for reply in (demo.recv(MASTER_SECONDS + SLACK_SECONDS) for _ in COMMANDS)}
    assert {type: (error["code"], error["retryable"]) for type, error in replies.items()} == dict.fromkeys(
        COMMANDS, ("master_unavailable", True)
    )
    assert time.monotonic() - began < MASTER_SECONDS + SLACK_SECONDS
    assert demo.ask("ping")["epoch"]
