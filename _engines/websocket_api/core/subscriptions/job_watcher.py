"""Find out when a job has ended: all minions have returned, or those that have not do not run it any more.

Salt's own way to find out is ``saltutil.find_job``. The watcher sends one per job, for all that watch it, and
only while it is watched.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from ...errors import ApiError
from ...fair_share import Share, in_turns
from ..access.turns import Waiting
from ..jobs.job import SIGNALS, Job
from ..jobs.part import RETURNED
from ..jobs.registry import JobRegistry
from ..minions.registry import MinionRegistry

log = logging.getLogger(__name__)

QUIET_SECONDS = 5.0
"""Seconds without a change after which minions are asked about a job; Salt's own ``timeout``."""
MAX_QUESTIONS = 20
"""Questions to minions in one round, which take a fifth of a second: other users' jobs must not wait for more."""
MAX_CANCELS = 1000
"""Cancels without all answers, whose jobs are kept; beyond it, those that were sent elsewhere are not noticed."""
GRACE_SECONDS = 2.0
"""Seconds to wait for the return of a minion that no longer runs the job: it may be on its way."""

_STOPS = frozenset(SIGNALS.values())

Publish = Callable[[str, list[Any], list[str]], Awaitable[Mapping[str, Any]]]
"""``await publish(fun, arg, minions)`` sends a command with the master's key and returns ``{jid, minions}``."""


@dataclass
class _Question:
    """A ``find_job`` that was sent, and the job that it is about."""

    about: str
    deadline: float
    unanswered: set[str] = field(default_factory=set)
    seen: Mapping[str, float | None] = field(default_factory=dict)
    """When each minion was last seen before the question: a later sign of life outweighs a missing answer."""


class JobWatcher:
    """Finds out when watched jobs have ended.

    :param watched: returns the jids that are watched, in addition to those of :meth:`wait_for_end`
    :param publish: sends a command with the master's key
    :param ask_elsewhere: has another master ask about its job
    :param answer_seconds: how long a minion has to answer (the master's ``gather_job_timeout``)
    :param clock: seconds, monotonic
    """

    def __init__(
        self,
        *,
        jobs: JobRegistry,
        minions: MinionRegistry,
        watched: Callable[[], list[str]],
        publish: Publish,
        ask_elsewhere: Callable[[Job], None] = lambda job: None,
        answer_seconds: float,
        clock: Callable[[], float],
    ) -> None:
        self._jobs = jobs
        self._minion_registry = minions
        self._watched = watched
        self._publish = publish
        self._ask_elsewhere = ask_elsewhere
        self._answer_seconds = answer_seconds
        self._clock = clock
        self._waiters: dict[str, list[asyncio.Future[None]]] = {}
        self._starting = 0
        """Requests that start a job whose end they will wait for."""
        self._changed_at: dict[str, float] = {}
        self._questions: dict[str, _Question] = {}
        self._cancels: dict[str, str] = {}
        self._stopped_at: list[tuple[float, str, str]] = []
        """(time, jid, minion): the minion no longer runs the job, and is missing if it does not return until then."""
        jobs.on_change(self._on_change)
        jobs.needed_by(self._is_needed)

    @property
    def has_waiters(self) -> bool:
        """Whether a request waits for the end of a job, or starts a job to wait for. Returns may then come quickly."""
        return bool(self._waiters or self._starting)

    @contextmanager
    def starting(self) -> Iterator[None]:
        """Count as a waiter while a job is started."""
        self._starting += 1
        try:
            yield
        finally:
            self._starting -= 1

    async def wait_for_end(self, job: Job, seconds: float, caller: Waiting) -> bool:
        """Wait until the job has ended.

        :param caller: the client; the wait ends when it is gone
        :return: False if the time is up
        """
        if job.ended:
            return True
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        with self._waiting(job.jid, future), caller.waiting(future):
            try:
                await asyncio.wait_for(future, seconds)
            except asyncio.TimeoutError:
                return False
        return True

    def _is_needed(self, jid: str) -> bool:
        return jid in self._waiters or jid in self._questions or jid in self._cancels or jid in self._cancels.values()

    def watch_cancel(self, cancel_jid: str, jid: str) -> None:
        """Apply the answers to ``cancel_jid``, which cancels the job ``jid``: minions that answer are canceled."""
        self._cancels[cancel_jid] = jid
        self._apply_early_answers(cancel_jid)

    async def tick(self) -> None:
        """Send and end what is due; called every second."""
        now = self._clock()
        self._jobs.end_gathering()
        for when, jid, minion in [entry for entry in self._stopped_at if entry[0] <= now]:
            self._stopped_at.remove((when, jid, minion))
            self._give_up(jid, [minion])
        for cancel, target in list(self._cancels.items()):
            job = self._jobs.get(target)
            if job is None or job.ended:
                del self._cancels[cancel]
        for jid, question in list(self._questions.items()):
            if now >= question.deadline:
                del self._questions[jid]
                silent = sorted(question.unanswered)
                seen = self._minion_registry.seen
                self._minion_registry.absent([name for name in silent if seen(name) == question.seen.get(name)])
                self._give_up(question.about, silent)
        watched = {*self._watched(), *self._waiters}
        asked = {question.about for question in self._questions.values()}
        jobs = [job for jid in sorted(watched - asked) if (job := self._jobs.get(jid)) is not None]
        left = MAX_QUESTIONS
        for job in in_turns(jobs, lambda job: Share(job.user or "", job.eauth or "")):
            jid = job.jid
            if job.kind != "job" or job.ended or not job.waiting:
                continue
            if now - self._changed_at.setdefault(jid, now) >= QUIET_SECONDS and left:
                self._changed_at[jid] = now
                left -= 1
                if not await self._ask(job):
                    break  # the master does not answer: try again in the next round
        for jid in set(self._changed_at) - watched:
            del self._changed_at[jid]

    async def _ask(self, job: Job) -> bool:
        """Ask the minions of a job, or have its master ask; return whether the own master answers."""
        if job.elsewhere:
            self._ask_elsewhere(job)
            return True
        waiting = job.waiting
        seen = {name: self._minion_registry.seen(name) for name in waiting}
        try:
            sent = await self._publish("saltutil.find_job", [job.jid], waiting)
        except ApiError as error:
            if error.code == "no_minions":
                self._give_up(job.jid, waiting)  # none of them has a key any more
                return True
            log.warning("cannot ask minions whether they still run job %s: %s", job.jid, error.message)
            return error.code != "master_unavailable"
        self._questions[sent["jid"]] = _Question(job.jid, self._clock() + self._answer_seconds, set(waiting), seen)
        self._apply_early_answers(sent["jid"])
        return True

    def _apply_early_answers(self, jid: str) -> None:
        """Apply answers that arrived before the reply to the publish."""
        job = self._jobs.get(jid)
        if job is not None:
            self._on_change(job, tuple(job.parts))

    def _on_change(self, job: Job, minions: tuple[str, ...]) -> None:
        question = self._questions.get(job.jid)
        if question is not None:
            self._apply_answer(question, job, minions)
        if job.fun in _STOPS and not job.end_reported and self._notice_cancel(job):
            minions = tuple(job.parts)  # some can answer before the announcement arrives
        target = self._cancels.get(job.jid)
        if target is not None:
            self._apply_cancel(target, job, minions)
        if job.jid in self._changed_at:
            self._changed_at[job.jid] = self._clock()
        for future in self._waiters.get(job.jid, ()) if job.ended else ():
            if not future.done():
                future.set_result(None)

    def _notice_cancel(self, job: Job) -> bool:
        """Apply the answers to a cancel that was sent elsewhere: by Salt's own client, or on another master.

        :return: whether it was not noticed before
        """
        target = job.cancels
        known = job.jid in self._cancels
        if target is None or known or self._jobs.get(target) is None or len(self._cancels) >= MAX_CANCELS:
            return False
        self._cancels[job.jid] = target
        return True

    def _apply_answer(self, question: _Question, job: Job, minions: tuple[str, ...]) -> None:
        about = self._jobs.get(question.about)
        for minion in minions:
            part = job.parts[minion]
            if part.state not in RETURNED or minion not in question.unanswered:
                continue
            question.unanswered.discard(minion)
            target = about.parts.get(minion) if about is not None else None
            if part.value:
                if about is not None and target is not None and target.state == "pending":
                    self._jobs.set_running(about, minion)
            else:
                self._stopped_at.append((self._clock() + GRACE_SECONDS, question.about, minion))

    def _apply_cancel(self, target: str, job: Job, minions: tuple[str, ...]) -> None:
        about = self._jobs.get(target)
        # The answer is a sentence if the minion signaled the job, and empty if it did not run it.
        canceled = [name for name in minions if job.parts[name].state in RETURNED and job.parts[name].value]
        if about is not None and canceled:
            self._jobs.give_up(about, canceled, "canceled")
        if job.ended:
            self._cancels.pop(job.jid, None)

    def _give_up(self, jid: str, minions: list[str]) -> None:
        job = self._jobs.get(jid)
        if job is not None:
            self._jobs.give_up(job, minions, "missing")

    @contextmanager
    def _waiting(self, key: str, future: asyncio.Future[None]) -> Iterator[None]:
        self._waiters.setdefault(key, []).append(future)
        try:
            yield
        finally:
            self._waiters[key].remove(future)
            if not self._waiters[key]:
                del self._waiters[key]
