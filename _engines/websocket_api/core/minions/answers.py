"""What minions answered about their functions, so that a busy minion is not asked the same question at every call.

Answers are kept for each minion apart: a minion may have a module of its own in place of Salt's, and nothing in an
answer tells which of the two it describes. The minion's Salt version is part of the key, so an upgrade is noticed.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from ..events.encoding import encode
from ..jobs.job import Job
from ..jobs.registry import JobRegistry
from .registry import Minion, MinionRegistry

FRESH_SECONDS = 60.0
"""Younger answers are not asked for again; a module that was just synced is described wrongly for this long at most."""
KEEP_SECONDS = 3600.0
"""Older answers are not used: of a minion that never answers again nobody knows what it would say."""
MAX_ANSWERS = 4096
MAX_BYTES = 16 * 1024 * 1024  # of all answers, as JSON; a list of all functions is about 60 kB
MAX_USERS = 64  # for each answer: users whose question the master let pass
MAX_QUESTIONS = 1024  # sent and not answered; the oldest beyond this are answered to those who wait, and not kept
PENDING_SECONDS = 120.0  # after which a question without an answer is sent again: its minion may be back by then

Key = tuple[str, str | None, str, str]
"""The minion, its Salt version, the function that is asked, and its argument."""
Asker = tuple[str, str, str]
"""The user, the eauth, and the user's permissions as one text."""


@dataclass
class Answer:
    """What a minion answered, when, and when the master last let each user ask for it."""

    minion: Minion | None
    value: Any
    at: float
    size: int
    askers: dict[Asker, float] = field(default_factory=dict)


@dataclass(frozen=True)
class _Question:
    key: Key
    asker: Asker
    minion: Minion | None


class Answers:
    """Answers of minions by question, the least recently used forgotten first.

    :param clock: seconds, monotonic
    """

    def __init__(self, *, book: JobRegistry, fleet: MinionRegistry, clock: Callable[[], float]) -> None:
        self._fleet = fleet
        self._clock = clock
        self._answers: dict[Key, Answer] = {}
        self._minions: dict[tuple[str, str], dict[str, None]] = {}
        self._bytes = 0
        self._questions: dict[str, _Question] = {}
        self._sent: dict[tuple[Key, Asker], tuple[float, asyncio.Future[Job]]] = {}
        book.on_change(self._changed)

    def key(self, minion: str, fun: str, arg: str) -> Key:
        """Return the key of a question to a minion as it is now."""
        known = self._fleet.get(minion)
        version = (known.grains or {}).get("saltversion") if known is not None else None
        return minion, version if isinstance(version, str) else None, fun, arg

    def get(self, key: Key) -> Answer | None:
        """Return what this minion answered, if it is not too old, and count it as used."""
        answer = self._answers.get(key)
        if answer is None:
            return None
        # A minion whose key was deleted and accepted again may be another machine of the same name.
        if self._clock() - answer.at > KEEP_SECONDS or self._fleet.get(key[0]) is not answer.minion:
            self._forget(key)
            return None
        self._answers[key] = self._answers.pop(key)
        return answer

    def known_by(self, fun: str, arg: str) -> Collection[str]:
        """Return the minions that answered a question, some of them perhaps too long ago."""
        return self._minions.get((fun, arg), ())

    def settles(self, answer: Answer, asker: Asker) -> bool:
        """Tell whether this answer needs no question: it is fresh, and so is the master's leave for this user."""
        oldest = min(answer.at, answer.askers.get(asker, -math.inf))
        return self._clock() - oldest <= FRESH_SECONDS

    def sent(self, key: Key, asker: Asker) -> asyncio.Future[Job] | None:
        """Return the job of the same user's question that has no answer yet, so that no second one is sent."""
        at, job = self._sent.get((key, asker), (0.0, None))
        return None if job is None or self._clock() - at > PENDING_SECONDS else job

    def send(self, key: Key, asker: Asker) -> asyncio.Future[Job]:
        """Note that a question is about to be sent, and return the future of its job."""
        future: asyncio.Future[Job] = asyncio.get_running_loop().create_future()
        # Where nobody else waits, nobody reads the outcome: asyncio would log that as a fault.
        future.add_done_callback(lambda done: None if done.cancelled() else done.exception())
        self._sent[key, asker] = self._clock(), future
        return future

    def failed(self, key: Key, asker: Asker, fault: BaseException) -> None:
        """Note that a question could not be sent."""
        _, future = self._sent.pop((key, asker), (0.0, None))
        if future is None or future.done():
            return
        if isinstance(fault, Exception):
            future.set_exception(fault)
        else:
            future.cancel()

    def expect(self, key: Key, asker: Asker, job: Job) -> None:
        """Note that the master let a question pass; the answer is kept when it comes, whoever still waits for it."""
        answer = self._answers.get(key)
        if answer is not None:
            self._admit(answer, asker)
        if len(self._questions) >= MAX_QUESTIONS:
            self._drop(next(iter(self._questions)))
        self._questions[job.jid] = _Question(key, asker, self._fleet.get(key[0]))
        _, future = self._sent.get((key, asker), (0.0, None))
        if future is not None and not future.done():
            future.set_result(job)
        self._changed(job, tuple(job.parts))  # a minion may be quicker than the master's reply

    def _changed(self, job: Job, minions: tuple[str, ...]) -> None:
        question = self._questions.get(job.jid)
        if question is None:
            return
        name = question.key[0]
        part = job.parts.get(name)
        returned = part is not None and name in minions and part.state == "returned"
        if part is not None and returned:
            self._keep(question, part.value)
        if job.ended or returned:
            self._drop(job.jid)

    def _keep(self, question: _Question, value: Any) -> None:
        key = question.key
        old = self._answers.get(key)
        askers = {} if old is None else old.askers
        if old is not None:
            self._forget(key)
        size = len(encode(value))
        answer = Answer(question.minion, value, self._clock(), size, askers)
        self._admit(answer, question.asker)
        self._answers[key] = answer
        self._minions.setdefault(key[2:], {})[key[0]] = None
        self._bytes += size
        while self._bytes > MAX_BYTES or len(self._answers) > MAX_ANSWERS:
            self._forget(next(iter(self._answers)))

    def _drop(self, jid: str) -> None:
        question = self._questions.pop(jid)
        self._sent.pop((question.key, question.asker), None)

    def _forget(self, key: Key) -> None:
        self._bytes -= self._answers.pop(key).size
        minions = self._minions.get(key[2:], {})
        minions.pop(key[0], None)
        if not minions:
            self._minions.pop(key[2:], None)

    def _admit(self, answer: Answer, asker: Asker) -> None:
        answer.askers.pop(asker, None)
        answer.askers[asker] = self._clock()
        while len(answer.askers) > MAX_USERS:
            del answer.askers[next(iter(answer.askers))]
