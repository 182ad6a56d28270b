"""Functions and signatures of a minion that runs only one job at a time, while it runs a long one."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.client import Client
from tests.integration.conftest import MINION_OPTIONS, running
from tests.integration.staging import Stage, staged

pytestmark = [pytest.mark.slow]

MINION = "busy-minion"
BUSY_SECONDS = 14  # longer than the ten seconds after which such a question was given up once
GATHER_SECONDS = 120  # a minion that has no place for a job has none for the question about it either


@pytest.fixture(scope="module")
def stage(salt_factories: Any, file_root: Path) -> Iterator[Stage]:
    """A master with such a minion."""
    config = {"gather_job_timeout": GATHER_SECONDS}
    with staged(salt_factories, file_root, "busy", minion=False, config=config) as stage:
        overrides = {**MINION_OPTIONS, "process_count_max": 1}
        daemon = stage.master.salt_minion_daemon(MINION, overrides=overrides)
        with running(daemon):
            yield stage


def keep_busy(client: Client) -> None:
    """Start a job that keeps the minion busy."""
    client.ask("cmd", fun="test.sleep", tgt=MINION, arg=[BUSY_SECONDS])


def test_a_busy_minion_is_waited_for_and_then_not_needed(stage: Stage) -> None:
    """Eight clients get their answers when the minion is free; cached answers come even while it is busy again."""
    clients = [stage.client() for _ in range(8)]
    found: list[Any] = []

    def ask(client: Client) -> None:
        found.append(client.ask("signature", module="test.echo", tgt=MINION, patience=100))

    try:
        keep_busy(clients[0])
        threads = [threading.Thread(target=ask, args=(client,)) for client in clients]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(110)
        assert [one["args"] for one in found] == [["text"]] * 8
        before = time.monotonic()
        jid = clients[0].ask("cmd", fun="test.sleep", tgt=MINION, arg=[60])["jid"]
        ask(clients[1])
        part = clients[0].ask("get_job", jid=jid)["minions"][MINION]
        assert part["state"] in ("pending", "running"), f"{time.monotonic() - before:.0f} s: the minion was not busy"
        clients[0].ask("cancel", jid=jid, signal="kill")
    finally:
        for client in clients:
            client.close()
