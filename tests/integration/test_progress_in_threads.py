"""Progress from a minion that runs its jobs as threads of one process (``multiprocessing: False``)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.conftest import running
from tests.integration.watching import reported, run_and_watch

pytestmark = [pytest.mark.slow, pytest.mark.both_lines]


@pytest.fixture
def threads(salt_master: Any) -> Iterator[str]:
    """The id of such a minion, connected and synced, and forgotten by the master afterwards."""
    overrides = {"log_level_logfile": "info", "multiprocessing": False}
    factory = salt_master.salt_minion_daemon("threads", overrides=overrides)
    try:
        with running(factory):
            salt_master.salt_cli().run("saltutil.sync_modules", minion_tgt="threads", _timeout=60)
            yield "threads"
    finally:
        salt_master.salt_key_cli().run("-y", "-d", "threads")


def test_a_thread_reports_under_the_jid_of_its_own_job(threads: str, salt_master: Any, bus: Any) -> None:
    """Two jobs at once in one process do not mix up their reports."""
    salt_master.salt_cli().run("--async", "steps.walk", "1", "2", "pause=3", minion_tgt=threads)
    jid, answers, reports = run_and_watch(salt_master, bus, threads, "steps.walk", 10, 100, last=100)
    assert answers == [True, True]
    assert reported(reports) == [{"percent": p, "message": f"at {p}"} for p in (10, 100)]
    assert {report["tag"] for report in reports} == {f"salt/job/{jid}/prog/{threads}/websocket_api"}
