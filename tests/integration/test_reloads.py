"""Commands in flight at a reload are answered: the last process finishes them, while the next one serves already."""

from __future__ import annotations

import contextlib
import functools
import http.client
import itertools
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.client import Closed, Refused
from tests.integration.staging import Stage, staged
from tests.integration.web import Web
from tests.support.gates import Gate
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

MINION = "reloads-minion"
FUNCTIONS = ("cmd.run", "salt.cmd")  # of minions, and the runner
PATIENCE = 120.0
LOW = {"username": "demo", "password": "demo", "eauth": "sharedsecret"}


@pytest.fixture(scope="module")
def stage(salt_factories: Any, file_root: Path) -> Iterator[Stage]:
    """A master whose engine is reloaded."""
    with staged(salt_factories, file_root, "reloads", minion=True, history={"store": "disk"}) as stage:
        yield stage


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as threads:
        yield threads


def old_processes(stage: Stage) -> int:
    return len(psutil.Process(stage.engine.ppid()).children()) - 1


def native(stage: Stage, script: str) -> Any:
    """Run a command over a websocket, which is closed after the answer, with a request to reconnect."""
    with stage.client() as client:
        fields = {"fun": "cmd.run", "tgt": MINION, "arg": [script], "mode": "sync"}
        job = client.ask("cmd", patience=PATIENCE, **fields)
        assert (job["state"], job["minions"][MINION]["return"]) == ("complete", "done")
        assert client.closed().code == 1012
        return job["jid"]


def runner(stage: Stage, script: str) -> Any:
    with stage.client() as client:
        fields = {"fun": "salt.cmd", "arg": ["cmd.run", script], "kwarg": {"python_shell": True}, "full": True}
        ran = client.ask("runner", patience=PATIENCE, mode="sync", **fields)
        assert (ran["success"], ran["return"]) == (True, "done")
        assert client.closed().code == 1012
        return ran["jid"]


def salt_api(stage: Stage, script: str, *, reloaded: bool = True) -> Any:
    """Run two commands in one request, the second of which starts after the reload; the connection closes then.

    :param reloaded: whether there surely is a reload in between
    """
    token = stage_token(stage)
    low = {"client": "local", "fun": "cmd.run", "tgt": MINION, "arg": [script], "full_return": True}
    connection = http.client.HTTPConnection("127.0.0.1", stage.port, timeout=PATIENCE)
    with contextlib.closing(connection):
        lows = json.dumps([low, {"client": "runner", "fun": "test.arg", "arg": ["later"]}])
        headers = {"X-Auth-Token": token, "Content-Type": "application/json"}
        connection.request("POST", "/", lows, headers)
        answer = connection.getresponse()
        first, second = json.loads(answer.read())["return"]
        assert answer.headers["Connection"] == "close" or not reloaded
    assert (first[MINION]["ret"], second["args"]) == ("done", ["later"])
    return first[MINION]["jid"]


def run(stage: Stage, script: str) -> Any:
    """Run a command with a login of its own, which is revoked at its end."""
    low = {**LOW, "client": "local", "fun": "cmd.run", "tgt": MINION, "arg": [script], "full_return": True}
    answer = Web(stage.port).request("POST", "/run", json.dumps([low]), Content_Type="application/json")
    return answer.returned[MINION]["jid"]


def in_batches(stage: Stage, script: str) -> Any:
    token = stage_token(stage)
    low = {"client": "local_batch", "batch": "1", "fun": "cmd.run", "tgt": MINION, "arg": [script]}
    answer = Web(stage.port, token).request(
        "POST", "/", json.dumps([{**low, "full_return": True}]), Content_Type="application/json"
    )
    return answer.returned[MINION]["jid"]


def stage_token(stage: Stage) -> str:
    with stage.client(None) as client:
        return str(client.login("demo")["token"])


PROTOCOLS: dict[str, Callable[[Stage, str], Any]] = {
    "native": native,
    "runner": runner,
    "salt_api": salt_api,
    "run": run,
    "in_batches": in_batches,
}


def jobs_with(stage: Stage, script: str) -> dict[str, Any]:
    """Return the jobs that run a script, minions' and the master's."""
    with stage.client() as client:
        found = [job for fun in FUNCTIONS for job in client.ask("list_jobs", fun=fun) if script in str(job["arg"])]
    return {job["jid"]: job for job in found}


def test_commands_in_flight_get_their_answers(stage: Stage, threads: ThreadPoolExecutor, gate: Gate) -> None:
    """In each protocol. The next process knows the jobs and who owns them, and each of them runs once."""
    script = gate.script("echo done")
    waiting: dict[str, Future[Any]] = {name: threads.submit(one, stage, script) for name, one in PROTOCOLS.items()}
    before = stage.engine.pid

    def running() -> list[str]:
        return [jid for jid, job in jobs_with(stage, script).items() if job["state"] == "running"]

    wait_until(lambda: len(running()) == len(PROTOCOLS), "all commands")
    assert "error" not in stage.reload()
    assert stage.engine.pid != before
    known = jobs_with(stage, script)
    gate.open()
    jids = {name: future.result(PATIENCE) for name, future in waiting.items()}
    assert len(set(jids.values())) == len(PROTOCOLS)
    assert set(known) == set(jids.values())
    assert {job["user"] for job in known.values()} == {"demo"}
    wait_until(lambda: not running(), "the end of all jobs")
    assert set(jobs_with(stage, script)) == set(jids.values())
    wait_until(lambda: old_processes(stage) == 0, "the end of the last process")


def test_a_kept_connection_without_a_request_is_closed(stage: Stage) -> None:
    """Its client opens another one, which the next process serves."""
    connection = http.client.HTTPConnection("127.0.0.1", stage.port, timeout=PATIENCE)
    with contextlib.closing(connection):
        connection.request("GET", "/healthz")
        connection.getresponse().read()
        assert "error" not in stage.reload()
        assert connection.sock.recv(1) == b""
        connection.close()
        connection.request("GET", "/healthz")
        assert connection.getresponse().status == 200


def may_try_again(fault: Exception) -> bool:
    return (isinstance(fault, Refused) and bool(fault.retryable)) or (isinstance(fault, Closed) and fault.code == 1012)


@pytest.mark.costly
def test_many_reloads_under_commands(stage: Stage) -> None:
    """Twenty in a row: commands are answered, or refused before they run; few processes stay."""
    stop, jids, faults = threading.Event(), list[Any](), list[Exception]()
    protocols = PROTOCOLS | {"salt_api": functools.partial(salt_api, reloaded=False)}
    names = itertools.cycle(protocols)

    def work(name: str) -> None:
        while not stop.is_set():
            try:
                jids.append(protocols[name](stage, "sleep 2; echo done"))
            except Exception as error:  # noqa: BLE001 - judged at the end
                faults.append(error)

    workers = [threading.Thread(target=work, args=[next(names)]) for _ in PROTOCOLS]
    for worker in workers:
        worker.start()
    most = 0
    for _ in range(20):
        assert "error" not in stage.reload()
        most = max(most, old_processes(stage))
    stop.set()
    # The last commands of websockets wait for a close, which a further reload sends.
    assert "error" not in stage.reload()
    for worker in workers:
        worker.join(PATIENCE)
    print(f"{len(jids)} answers, {len(faults)} faults, at most {most} old processes; {faults[:3]}")
    assert all(may_try_again(fault) for fault in faults)
    assert most <= 4
    assert len(jids) > 20
    assert len(set(jids)) == len(jids)
    wait_until(lambda: old_processes(stage) == 0, "the end of the last processes", timeout=PATIENCE)
