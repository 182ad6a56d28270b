"""Answers of the engine and of rest_cherrypy to the same requests differ only as documented in docs/salt-api.md."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("salt")

from tests.benchmarks.stage import Stage
from tests.goldens import files
from tests.goldens.bus import Bus
from tests.goldens.differences import DIFFERENCES
from tests.goldens.record import CLIENTS, USERS, values_for
from tests.goldens.request import HTTP, Request
from tests.goldens.requests import REQUESTS
from tests.goldens.sending import send
from tests.goldens.shape import shape
from tests.integration.conftest import MASTER_GRAINS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

PASSWORD = "golden-password"
PATIENCE = 90  # seconds for one answer
TABLE = Path(__file__).parents[2] / "docs" / "salt-api.md"
DIFFER = {name: reason for reason, names in DIFFERENCES.items() for name in names}
ASKED = [request for request in REQUESTS if request.kind == HTTP]
WAITING = {request.name for request in ASKED if '"away"' in (request.body or "") or "nobody" in (request.body or "")}
"""Requests that wait for a minion that is down; sent at once, so that the test does not wait for each."""


@pytest.fixture(scope="module")
def answers() -> Iterator[dict[str, dict[str, Any]]]:
    """The engine's answers to all requests over HTTP, on a master like the one that was recorded."""
    options = {"id": "golden_master", "netapi_enable_clients": CLIENTS, "sharedsecret": PASSWORD}
    options |= {"external_auth": {"sharedsecret": USERS}, "gather_job_timeout": 3, **MASTER_GRAINS}
    with Stage(minions=2, engine=True, saltnado=False, master_opts=options) as stage:
        bus = Bus(stage.salt_opts(), stage.token("demo"))
        jid = bus.publish("test.arg", "minion-*", ("one", {"__kwarg__": True, "two": 2}))
        bus.finished(jid, minions=2)
        values = values_for(stage.port, stage, PASSWORD, jid)

        def ask(request: Request) -> dict[str, Any]:
            return shape(send(stage.port, request, values, PATIENCE), values)

        with ThreadPoolExecutor(len(WAITING)) as pool:
            asked = {one.name: pool.submit(ask, one) for one in ASKED if one.name in WAITING}
            found = {one.name: ask(one) for one in ASKED if one.name not in WAITING}
            yield found | {name: answer.result() for name, answer in asked.items()}


def same(ours: dict[str, Any], theirs: dict[str, Any]) -> bool:
    """Return whether both answers have the same status and body; texts of errors may differ."""
    if ours["status"] != theirs["status"]:
        return False
    return bool(ours["status"] >= 400 or ours.get("body") == theirs.get("body"))


def test_the_engine_answers_as_rest_cherrypy_does(answers: dict[str, dict[str, Any]]) -> None:
    """Statuses and shapes are equal; each intended difference has a reason."""
    golden = files.load("rest_cherrypy")
    differ = {name for name, ours in answers.items() if not same(ours, golden[name]["answer"])}
    undocumented = {name: (answers[name], golden[name]["answer"]) for name in sorted(differ - DIFFER.keys())}
    assert undocumented == {}
    assert sorted(DIFFER.keys() - differ) == [], "these answers are the same"


def test_every_reason_for_a_difference_is_documented() -> None:
    """The first column of the table has it."""
    told = {line.split("|")[1].strip() for line in TABLE.read_text(encoding="utf-8").splitlines() if "|" in line[1:]}
    assert sorted(set(DIFFERENCES) - told) == []
    assert DIFFER.keys() <= {request.name for request in ASKED}
