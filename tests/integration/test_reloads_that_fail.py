"""The new process of a reload dies after it has taken over: clients of the old one learn that at once."""

from __future__ import annotations

import contextlib
import http.client
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.client import Closed, Refused
from tests.integration.staging import Stage, staged
from tests.support.gates import Gate
from tests.support.reloading import copy_of_engine
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.costly, pytest.mark.timeout(400)]

MINION = "failing-reloads-minion"
PATIENCE = 120.0


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """The engine's code, to be changed by the test."""
    return copy_of_engine(tmp_path)


@pytest.fixture
def stage(salt_factories: Any, file_root: Path, package: Path) -> Iterator[Stage]:
    """A master whose engine runs this code."""
    config = {"engines_dirs": [str(package.parent)]}
    with staged(salt_factories, file_root, "failing-reloads", minion=True, config=config) as stage:
        yield stage


def test_commands_in_flight_end_with_a_retryable_error(stage: Stage, package: Path, gate: Gate) -> None:
    """Over a websocket and over HTTP. Nobody waits for their minions: until then no process would serve."""
    script = gate.script("echo done")
    with stage.client(None) as client:
        token = client.login("demo")["token"]

    def native() -> Any:
        with stage.client() as client, pytest.raises((Refused, Closed)) as refused:
            client.ask("cmd", patience=PATIENCE, fun="cmd.run", tgt=MINION, arg=[script], mode="sync")
        return refused.value

    def salt_api() -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", stage.port, timeout=PATIENCE)
        with contextlib.closing(connection):
            low = {"client": "local", "fun": "cmd.run", "tgt": MINION, "arg": [script]}
            headers = {"X-Auth-Token": token, "Content-Type": "application/json", "Accept": "application/json"}
            connection.request("POST", "/", json.dumps([low]), headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

    def running() -> list[Any]:
        with stage.client() as client:
            return [job for job in client.ask("list_jobs", fun="cmd.run") if script in str(job["arg"])]

    server, place = package / "server.py", "        position = (received"
    code = server.read_text()
    assert place in code
    with ThreadPoolExecutor(2) as threads:
        waiting = [threads.submit(native), threads.submit(salt_api)]
        wait_until(lambda: len(running()) == 2, "both commands")
        old = psutil.Process(stage.engine.pid)
        server.write_text(code.replace(place, f"        received and os._exit(7)\n{place}"))
        assert stage.reload()["stays"] is False
        server.write_text(code)
        refused, (status, body) = (future.result(PATIENCE) for future in waiting)
    old.wait(PATIENCE)
    assert isinstance(refused, Refused), refused
    assert refused.retryable
    assert status == 503, body
    with stage.client() as client:
        assert client.ask("ping")
    gate.open()
