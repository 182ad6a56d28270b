"""Batches on a real master with three real minions, one of which is stopped."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import websocket

from tests.client import Client
from tests.integration.checked import CheckedClient, check
from tests.integration.conftest import MINION_OPTIONS, running
from tests.integration.staging import Stage, ended_batch, staged
from tests.support.gates import Gate
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

MINIONS = ["b1", "b2", "b3"]


@pytest.fixture(scope="module")
def stage(salt_factories: Any, file_root: Path) -> Iterator[Stage]:
    """A master with three minions, of which the third is stopped once its key is known."""
    # Salt asks silent minions for so many seconds.
    config = {"gather_job_timeout": 3}
    with (
        staged(salt_factories, file_root, "batches", minion=False, config=config) as stage,
        contextlib.ExitStack() as stack,
    ):
        daemons = [
            stage.master.salt_minion_daemon(name, overrides={**MINION_OPTIONS, "file_client": "remote"})
            for name in MINIONS
        ]
        for daemon in daemons:
            stack.enter_context(running(daemon))
        with stage.client() as client:

            def all_returned() -> bool:
                job = client.ask("cmd", fun="saltutil.sync_modules", tgt="*", mode="sync", timeout=90, patience=100)
                return {part["state"] for part in job["minions"].values()} == {"returned"}

            wait_until(all_returned, "the modules on all minions", timeout=200)  # a busy minion is missing after 3 s
        daemons[2].terminate()
        yield stage


@pytest.fixture
def client(stage: Stage) -> Iterator[Client]:
    """A client of the user with all permissions, checked against the schemas."""
    with CheckedClient(stage.url) as client:
        client.login("demo")
        yield client


@pytest.fixture
def http(stage: Stage, client: Client) -> Callable[..., tuple[int, Any]]:
    """``http(method, path, body)`` returns status and body."""
    token = client.ask("auth", username="demo", password="demo")["token"]

    def ask(method: str, path: str, body: Any = None, token: str = token) -> tuple[int, Any]:
        data = None if body is None else json.dumps(body).encode()
        headers = {"X-Auth-Token": token, "Content-Type": "application/json"}
        request = urllib.request.Request(f"http://127.0.0.1:{stage.port}{path}", data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as fault:
            return fault.code, json.loads(fault.read())

    return ask


def late(**seconds: float) -> dict[str, Any]:
    """Return an item for all minions: each answers after its seconds, and fails if it is not named."""
    return {"fun": "steps.late", "kwarg": seconds, "tgt": MINIONS}


def parts(batch: dict[str, Any]) -> list[tuple[str, str]]:
    """Return each minion and its status."""
    return [(one["minion"], one["status"]) for one in batch["requests"]]


def test_a_batch_continues_after_a_failed_and_a_missing_minion(client: Client) -> None:
    """Counts, statuses and times are right at every step."""
    made = client.ask("batch", concurrency=1, batch=[late(b1=1.5, b3=1)])
    assert (made["status"], made["total_count"], made["finished_at"]) == ("pending", 3, None)
    number = client.ask("subscribe", subscription="batch", batch=made["id"])["subscription"]
    frames = client.frames(
        until=lambda frame: frame["type"] == "batch" and frame["batch"]["finished_at"], subscription=number, timeout=60
    )
    told = [frame for frame in frames if frame["type"] == "batch"]
    steps = [
        (one["minion"], one["status"]) for frame in told for one in frame["requests"] if one["status"] != "pending"
    ]
    assert list(dict.fromkeys(steps)) == [
        *(("b1", "sent"), ("b1", "resolved")),
        *(("b2", "sent"), ("b2", "error")),
        *(("b3", "sent"), ("b3", "error")),
    ]
    for frame in told:
        batch = frame["batch"]
        ended = batch["done_count"] + batch["error_count"]
        assert batch["progress"] == ended * 100 // 3
        assert (batch["finished_at"] is None) == (ended < 3)
        assert batch["status"] in ("pending", "dispatching") if ended < 3 else batch["status"] == "error"
    after = client.ask("get_batch", batch=made["id"], collection=True)
    first, second, third = after["requests"]
    assert (first["result"], first["retcode"], first["progress"]) == ("b1", 0, 100)
    assert "KeyError" in str(second["result"])
    assert second["retcode"] != 0
    assert third["result"]["error"] == "missing"
    assert (after["done_count"], after["error_count"]) == (1, 2)
    assert (
        first["created_at"]
        < first["finished_at"]
        < second["finished_at"]
        < third["finished_at"]
        <= after["finished_at"]
    )
    job = client.ask("get_job", jid=first["jid"])
    assert (job["fun"], job["metadata"]["batch"], list(job["minions"])) == ("steps.late", made["id"], ["b1"])


def test_a_paused_batch_sends_nothing_more_until_it_is_resumed(client: Client, gate: Gate) -> None:
    """What runs goes on to its end; lists show the pause."""
    items = [
        {"fun": "cmd.run", "arg": [gate.script()], "tgt": "b1"},
        {"fun": "test.echo", "arg": ["hi"], "tgt": MINIONS[:2]},
    ]
    made = client.ask("batch", concurrency=1, name="paused here", batch=items)
    assert (made["name"], made["functions"], made["tgt"]) == ("paused here", ["cmd.run", "test.echo"], None)

    def requests() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = client.ask("get_batch", batch=made["id"], collection=True)["requests"]
        return found

    def states() -> list[str]:
        return [one["status"] for one in requests()]

    # Stored as sent comes first: a pause before it is published makes it pending again.
    wait_until(lambda: requests()[0]["jid"], "the first request being published")
    assert client.ask("pause_batch", batch=made["id"])["paused"] is True
    gate.open()
    wait_until(lambda: states()[0] == "resolved", "the end of the first request", timeout=60)
    after = client.ask("batch", batch=[{"fun": "test.echo", "arg": ["later"], "tgt": "b1"}])
    ended_batch(client, after["id"])  # nothing is shown by something that comes after it
    assert states() == ["resolved", "pending", "pending"]
    listed = next(one for one in client.ask("list_batches") if one["id"] == made["id"])
    assert (listed["paused"], listed["status"], listed["name"]) == (True, "dispatching", "paused here")
    assert client.ask("resume_batch", batch=made["id"])["paused"] is False
    assert ended_batch(client, made["id"])["status"] == "resolved"


def test_requests_report_their_progress_and_the_batch_sums_it_up(client: Client, gate: Gate) -> None:
    """Minions report it with ``websocket_api.progress``; each waits until its report is shown."""
    item = {"fun": "steps.walk", "arg": [20, 60], "kwarg": {"gate": str(gate.folder)}, "tgt": MINIONS[:2]}
    made = client.ask("batch", batch=[item])
    number = client.ask("subscribe", subscription="batch", batch=made["id"])["subscription"]

    def ends(frame: dict[str, Any]) -> bool:
        gate.open("none", *((one["message"] or "none").removeprefix("at ") for one in frame.get("requests", ())))
        return bool(frame["type"] == "batch" and frame["batch"]["finished_at"])

    frames = client.frames(until=ends, subscription=number, timeout=120)
    progress = [frame["batch"]["progress"] for frame in frames if frame["type"] == "batch"]
    assert progress == sorted(progress)
    assert any(0 < percent < 50 for percent in progress)
    messages = {one["message"] for frame in frames for one in frame.get("requests", ())}
    assert {"at 20", "at 60"} <= messages


def test_deleting_a_running_batch_ends_the_function_on_the_minions(
    client: Client, http: Callable[..., tuple[int, Any]]
) -> None:
    """The status is 204, the batch is gone, and its processes have ended."""
    seconds = f"4000.{time.time_ns() % 10**9:09}"  # by which this try knows what it has started

    def running() -> list[psutil.Process]:
        return [one for one in psutil.process_iter(["cmdline"]) if one.info["cmdline"] == ["sleep", seconds]]

    body = {"batch": [{"method": "post", "resource": "/cmd/run", "data": {"__args": [f"exec sleep {seconds}"]}}]}
    body["batch"][0]["__request"] = {"destination": MINIONS[:2]}
    status, made = http("POST", "/jobs", body)
    assert (status, made["totalCount"]) == (200, 2)
    wait_until(lambda: len(running()) == 2, "the function running on both minions")
    assert http("DELETE", f"/batches/{made['id']}") == (204, None)
    wait_until(lambda: not running(), "the end of the function")
    gone = {"error": "not_found", "message": f"Can't find batch id: {made['id']}", "details": None}
    assert http("DELETE", f"/jobs/{made['id']}") == (404, gone)
    assert http("GET", f"/batches/{made['id']}") == (404, gone)
    assert all(one["id"] != made["id"] for one in client.ask("list_batches"))


def test_the_paths_of_the_puppetmaster_and_their_aliases(http: Callable[..., tuple[int, Any]]) -> None:
    """A batch has two paths; ids of jobs work in the paths of jobs."""
    item = {"method": "POST", "resource": "/test/ping", "data": {}, "__request": {"destination": "b1"}}
    status, made = http("POST", "/batches", {"batch": [item], "timeout": 60})
    check("http.json#/$defs/puppet_batch", made)
    assert (status, made["timeout"]) == (200, 60)
    wait_until(lambda: http("GET", f"/batches/{made['id']}")[1]["finishedAt"], "the end of the batch")
    status, one = http("GET", f"/jobs/{made['id']}?collection=true")
    check("http.json#/$defs/puppet_batch", one)
    request = one["requests"][0]
    assert (status, one["status"], request["method"]) == (200, "resolved", "POST")
    assert http("GET", f"/requests/{request['id']}") == http("GET", f"/request/{request['id']}") == (200, request)
    assert http("GET", "/batches")[1][0]["id"] == made["id"]
    assert "info" in http("GET", f"/jobs/{request['__request']['jid']}")[1]
    assert request["__request"]["jid"] in http("GET", "/jobs")[1]["return"][0]
    assert http("DELETE", f"/jobs/{request['__request']['jid']}")[0] == 405
    assert http("DELETE", f"/batches/{request['__request']['jid']}")[0] == 405
    for path in ("/batches/x", "/jobs/-1", "/requests/1.5"):
        assert http("GET", path)[0] == 400
    for path in ("/requests/17", f"/batches/{2**60}"):
        assert http("GET", path)[0] == 404
    assert http("GET", "/batches", token="0" * 64)[0] == 401


def test_bad_batches_over_http_name_every_fault_and_make_nothing(http: Callable[..., tuple[int, Any]]) -> None:
    """Each has the status of its error."""
    before = len(http("GET", "/batches")[1])
    status, fault = http(
        "POST", "/batches", {"batch": [{"method": "brew", "resource": "/", "data": 3}], "timeout": "x"}
    )
    assert (status, fault["error"]) == (400, "bad_message")
    paths = {one["path"] for one in fault["details"]}
    assert {"/batch/0/method", "/batch/0/resource", "/batch/0/data", "/batch/0/__request", "/timeout"} <= paths
    assert http("POST", "/batches", {"batch": []})[0] == 400
    assert http("POST", "/batches", [])[0] == 400
    assert http("POST", "/batches", {"batch": [], "token": "x", "type": "cmd"})[0] == 400
    nobody = {"batch": [{"fun": "test.ping", "tgt": "nobody*"}]}
    assert http("POST", "/batches", nobody)[0] == 404
    assert len(http("GET", "/batches")[1]) == before


def test_a_websocket_sends_the_batch_at_once_and_then_as_it_changes(stage: Stage, client: Client) -> None:
    """Every documented path sends the object with the ids of its requests, until the batch is forgotten."""
    token = client.ask("auth", username="demo", password="demo")["token"]
    made = client.ask("batch", batch=[{"fun": "test.sleep", "arg": [2], "tgt": MINIONS[:2]}])
    paths = [f"/batches/{made['id']}/ws", f"/jobs/{made['id']}/ws", f"/jobs/ws/{made['id']}", "/batches/ws"]
    sockets = [_open(stage, path, token) for path in paths]
    for path, socket in zip(paths, sockets, strict=True):
        with contextlib.closing(socket):
            seen = [json.loads(socket.recv())]
            while not seen[-1]["finishedAt"]:
                seen.append(json.loads(socket.recv()))
        for one in seen:
            check("http.json#/$defs/puppet_batch", one)
        assert all(one["requests"] == made["requests"] for one in seen), path
        assert seen[-1]["status"] == "resolved"
    with contextlib.closing(_open(stage, paths[0], token)) as socket:
        assert json.loads(socket.recv())["id"] == made["id"]
        client.ask("cancel_batch", batch=made["id"], forget=True)
        frames = iter(socket.recv_data, None)
        closed = next(data for opcode, data in frames if opcode == websocket.ABNF.OPCODE_CLOSE)
    assert (closed[:2], closed[2:]) == ((1000).to_bytes(2, "big"), b"the batch was forgotten")
    with pytest.raises(websocket.WebSocketBadStatusException) as caught:
        _open(stage, "/batches/17/ws", token)
    assert caught.value.status_code == 404
    with pytest.raises(websocket.WebSocketBadStatusException) as caught:
        _open(stage, "/batches/ws", "0" * 64)
    assert caught.value.status_code == 401


def test_a_batch_continues_after_its_engine_was_killed(stage: Stage, client: Client) -> None:
    """Returns are read from the job cache, sent requests are not repeated, the others are sent."""
    token = client.ask("auth", username="demo", password="demo")["token"]
    item = {"fun": "steps.late", "kwarg": {"b1": 6, "b2": 1, "b3": 1}, "tgt": MINIONS}
    made = client.ask("batch", concurrency=1, batch=[item])

    def is_published() -> Any:
        first = client.ask("get_batch", batch=made["id"], collection=True)["requests"][0]
        return (first["minion"], first["status"]) == ("b1", "sent") and first["jid"]

    wait_until(is_published, "the first being published")  # what is killed before that is test_batches_killed.py's
    os.kill(stage.engine.pid, signal.SIGKILL)
    stage.comes_back(40)
    with CheckedClient(stage.url) as again:
        again.ask("auth", token=token)
        after = ended_batch(again, made["id"])
    assert parts(after) == [("b1", "resolved"), ("b2", "resolved"), ("b3", "error")]
    assert after["requests"][0]["result"] == "b1"
    assert stage.log.count(f"batch={made['id']}") == 4, "made once, and three jobs"


def _open(stage: Stage, path: str, token: str) -> websocket.WebSocket:
    headers = {"X-Auth-Token": token}
    return websocket.create_connection(f"ws://127.0.0.1:{stage.port}{path}", header=headers, timeout=30)
