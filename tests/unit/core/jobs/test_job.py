"""The job object: states, counts and progress."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from websocket_api.core.jobs.job import Job
from websocket_api.core.jobs.job_object import job_object
from websocket_api.core.jobs.part import Part, state_of
from websocket_api.jids import start_time

from tests.unit.core.support import JID

NOW = 1_000_000.0
DONE = {"return": True, "retcode": 0, "success": True}
BAD = {"return": "no", "retcode": 1, "success": False}


def job(*minions: str) -> Job:
    made = Job(JID, fun="test.ping", arg=[], tgt="*", tgt_type="glob", user="ann")
    made.expect(minions)
    return made


def give_up(state: str, *minions: str) -> Callable[[Job], Any]:
    return lambda one: one.give_up(minions, state, NOW)


def back(*minions: str, **data: Any) -> Callable[[Job], Any]:
    def act(one: Job) -> None:
        for minion in minions:
            one.apply_return(minion, {**DONE, **data}, 10, NOW)

    return act


STATES: dict[str, tuple[list[Callable[[Job], Any]], str]] = {
    "nobody returned": ([], "running"),
    "some returned": ([back("a")], "running"),
    "all returned": ([back("a", "b")], "complete"),
    "one failed": ([back("a"), back("b", **BAD)], "failed"),
    "all failed": ([back("a", "b", **BAD)], "failed"),
    "one is missing": ([back("a"), give_up("missing", "b")], "partial"),
    "one failed, one is missing": ([back("a", **BAD), give_up("missing", "b")], "partial"),
    "one was canceled": ([back("a"), give_up("canceled", "b")], "canceled"),
    "missing, then back late": ([back("a"), give_up("missing", "b"), back("b")], "complete"),
    "canceled, then back late": ([back("a"), give_up("canceled", "b"), back("b")], "complete"),
    "given up what has returned": ([back("a", "b"), give_up("missing", "a", "b")], "complete"),
    "returned twice": ([back("a", "b"), back("a", **BAD)], "failed"),
}


@pytest.mark.parametrize(("acts", "state"), STATES.values(), ids=STATES)
def test_the_state_of_a_job_follows_from_its_parts(acts: list[Callable[[Job], Any]], state: str) -> None:
    """For each combination of states."""
    one = job("a", "b")
    for act in acts:
        act(one)
    assert one.state == job_object(one)["state"] == state


@pytest.mark.parametrize(
    ("data", "state", "success"),
    [
        ({"retcode": 0, "success": True}, "returned", True),
        ({"retcode": 1, "success": True}, "failed", True),
        ({"retcode": 0, "success": False}, "failed", False),
        ({"retcode": 2}, "failed", False),
        ({"retcode": 0}, "returned", True),
        ({}, "returned", True),
        ({"retcode": "odd"}, "returned", True),
        ({"retcode": True}, "failed", False),
        ({"retcode": False}, "returned", True),
    ],
)
def test_a_return_fails_by_its_retcode_or_success(data: dict[str, Any], state: str, success: bool) -> None:
    """A return with neither counts as a success, as in Salt."""
    one = job("a")
    one.apply_return("a", data, 0, NOW)
    assert (one.parts["a"].state, one.parts["a"].success) == (state, success)
    assert type(one.parts["a"].retcode) in (int, type(None))


def test_a_job_counts_its_parts_by_state() -> None:
    """Total has all parts, done has those that ended in any way."""
    one = job("a", "b", "c", "d", "e")
    back("a")(one)
    back("b", **BAD)(one)
    one.give_up(["c"], "missing", NOW)
    one.give_up(["d"], "canceled", NOW)
    view = job_object(one)
    assert {name: view[name] for name in ("total", "done", "failed", "missing", "canceled", "progress")} == {
        "total": 5,
        "done": 4,
        "failed": 1,
        "missing": 1,
        "canceled": 1,
        "progress": 80.0,
    }


def test_the_end_time_is_that_of_the_last_part() -> None:
    """A late return does not change it."""
    one = job("a", "b")
    one.apply_return("a", DONE, 0, NOW)
    assert (one.ended, one.end_time) == (False, None)
    one.give_up(["b"], "missing", NOW + 1)
    assert (one.ended, one.end_time) == (True, "1970-01-12T13:46:41+00:00")
    one.apply_return("b", DONE, 0, NOW + 50)
    assert one.end_time == "1970-01-12T13:46:41+00:00"


def test_a_return_before_the_announcement_is_kept() -> None:
    """The job ends only when all expected minions have returned."""
    one = Job(JID)
    one.apply_return("a", DONE, 0, NOW)
    assert (one.state, one.ended) == ("unknown", False)
    one.fun = "test.ping"
    one.expect(["a", "b"], now=NOW)
    assert (one.state, one.parts["a"].state, one.parts["b"].state) == ("running", "returned", "pending")


def test_a_job_can_end_with_its_announcement() -> None:
    """Its only return came first; the end time is that of the announcement."""
    one = Job(JID)
    one.apply_return("a", DONE, 0, NOW)
    one.fun = "test.ping"
    one.expect(["a"], now=NOW + 1)
    assert (one.state, one.end_time) == ("complete", "1970-01-12T13:46:41+00:00")


def test_minions_without_a_key_are_missing_from_the_start() -> None:
    """No return is expected from a named minion without a key."""
    one = Job(JID, fun="test.ping")
    one.expect(["a"], ["gone"])
    back("a")(one)
    assert (one.state, one.parts["gone"].state) == ("partial", "missing")


def test_a_cached_job_has_an_unknown_state_until_a_minion_reports() -> None:
    """Minions without a return may still run it."""
    one = job("a", "b")
    one.certain = False
    assert one.state == "unknown"
    assert one.apply_progress("a", 10, None)
    assert one.state == "running"


def test_progress_never_decreases() -> None:
    """It stays between 0 and 100."""
    one = job("a")
    reported = []
    for percent in (10, 50, 30, -5, 400):
        one.apply_progress("a", percent, None)
        reported.append(one.parts["a"].progress)
    assert reported == [10, 50, 50, 50, 100]


def test_a_progress_report_sets_the_state_and_the_message() -> None:
    """The last message stays until the next one."""
    one = job("a")
    one.apply_progress("a", 10, "unpacking")
    one.apply_progress("a", 20, None)
    part = one.parts["a"].to_dict()
    assert (part["state"], part["progress"], part["message"]) == ("running", 20.0, "unpacking")


@pytest.mark.parametrize("minion", ["stranger", "ended"])
def test_progress_of_other_minions_is_refused(minion: str) -> None:
    """Only a targeted minion that has not ended can report."""
    one = job("ended", "other")
    back("ended")(one)
    assert not one.apply_progress(minion, 10, "x")
    assert "stranger" not in one.parts


def test_the_progress_of_a_job_is_the_mean_of_its_parts() -> None:
    """Ended parts count as 100 %."""
    one = job("a", "b", "c", "d")
    back("a")(one)
    one.apply_progress("b", 33.333, None)
    assert job_object(one)["progress"] == 33.3


def test_give_up_returns_the_minions_whose_parts_ended() -> None:
    """Parts that have ended, and unknown minions, do not change."""
    one = job("a", "b")
    back("a")(one)
    assert one.give_up(["a", "b", "stranger"], "missing", NOW) == ["b"]
    assert set(one.parts) == {"a", "b"}


def test_the_size_follows_the_last_return() -> None:
    """A second return replaces the first, also in the size."""
    one = job("a")
    one.apply_return("a", DONE, 100, NOW)
    one.apply_return("a", DONE, 30, NOW)
    assert one.size == 30


def test_a_reduced_job_object_has_visible_minions_only() -> None:
    """Counts and state are those of visible parts; arguments and target are hidden."""
    one = job("a", "b", "c")
    one.arg = ["x"]
    back("a")(one)
    back("b", **BAD)(one)
    one.give_up(["c"], "missing", NOW)
    view = job_object(one, ["a"], hide_call=True)
    assert (set(view["minions"]), view["total"], view["failed"], view["missing"]) == ({"a"}, 1, 0, 0)
    assert (view["state"], view["arg"], view["tgt"]) == ("complete", None, None)
    assert job_object(one)["state"] == "partial"


def test_a_job_object_without_parts_has_the_counts() -> None:
    """A list of jobs needs no minions."""
    view = job_object(job("a"), parts=False)
    assert "minions" not in view
    assert view["total"] == 1


@pytest.mark.parametrize(("success", "state"), [(True, "complete"), (False, "failed")])
def test_a_runner_ends_with_its_return(success: bool, state: str) -> None:
    """A runner has no minions, but a return and success of its own."""
    one = Job(JID, kind="runner", fun="manage.up")
    assert (one.state, job_object(one)["progress"]) == ("running", 0.0)
    one.finish(["a"], success, 5, NOW)
    view = job_object(one)
    assert (view["state"], view["return"], view["success"], view["progress"]) == (state, ["a"], success, 100.0)
    assert view["minions"] == {}


def test_a_job_without_minions_is_complete() -> None:
    """No return is missing."""
    assert state_of([]) == "complete"


@pytest.mark.parametrize(("jid", "known"), [(JID, True), (f"{JID}_77", True), ("2" * 20, False), ("", False)])
def test_the_start_time_is_read_from_the_jid(jid: str, known: bool) -> None:
    """A jid whose digits are no time has none."""
    assert (start_time(jid) is not None) is known


def test_the_cost_of_a_return_does_not_depend_on_the_number_of_minions() -> None:
    """No code walks all parts for one of them."""

    class Parts(dict[str, Part]):
        """Parts that nobody may go through."""

        def __iter__(self) -> Iterator[str]:
            raise AssertionError("all parts were looked at")

        items = values = keys = __iter__  # type: ignore[assignment]

    one = job("a", "b", "c", "d")
    one.parts = Parts(one.parts)
    one.apply_progress("a", 10, None)
    back("a")(one)
    back("d", **BAD)(one)
    assert (one.waiting, one.ended) == (["b", "c"], False)
    one.give_up(["b", "b"], "missing", NOW)
    one.expect((), ["c", "gone"])
    assert (one.waiting, one.ended) == ([], True)


def test_the_waiting_minions_follow_from_the_parts() -> None:
    """However the job was created."""
    one = Job(JID, fun="test.ping", parts={"a": Part(), "b": Part("returned"), "c": Part("running")})
    assert one.waiting == ["a", "c"]
    one.set_part("a", Part("returned"))
    one.restore("b", Part(), NOW)
    assert one.waiting == ["c", "b"]


@pytest.mark.parametrize(
    ("out", "kept"), [("highstate", "highstate"), ("x" * 65, None), ("", None), ({"0": "nested"}, None), (None, None)]
)
def test_a_return_keeps_its_outputter(out: Any, kept: str | None) -> None:
    """Other values of ``out`` are left out."""
    one = job("a")
    one.apply_return("a", {**DONE, "out": out}, 10, NOW)
    assert one.parts["a"].to_dict().get("out") == kept
    assert ("out" in one.parts["a"].to_dict()) == (kept is not None)
