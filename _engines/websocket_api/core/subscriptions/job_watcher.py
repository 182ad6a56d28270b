"""When a job has ended: all minions returned, or Salt says that the rest are not running it.

Salt's own way to know is ``saltutil.find_job``. One is asked per job, whoever and however many watch it, and only
while somebody does.
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
from ..delivery.caller import Caller
from ..jobs.job import RETURNED, Job
from ..jobs.registry import JobRegistry
from ..minions.registry import MinionRegistry

log = logging.getLogger(__name__)

QUIET_SECONDS = 5.0  # without news for so long, a job is asked about; Salt's own clients wait as long (``timeout``)
GRACE_SECONDS = 2.0  # for a return that is on its way from a minion that says it is no longer running the job

Publish = Callable[[str, list[Any], list[str]], Awaitable[Mapping[str, Any]]]
"""``await publish(fun, arg, minions)`` sends a command with the master's own key and returns ``{jid, minions}``."""


@dataclass
class _Question:
    """A find_job that was asked, or a term_job: what a minion's answer to it means for the job it is about."""

    about: str
    deadline: float
    unanswered: set[str] = field(default_factory=set)


class JobWatcher:
    """Finds out when watched jobs have ended.

    :param watched: the jids that somebody watches, besides those in :meth:`watching`
    :param publish: asks minions with the master's own key
    :param answer_seconds: how long a minion has to answer (the master's ``gather_job_timeout``)
    :param clock: seconds, monotonic
    """

    def __init__(
        self,
        *,
        book: JobRegistry,
        fleet: MinionRegistry,
        watched: Callable[[], list[str]],
        publish: Publish,
        answer_seconds: float,
        clock: Callable[[], float],
    ) -> None:
        self._book = book
        self._fleet = fleet
        self._watched = watched
        self._publish = publish
        self._answer_seconds = answer_seconds
        self._clock = clock
        self._waiters: dict[str, list[asyncio.Future[None]]] = {}
        self._news_at: dict[str, float] = {}
        self._questions: dict[str, _Question] = {}
        self._cancels: dict[str, str] = {}
        self._leaving: list[tuple[float, str, str]] = []
        """(when, jid, minion): not running any more, given up if no return came until then."""
        book.on_change(self._changed)
        book.needed_by(self._needs)

    async def ended(self, job: Job, seconds: float, caller: Caller) -> bool:
        """Wait for a client until the job has ended; return False when the time is up."""
        if job.ended:
            return True
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        with self._waiting(job.jid, future), caller.waiting(future):
            try:
                await asyncio.wait_for(future, seconds)
            except asyncio.TimeoutError:
                return False
        return True

    def _needs(self, jid: str) -> bool:
        return jid in self._waiters or jid in self._questions or jid in self._cancels or jid in self._cancels.values()

    def canceling(self, cancel_jid: str, jid: str) -> None:
        """Note that the job ``cancel_jid`` stops the job ``jid``: its minions are canceled as they answer."""
        self._cancels[cancel_jid] = jid
        self._answers_so_far(cancel_jid)

    async def tick(self) -> None:
        """Look what is due; called every second."""
        now = self._clock()
        for when, jid, minion in [entry for entry in self._leaving if entry[0] <= now]:
            self._leaving.remove((when, jid, minion))
            self._give_up(jid, [minion])
        for cancel, target in list(self._cancels.items()):
            job = self._book.get(target)
            if job is None or job.ended:
                del self._cancels[cancel]
        for asked, question in list(self._questions.items()):
            if now >= question.deadline:
                del self._questions[asked]
                silent = sorted(question.unanswered)
                self._fleet.absent(silent)
                self._give_up(question.about, silent)
        watched = {*self._watched(), *self._waiters}
        asked_about = {question.about for question in self._questions.values()}
        jobs = [job for jid in sorted(watched - asked_about) if (job := self._book.get(jid)) is not None]
        for job in in_turns(jobs, lambda job: Share(job.user or "", job.eauth or "")):
            jid = job.jid
            if job.kind != "job" or job.ended or not job.waiting:
                continue
            if now - self._news_at.setdefault(jid, now) >= QUIET_SECONDS:
                self._news_at[jid] = now
                if not await self._ask(job):
                    break  # a master that does not answer is not asked about the others either
        for jid in set(self._news_at) - watched:
            del self._news_at[jid]

    async def _ask(self, job: Job) -> bool:
        waiting = job.waiting
        try:
            asked = await self._publish("saltutil.find_job", [job.jid], waiting)
        except ApiError as error:
            if error.code == "no_minions":
                self._give_up(job.jid, waiting)  # none of them has a key any more: nobody is left to ask
                return True
            log.warning("could not ask who still runs job %s: %s", job.jid, error.message)
            return error.code != "master_unavailable"
        self._questions[asked["jid"]] = _Question(job.jid, self._clock() + self._answer_seconds, set(waiting))
        self._answers_so_far(asked["jid"])
        return True

    def _answers_so_far(self, jid: str) -> None:
        """Take the answers that came before the reply to the publish."""
        job = self._book.get(jid)
        if job is not None:
            self._changed(job, tuple(job.parts))

    def _changed(self, job: Job, minions: tuple[str, ...]) -> None:
        question = self._questions.get(job.jid)
        if question is not None:
            self._answered(question, job, minions)
        target = self._cancels.get(job.jid)
        if target is not None:
            self._canceled(target, job, minions)
        if job.jid in self._news_at:
            self._news_at[job.jid] = self._clock()
        for future in self._waiters.get(job.jid, ()) if job.ended else ():
            if not future.done():
                future.set_result(None)

    def _answered(self, question: _Question, job: Job, minions: tuple[str, ...]) -> None:
        about = self._book.get(question.about)
        for minion in minions:
            part = job.parts[minion]
            if part.state not in RETURNED or minion not in question.unanswered:
                continue
            question.unanswered.discard(minion)
            target = about.parts.get(minion) if about is not None else None
            if part.value:
                if about is not None and target is not None and target.state == "pending":
                    self._book.runs(about, minion)
            else:
                self._leaving.append((self._clock() + GRACE_SECONDS, question.about, minion))

    def _canceled(self, target: str, job: Job, minions: tuple[str, ...]) -> None:
        about = self._book.get(target)
        # The answer is a sentence when the minion signalled the job, and empty when it did not run it.
        told = [name for name in minions if job.parts[name].state in RETURNED and job.parts[name].value]
        if about is not None and told:
            self._book.give_up(about, told, "canceled")
        if job.ended:
            self._cancels.pop(job.jid, None)

    def _give_up(self, jid: str, minions: list[str]) -> None:
        job = self._book.get(jid)
        if job is not None:
            self._book.give_up(job, minions, "missing")

    @contextmanager
    def _waiting(self, key: str, future: asyncio.Future[None]) -> Iterator[None]:
        self._waiters.setdefault(key, []).append(future)
        try:
            yield
        finally:
            self._waiters[key].remove(future)
            if not self._waiters[key]:
                del self._waiters[key]
