"""The execution module ``websocket_api`` on real minions, watched on the master's own bus."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from tests.integration.watching import run_and_watch, told

pytestmark = [pytest.mark.slow, pytest.mark.both_lines]


def test_a_function_reports_under_its_own_jid(salt_minions: Any, salt_master: Any, bus: Any) -> None:
    """A report from inside a custom module carries the jid of its job, the minion's id, percent and message."""
    jid, answers, reports = run_and_watch(salt_master, bus, "minion-1", "steps.walk", 10, 50.5, 100)
    assert answers == [True, True, True]
    assert {report["tag"] for report in reports} == {f"salt/job/{jid}/prog/minion-1/websocket_api"}
    assert told(reports) == [{"percent": p, "message": f"at {p}"} for p in (10, 50.5, 100)]
    assert {report["data"]["cmd"] for report in reports} == {"_minion_event"}


def test_states_report_under_the_jid_of_the_state_run(salt_minions: Any, salt_master: Any, bus: Any) -> None:
    """Reports from module.run and from a state module, both run by state.apply, belong to that one job.

    The 30 comes right after the 20, from another state: the limit of two a second holds for the job.
    """
    jid, _, reports = run_and_watch(salt_master, bus, "minion-1", "state.apply", "steps")
    assert [one["percent"] for one in told(reports) if one["percent"] != 30] == [10, 20, 60, 100]
    when = {one["data"]["data"]["percent"]: datetime.fromisoformat(one["data"]["_stamp"]) for one in reports}
    # On a machine that takes half a second from one state to the next it may travel.
    assert 30 not in when or (when[30] - when[20]).total_seconds() > 0.4
    assert {report["tag"] for report in reports} == {f"salt/job/{jid}/prog/minion-1/websocket_api"}


def test_at_most_two_reports_a_second_leave_but_the_last_always(salt_minions: Any, salt_master: Any, bus: Any) -> None:
    """Of a burst the first report travels, those within half a second are held back, and 100 travels."""
    _, answers, reports = run_and_watch(salt_master, bus, "minion-1", "steps.walk", 1, 2, 3, 100, pause=0)
    assert answers == [True, False, False, True]
    assert [one["percent"] for one in told(reports)] == [1, 100]


def test_progress_called_as_the_job_itself_reports(salt_minions: Any, salt_master: Any, bus: Any) -> None:
    """The function works from the command line too, where it is the whole job."""
    _, answer, reports = run_and_watch(salt_master, bus, "minion-1", "websocket_api.progress", 40, message="unpacked")
    assert answer is True
    assert told(reports) == [{"percent": 40, "message": "unpacked"}]


@pytest.mark.parametrize("percent", [-1, 100.1, "half", True, None, [1]])
def test_what_is_no_percentage_is_refused(salt_minions: Any, salt_master: Any, percent: Any) -> None:
    """A percent that is no number from 0 to 100 is the caller's mistake, and said so."""
    answer = salt_master.salt_cli().run("websocket_api.progress", f"percent={percent}", minion_tgt="minion-1")
    assert "percent must be" in str(answer.data)


def test_without_a_job_nothing_is_reported(salt_minions: Any) -> None:
    """Under salt-call there is no job that anybody could watch: progress does nothing and says so."""
    answer = salt_minions[0].salt_call_cli().run("websocket_api.progress", "10")
    assert answer.data is False


def test_the_signature_of_a_function_is_complete(salt_minions: Any, salt_master: Any) -> None:
    """Names, defaults, the names after the stars and the text come as the function declares them."""
    answer = salt_master.salt_cli().run("websocket_api.signature", "steps.defaults", minion_tgt="minion-1")
    assert answer.data == {
        "args": ["first", "second", "third"],
        "defaults": [2, [1, "<class 'object'>"]],
        "varargs": "rest",
        "keywords": "others",
        "doc": "Do nothing; there to be asked for its signature.",
    }


@pytest.mark.parametrize("name", ["no.such_function", "test", "", "../x"])
def test_the_signature_of_an_unknown_function_is_an_error(salt_minions: Any, salt_master: Any, name: str) -> None:
    """An unknown name is an error that names it, not an empty answer."""
    answer = salt_master.salt_cli().run("websocket_api.signature", name, minion_tgt="minion-1")
    assert f"This minion has no function '{name}'" in str(answer.data)
