"""When a watched job has ended: all minions returned, or the others do not run it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from websocket_api.core.jobs.job import Job
from websocket_api.core.subscriptions import job_watcher
from websocket_api.core.subscriptions.job_watcher import MAX_QUESTIONS, JobWatcher
from websocket_api.errors import ApiError

from tests.unit.core.support import JID, Client, World

ANSWER_SECONDS = 10
ANSWER = {"cmd": "_return", "fun": "saltutil.find_job", "retcode": 0, "success": True}


class Watched:
    """The core with a watcher, and a master that records what it is asked to publish."""

    def __init__(self, *minions: str) -> None:
        self.world = World()
        self.following = [JID]
        self.asked: list[tuple[str, list[Any], list[str]]] = []
        self.fault: ApiError | None = None
        self.before_reply: Callable[[str], None] = lambda jid: None
        self.watcher = JobWatcher(
            jobs=self.world.jobs,
            minions=self.world.minions,
            watched=lambda: self.following,
            publish=self.publish,
            answer_seconds=ANSWER_SECONDS,
            clock=self.world.time,
        )
        self.world.minions.read_keys(dict.fromkeys(minions, "accepted"))
        self.world.publish(*minions)

    async def publish(self, fun: str, arg: list[Any], minions: list[str]) -> dict[str, Any]:
        self.asked.append((fun, arg, minions))
        if self.fault is not None:
            raise self.fault
        jid = f"20261123130000{len(self.asked):06}"
        self.world.fire(f"salt/job/{jid}/new", fun=fun, arg=arg, minions=minions, user="root")
        self.before_reply(jid)
        return {"jid": jid, "minions": minions}

    @property
    def question(self) -> str:
        """Return the jid of the last question."""
        return f"20261123130000{len(self.asked):06}"

    def answers(self, minion: str, value: Any, jid: str | None = None) -> None:
        jid = jid or self.question
        self.world.fire(f"salt/job/{jid}/ret/{minion}", **ANSWER, id=minion, jid=jid, **{"return": value})

    async def passes(self, seconds: int) -> None:
        for _ in range(seconds):
            self.world.time.pass_(1)
            await self.watcher.tick()

    @property
    def job(self) -> Job:
        job = self.world.jobs.get(JID)
        assert job is not None
        return job

    @property
    def states(self) -> dict[str, str]:
        return {name: part.state for name, part in self.job.parts.items()}


async def test_a_quiet_job_is_asked_about() -> None:
    """After five seconds without a change, the missing minions are asked."""
    on = Watched("a", "b")
    on.world.answer("a")
    await on.passes(5)
    assert on.asked == []
    await on.passes(1)
    assert on.asked == [("saltutil.find_job", [JID], ["b"])]


async def test_a_change_postpones_the_question() -> None:
    """A job whose returns keep arriving is not asked about."""
    minions = [f"m{number}" for number in range(6)]
    on = Watched(*minions)
    for minion in minions[:-1]:
        await on.passes(4)
        on.world.answer(minion)
    assert on.asked == []


async def test_all_watchers_share_one_question() -> None:
    """Waiting requests and subscriptions."""
    on = Watched("a")
    waits = [asyncio.ensure_future(on.watcher.wait_for_end(on.job, 100, Client().connection)) for _ in range(5)]
    await asyncio.sleep(0)
    await on.passes(8)
    assert len(on.asked) == 1
    on.world.answer("a")
    assert await asyncio.gather(*waits) == [True] * 5


async def test_the_watcher_takes_turns_between_users() -> None:
    """A few questions in each round, of all owners in turns; other due work does not wait."""
    on = Watched("a")
    jids = [f"20261123120000{number:06}" for number in range(5 * MAX_QUESTIONS)]
    for jid in jids:
        on.world.fire(f"salt/job/{jid}/new", fun="test.sleep", arg=[], minions=["a"], user="hog")
    on.following = [*jids, JID]
    await on.passes(6)
    assert [JID] in [arg for _, arg, _ in on.asked]
    assert len(on.asked) <= MAX_QUESTIONS
    await on.passes(2)
    assert len({arg[0] for _, arg, _ in on.asked}) == len(on.asked) == 3 * MAX_QUESTIONS


async def test_an_unwatched_job_is_not_asked_about() -> None:
    """Minions are asked only while somebody waits."""
    on = Watched("a")
    on.following = []
    await on.passes(60)
    assert on.asked == []
    on.following = [JID]
    await on.passes(8)
    assert len(on.asked) == 1
    on.following = []
    await on.passes(60)
    assert len(on.asked) == 1


@pytest.mark.parametrize("ended", ["job", "runner", "unknown"])
async def test_ended_jobs_runners_and_unknown_jids_are_not_asked_about(ended: str) -> None:
    """``find_job`` has no answer for them."""
    on = Watched("a")
    if ended == "job":
        on.world.answer("a")
    else:
        on.following = ["20261123120000000009"]
    if ended == "runner":
        on.world.jobs.add_called("runner", on.following[0], "manage.up", "ann", "pam")
    await on.passes(60)
    assert on.asked == []


async def test_a_minion_that_runs_the_job_is_running() -> None:
    """Followers get the answer, and the next question comes only after a while."""
    on = Watched("a")
    changed: list[str] = []
    on.world.jobs.on_change(lambda job, minions: changed.append(job.jid))
    await on.passes(6)
    on.answers("a", {"jid": JID, "pid": 17})
    assert on.states == {"a": "running"}
    assert JID in changed
    await on.passes(ANSWER_SECONDS - 1)
    assert len(on.asked) == 1
    await on.passes(ANSWER_SECONDS)
    assert len(on.asked) == 2
    assert not on.job.ended


async def test_a_minion_that_does_not_run_the_job_is_missing_after_two_seconds() -> None:
    """Its return may still be on its way."""
    on = Watched("a", "b")
    await on.passes(6)
    on.answers("a", {})
    on.answers("b", {})
    await on.passes(1)
    assert on.states == {"a": "pending", "b": "pending"}
    on.world.answer("a")
    await on.passes(1)
    assert on.states == {"a": "returned", "b": "missing"}
    assert (on.job.state, on.job.ended) == ("partial", True)


async def test_a_silent_minion_is_missing_and_disconnected() -> None:
    """After the time that Salt allows for an answer."""
    on = Watched("a")
    await on.passes(6 + ANSWER_SECONDS - 1)
    assert on.states == {"a": "pending"}
    await on.passes(1)
    assert on.states == {"a": "missing"}
    minion = on.world.minions.get("a")
    assert minion is not None
    assert minion.connected is False


async def test_a_later_event_of_a_silent_minion_shows_that_it_is_connected() -> None:
    """A busy minion may not answer the question."""
    on = Watched("a")
    await on.passes(6)
    on.world.time.pass_(1)
    on.world.fire("salt/minion/a/start", cmd="_minion_event", id="a", data="started")
    await on.passes(ANSWER_SECONDS)
    assert on.states == {"a": "missing"}
    minion = on.world.minions.get("a")
    assert minion is not None
    assert minion.connected is True


async def test_an_earlier_event_of_a_silent_minion_does_not_count() -> None:
    """The minion was connected before the question, and did not answer it."""
    on = Watched("a")
    on.world.fire("salt/minion/a/start", cmd="_minion_event", id="a", data="started")
    await on.passes(6 + ANSWER_SECONDS)
    minion = on.world.minions.get("a")
    assert minion is not None
    assert minion.connected is False


async def test_a_late_return_is_applied() -> None:
    """Also after the minion was given up."""
    on = Watched("a")
    await on.passes(30)
    on.world.answer("a")
    assert on.job.state == "complete"


async def test_answers_before_the_reply_of_the_master_count() -> None:
    """A fast minion answers before the engine knows the question's jid."""
    on = Watched("a", "b")

    def quick(jid: str) -> None:
        on.answers("a", {}, jid)
        on.answers("b", {"jid": JID}, jid)

    on.before_reply = quick
    await on.passes(6)
    assert on.states == {"a": "pending", "b": "running"}
    await on.passes(2)
    assert on.states == {"a": "missing", "b": "running"}


async def test_a_second_answer_changes_nothing() -> None:
    """The first answer of a minion counts."""
    on = Watched("a")
    await on.passes(6)
    on.answers("a", {"jid": JID})
    on.answers("a", {})
    await on.passes(5)
    assert on.states == {"a": "running"}


async def test_minions_that_are_gone_are_missing() -> None:
    """If none of the waiting minions has a key, no question is sent."""
    on = Watched("a")
    on.fault = ApiError("no_minions", "the target matches no minion")
    await on.passes(6)
    assert (on.states, on.job.ended) == ({"a": "missing"}, True)


async def test_no_job_ends_while_the_master_does_not_answer() -> None:
    """The question is sent again later."""
    on = Watched("a")
    on.fault = ApiError("master_unavailable", "no answer")
    await on.passes(20)
    assert on.states == {"a": "pending"}
    assert 2 <= len(on.asked) <= 4


async def test_waiting_ends_with_the_job() -> None:
    """At once if it has ended already, else with the last return."""
    on = Watched("a")
    connection = Client().connection
    waiting = asyncio.ensure_future(on.watcher.wait_for_end(on.job, 100, connection))
    await asyncio.sleep(0)
    assert not waiting.done()
    assert on.watcher.has_waiters
    on.world.answer("a")
    assert await waiting is True
    assert not on.watcher.has_waiters
    assert await on.watcher.wait_for_end(on.job, 100, connection) is True
    assert connection.waits == set()


async def test_waiting_ends_when_a_runner_returns() -> None:
    """Runners have no minions."""
    on = Watched()
    job = on.world.jobs.add_called("runner", "20261123120000000009", "manage.up", "ann", "pam")
    waiting = asyncio.ensure_future(on.watcher.wait_for_end(job, 100, Client().connection))
    await asyncio.sleep(0)
    on.world.fire(f"salt/run/{job.jid}/ret", fun="runner.manage.up", user="ann", success=True, **{"return": []})
    assert await waiting is True


async def test_waiting_ends_when_the_time_is_up() -> None:
    """The result is that the job has not ended; nothing is left behind."""
    on = Watched("a")
    connection = Client().connection
    assert await on.watcher.wait_for_end(on.job, 0.01, connection) is False
    assert (connection.waits, on.watcher._waiters) == (set(), {})


async def test_no_request_waits_after_its_connection_closed() -> None:
    """Its future fails when the client leaves."""
    on = Watched("a")
    connection = Client().connection
    waiting = asyncio.ensure_future(on.watcher.wait_for_end(on.job, 100, connection))
    await asyncio.sleep(0)
    connection.release()
    with pytest.raises(ApiError):
        await waiting
    assert on.watcher._waiters == {}


CANCEL = "20261123140000000001"


def cancel(on: Watched) -> None:
    minions = on.job.waiting
    on.world.fire(f"salt/job/{CANCEL}/new", fun="saltutil.term_job", arg=[JID], minions=minions, user="root")


async def test_a_minion_is_canceled_when_it_confirms_the_signal() -> None:
    """A killed job sends no return; a minion that did not run it is decided otherwise."""
    on = Watched("a", "b", "c")
    cancel(on)
    on.watcher.watch_cancel(CANCEL, JID)
    on.answers("a", "Signal 15 sent to job", CANCEL)
    on.answers("b", "", CANCEL)
    assert on.states == {"a": "canceled", "b": "pending", "c": "pending"}
    on.answers("c", "Signal 15 sent to job", CANCEL)
    on.world.answer("b")
    assert on.job.state == "canceled"
    assert on.watcher._cancels == {}


async def test_answers_to_the_signal_before_the_reply_count() -> None:
    """The engine does not know the jid of the cancel yet."""
    on = Watched("a")
    cancel(on)
    on.answers("a", "Signal 15 sent to job", CANCEL)
    on.watcher.watch_cancel(CANCEL, JID)
    assert (on.states, on.job.state) == ({"a": "canceled"}, "canceled")


async def test_canceling_a_job_ends_waiting_requests() -> None:
    """A sync request gets its answer."""
    on = Watched("a")
    waiting = asyncio.ensure_future(on.watcher.wait_for_end(on.job, 100, Client().connection))
    await asyncio.sleep(0)
    cancel(on)
    on.watcher.watch_cancel(CANCEL, JID)
    on.answers("a", "Signal 9 sent to job", CANCEL)
    assert await waiting is True


async def test_a_cancel_that_was_sent_elsewhere_counts() -> None:
    """By Salt's own command line, or on another master of the cluster: its announcement is on the bus."""
    on = Watched("a", "b")
    cancel(on)
    on.answers("a", "Signal 15 sent to job", CANCEL)
    assert on.states == {"a": "canceled", "b": "pending"}
    on.answers("b", "", CANCEL)
    on.world.answer("b")
    assert on.job.state == "canceled"
    assert on.watcher._cancels == {}


@pytest.mark.parametrize(
    ("early", "late"), [("", "a"), ("a", "b"), ("ab", "")], ids=["none early", "one early", "all early"]
)
async def test_answers_before_the_announcement_of_a_cancel_count(early: str, late: str) -> None:
    """A cluster forwards the announcement, while an own minion answers its own master."""
    on = Watched("a", "b")
    for minion in early:
        on.answers(minion, "Signal 15 sent to job", CANCEL)
    assert on.states == {"a": "pending", "b": "pending"}
    on.world.fire(f"salt/job/{CANCEL}/new", fun="saltutil.term_job", arg=[JID], minions=["a", "b"], user="root")
    assert on.states == {name: "canceled" if name in early else "pending" for name in "ab"}
    for minion in (*late, "b"):
        on.answers(minion, "Signal 15 sent to job", CANCEL)
    assert on.states == {"a": "canceled", "b": "canceled"}
    assert (on.job.state, on.watcher._cancels) == ("canceled", {})


async def test_cancels_that_were_sent_elsewhere_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """They keep their jobs in memory: those of unknown jobs do not count, and there is a limit."""
    monkeypatch.setattr(job_watcher, "MAX_CANCELS", 3)
    on = Watched("a")
    for number in range(10):
        target = "20261123000000000000" if number < 5 else JID
        jid = f"20261123140000{number:06}"
        on.world.fire(f"salt/job/{jid}/new", fun="saltutil.kill_job", arg=[target], minions=["a"], user="root")
    assert list(on.watcher._cancels.values()) == [JID] * 3
    on.world.answer("a")
    await on.watcher.tick()
    assert on.watcher._cancels == {}


@pytest.mark.parametrize("arg", [[], [None], [["x"]], [{"__kwarg__": True, "jid": JID}]])
async def test_an_odd_cancel_changes_nothing(arg: list[Any]) -> None:
    """A user may send the function with any argument."""
    on = Watched("a")
    on.world.fire(f"salt/job/{CANCEL}/new", fun="saltutil.term_job", arg=arg, minions=["a"], user="root")
    on.answers("a", "Signal 15 sent to job", CANCEL)
    assert on.states == {"a": "pending"}
