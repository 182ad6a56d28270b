"""The engine is killed; the master stops, dies, or does not answer.

These tests harm their master, so they do not use the shared one.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import signal
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.client import Refused
from tests.integration.staging import Stage, staged
from tests.support.waiting import is_open, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

BACK_SECONDS = 60.0  # after a crash, on a loaded machine; a second on an idle one
MASTER_SECONDS = 8.0  # after which the master counts as not answering (the default of `master_seconds`)
ANSWER_SECONDS = MASTER_SECONDS + 30.0  # for an error when the master does not answer, on a loaded machine


@pytest.fixture(scope="module")
def stage(salt_factories: Any, file_root: Path) -> Iterator[Stage]:
    """A master that runs through these tests, whatever happens to its engine."""
    with staged(salt_factories, file_root, "life", minion=True, history={"store": "disk"}, uvloop=True) as stage:
        yield stage


@pytest.fixture
def mortal(stage: Stage) -> Stage:
    """The same master, which the test may end: it is started again if it does not run."""
    if not stage.master.is_running():
        stage.master.terminate()
        stage.master.start()
    stage.comes_back(BACK_SECONDS)
    return stage


def test_the_log_says_where_the_engine_listens(stage: Stage) -> None:
    """The line has level INFO, version, event loop and address: the tests of this file run on uvloop."""
    version = importlib.metadata.version("uvloop")
    assert f" with uvloop {version} listens on ws://127.0.0.1:{stage.port}" in stage.log


def is_written(stage: Stage) -> bool:
    """Return whether the journal has all events."""
    with urllib.request.urlopen(f"http://127.0.0.1:{stage.port}/metrics", timeout=20) as response:
        return "\nwebsocket_api_journal_waiting_events 0.0\n" in response.read().decode()


def test_after_a_crash_clients_resume_and_old_jobs_are_known(stage: Stage) -> None:
    """A killed engine is started again, replays what it had read, and reads earlier jobs from the job cache."""
    with stage.client() as client:
        jid = client.ask("cmd", fun="test.echo", tgt="life-minion", arg=["before"])["jid"]
        wait_until(lambda: client.ask("get_job", jid=jid)["state"] == "complete", "the return")
        epoch = client.ask("ping")["epoch"]
        wait_until(lambda: is_written(stage), "the journal")
        stage.engine.kill()
        client.closed()
    seconds = stage.comes_back(BACK_SECONDS)
    print("seconds until a login after SIGKILL:", round(seconds, 1))
    with stage.client() as client:
        reply = client.ask("subscribe", subscription="event", since={"epoch": epoch, "seq": 0})
        assert (reply["epoch"], reply["recovered"]) == (epoch, False)
        replayed = client.frames(until=lambda frame: frame["type"] == "gap")
        assert f"salt/job/{jid}/ret/life-minion" in [frame.get("tag") for frame in replayed]
        assert replayed[-1]["reason"] == "restart"
        job = client.ask("get_job", jid=jid)
        assert job["state"] == "complete"
        assert job["minions"]["life-minion"]["return"] == "before"
        assert jid in [job["jid"] for job in client.ask("list_jobs")]
        again = client.ask("cmd", fun="test.echo", tgt="life-minion", arg=["after"], mode="sync")
        assert again["minions"]["life-minion"]["return"] == "after"


def test_a_master_that_does_not_answer_is_retryable(stage: Stage) -> None:
    """With all workers frozen commands fail within seconds and the rest works; afterwards all works."""
    with stage.client() as client, stage.client() as other:
        workers = stage.workers
        assert workers
        try:
            for worker in workers:
                worker.suspend()
            began = time.monotonic()
            client.send({"type": "cmd", "id": "cmd", "fun": "test.ping", "tgt": "*"})
            client.send({"type": "runner", "id": "runner", "fun": "test.arg"})
            client.send({"type": "cmd", "id": "sync", "fun": "test.ping", "tgt": "*", "mode": "sync"})
            waits = []
            for one, operation in ((other, "ping"), (other, "whoami"), (client, "list_minions")):
                asked = time.monotonic()
                assert one.ask(operation)
                waits.append(time.monotonic() - asked)
            assert min(waits) < MASTER_SECONDS / 2
            with stage.client() as third:
                assert third.ask("whoami")["user"] == "demo"
            replies = [client.recv(ANSWER_SECONDS) for _ in range(3)]
            seconds = time.monotonic() - began
            assert {reply["id"] for reply in replies} == {"cmd", "runner", "sync"}
            assert {reply["error"]["code"] for reply in replies} == {"master_unavailable"}
            assert all(reply["error"]["retryable"] for reply in replies)
            assert seconds < ANSWER_SECONDS
            print("seconds until the error:", round(seconds, 1))
        finally:
            for worker in workers:
                worker.resume()

        def answers() -> Any:
            with contextlib.suppress(Refused):
                return client.ask("cmd", fun="test.ping", tgt="life-minion", mode="sync", timeout=10)
            return None

        job = wait_until(answers, "a job after the pause")
        assert job["minions"]["life-minion"]["return"] is True
        assert other.ask("runner", fun="test.arg", arg=["back"], mode="sync")["args"] == ["back"]


def test_a_stop_of_the_master_is_reported(mortal: Stage) -> None:
    """A request in flight gets a retryable error, every client 1012 with a hint; then all processes end.

    That the engine ends before Salt kills it is tested without a master: test_startup.py.
    """
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(mortal.client()) for _ in range(10)]
        busy = clients[0]
        busy.send({"type": "cmd", "id": "sync", "fun": "test.sleep", "tgt": "life-minion", "arg": [60], "mode": "sync"})
        wait_until(lambda: clients[1].ask("list_jobs", fun="test.sleep"), "the job's start")
        engine = mortal.engine
        os.kill(mortal.master.pid, signal.SIGTERM)
        with pytest.raises(Refused) as refused:
            busy.answer("sync")
        assert refused.value.retryable
        assert refused.value.details, refused.value.error  # the jid: without it a client would retry, and run it twice
        closes = [client.closed() for client in clients]
        assert {close.code for close in closes} == {1012}
        assert all("retry in" in close.reason for close in closes)
        engine.wait(60)
    wait_until(lambda: not is_open(mortal.port), "the port's end")
    wait_until(lambda: not mortal.master.is_running(), "the master's end", timeout=60)


def test_no_engine_outlives_a_killed_master(mortal: Stage) -> None:
    """No process stops the children of a killed master; the engine ends by itself and frees its port."""
    with mortal.client() as client:
        engine = mortal.engine
        others = psutil.Process(mortal.master.pid).children(recursive=True)
        began = time.monotonic()
        try:
            os.kill(mortal.master.pid, signal.SIGKILL)
            assert client.closed().code == 1012
            engine.wait(60)
            print("seconds from the master's death to the end:", round(time.monotonic() - began, 1))
            wait_until(lambda: not is_open(mortal.port), "the port's end")
        finally:
            # What Salt itself leaves behind.
            for process in others:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
