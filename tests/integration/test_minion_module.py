"""The execution module ``websocket_api`` on real minions, watched on the master's own bus."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest

from tests.integration.watching import reported, run_and_watch

pytestmark = [pytest.mark.slow, pytest.mark.both_lines]

Run = Callable[..., Any]


@pytest.fixture
def run(salt_minions: Any, salt_master: Any) -> Iterator[Run]:
    """Run a function on a minion with the arguments of a command line, and return its return."""
    import salt.client

    with salt.client.get_local_client(salt_master.config["conf_file"]) as client:
        yield lambda fun, *words: client.cmd("minion-1", fun, list(words), timeout=60)["minion-1"]


def test_a_function_reports_under_its_own_jid(salt_minions: Any, salt_master: Any, bus: Any) -> None:
    """A report from inside a custom module carries the jid of its job, the minion's id, percent and message."""
    jid, answers, reports = run_and_watch(salt_master, bus, "minion-1", "steps.walk", 10, 50.5, 100, last=100)
    assert answers == [True, True, True]
    assert {report["tag"] for report in reports} == {f"salt/job/{jid}/prog/minion-1/websocket_api"}
    assert reported(reports) == [{"percent": p, "message": f"at {p}"} for p in (10, 50.5, 100)]
    assert {report["data"]["cmd"] for report in reports} == {"_minion_event"}


def test_states_report_under_the_jid_of_the_state_run(salt_minions: Any, salt_master: Any, bus: Any) -> None:
    """Reports from module.run and from a state module, both run by state.apply, belong to the same job.

    Another state reports 30 right after 20: the limit of two reports per second is the job's.
    """
    jid, _, reports = run_and_watch(salt_master, bus, "minion-1", "state.apply", "steps", queue=True, last=100)
    assert [one["percent"] for one in reported(reports) if one["percent"] != 30] == [10, 20, 60, 100]
    when = {one["data"]["data"]["percent"]: datetime.fromisoformat(one["data"]["_stamp"]) for one in reports}
    # On a machine that takes half a second between the two states, the report is sent.
    assert 30 not in when or (when[30] - when[20]).total_seconds() > 0.4
    assert {report["tag"] for report in reports} == {f"salt/job/{jid}/prog/minion-1/websocket_api"}


def test_at_most_two_reports_per_second_are_sent_and_always_the_last(
    salt_minions: Any, salt_master: Any, bus: Any
) -> None:
    """Of a burst the first report is sent, those within half a second are dropped, and 100 is sent."""
    _, answers, reports = run_and_watch(salt_master, bus, "minion-1", "steps.walk", 1, 2, 3, 100, pause=0, last=100)
    assert answers == [True, False, False, True]
    assert [one["percent"] for one in reported(reports)] == [1, 100]


def test_progress_called_as_the_job_itself_reports(salt_minions: Any, salt_master: Any, bus: Any) -> None:
    """Run from the command line, the function reports for its own job."""
    _, answer, reports = run_and_watch(
        salt_master, bus, "minion-1", "websocket_api.progress", 40, message="unpacked", last=40
    )
    assert answer is True
    assert reported(reports) == [{"percent": 40, "message": "unpacked"}]


@pytest.mark.parametrize("percent", [-1, 100.1, "half", True, None, [1]])
def test_an_invalid_percentage_is_refused(run: Run, percent: Any) -> None:
    """A percent must be a number from 0 to 100; the error says so."""
    assert "percent must be" in str(run("websocket_api.progress", f"percent={percent}"))


def test_without_a_job_nothing_is_reported(salt_minions: Any) -> None:
    """salt-call has no job that anybody could follow: progress does nothing and returns False."""
    answer = salt_minions[0].salt_call_cli().run("websocket_api.progress", "10")
    assert answer.data is False


def test_the_signature_of_a_function_is_complete(run: Run) -> None:
    """It has the names, the defaults, the names after the stars and the docstring."""
    assert run("websocket_api.signature", "steps.defaults") == {
        "args": ["first", "second", "third"],
        "defaults": [2, [1, "<class 'object'>"]],
        "varargs": "rest",
        "keywords": "others",
        "doc": "Do nothing; there to be asked for its signature.",
    }


@pytest.mark.parametrize("name", ["no.such_function", "test", "", "../x"])
def test_the_signature_of_an_unknown_function_is_an_error(run: Run, name: str) -> None:
    """An unknown name is an error that names it, not an empty answer."""
    assert f"This minion has no function '{name}'" in str(run("websocket_api.signature", name))
