"""A cache of minions' answers about their functions, so that a busy minion is not asked the same at every request.

Answers are stored per minion: a minion may replace one of Salt's modules with its own, and an answer does not tell
which one it describes. The minion's Salt version is part of the key, so an upgrade is noticed.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

from ..events.encoding import encode
from ..jobs.job import Job
from ..jobs.registry import JobRegistry
from .minion import Minion
from .registry import MinionRegistry

FRESH_SECONDS = 60.0
"""Answers younger than this are used without a question; a module that was just synced is outdated no longer."""
KEEP_SECONDS = 3600.0
"""Answers older than this are not used, even if the minion does not answer again."""
MAX_ANSWERS = 4096
MAX_BYTES = 16 * 1024 * 1024
"""Bytes of all answers as JSON; a list of all functions has about 60 kB."""
MAX_PASSED_BYTES = 4 * 1024 * 1024
"""Bytes of answers that a reload passes on, those that were used last: events wait meanwhile."""
MAX_USERS = 64
"""Users per answer whose question the master permitted."""
MAX_QUESTIONS = 1024
"""Questions without an answer; answers to older ones reach their callers, but are not stored."""
PENDING_SECONDS = 120.0
"""Age at which a question without an answer is sent again: its minion may be back."""

Key = tuple[str, str | None, str, str]
"""The minion, its Salt version, the function that is called, and its argument."""
Passed = tuple[Key, Any, float]
"""The key of an answer, its value, and its age in seconds."""
Requester = tuple[str, str, str]
"""The user, the eauth, and the user's permissions as one text."""


@dataclass
class Answer:
    """A minion's answer, when it was received, and when the master last permitted the question, by user."""

    minion: Minion | None
    value: Any
    at: float
    size: int
    recent_users: dict[Requester, float] = field(default_factory=dict)


@dataclass(frozen=True)
class _Question:
    key: Key
    requester: Requester
    minion: Minion | None


class Answers:
    """Answers of minions by question; the least recently used are dropped first.

    :param clock: seconds, monotonic
    """

    def __init__(self, *, jobs: JobRegistry, minions: MinionRegistry, clock: Callable[[], float]) -> None:
        self._minion_registry = minions
        self._clock = clock
        self._answers: dict[Key, Answer] = {}
        self._minions: dict[tuple[str, str], dict[str, None]] = {}
        self._bytes = 0
        self._questions: dict[str, _Question] = {}
        self._sent: dict[tuple[Key, Requester], tuple[float, asyncio.Future[Job]]] = {}
        jobs.on_change(self._on_change)

    def key(self, minion: str, fun: str, arg: str) -> Key:
        """Return the key of a question to a minion with its present version."""
        known = self._minion_registry.get(minion)
        version = (known.grains or {}).get("saltversion") if known is not None else None
        return minion, version if isinstance(version, str) else None, fun, arg

    def get(self, key: Key) -> Answer | None:
        """Return the answer if it is not too old, and mark it as used."""
        answer = self._answers.get(key)
        if answer is None:
            return None
        # After its key was deleted and accepted again, a minion may be another machine with the same name.
        if self._clock() - answer.at > KEEP_SECONDS or self._minion_registry.get(key[0]) is not answer.minion:
            self._drop_answer(key)
            return None
        self._answers[key] = self._answers.pop(key)
        return answer

    def pass_on(self) -> list[Passed]:
        """Return the answers for the process that takes over, the least recently used first."""
        found: list[Passed] = []
        now, left = self._clock(), MAX_PASSED_BYTES
        for key, answer in reversed(self._answers.items()):
            left -= answer.size
            if left < 0:
                break
            # A minion whose key was deleted and accepted again has other answers.
            if self._minion_registry.get(key[0]) is answer.minion:
                found.append((key, answer.value, now - answer.at))
        return found[::-1]

    def restore(self, passed: Iterable[Passed]) -> None:
        """Continue with answers of the last process, after the minions. The master has permitted no question yet."""
        for (minion, version, fun, arg), value, age in passed:
            known = self._minion_registry.get(minion)
            if known is not None:
                self._add((minion, version, fun, arg), Answer(known, value, self._clock() - age, len(encode(value))))

    def known_by(self, fun: str, arg: str) -> Collection[str]:
        """Return the minions that answered a question; some answers may be too old."""
        return self._minions.get((fun, arg), ())

    def settles(self, answer: Answer, requester: Requester) -> bool:
        """Return whether an answer can be used without a question: it and the master's permission are fresh."""
        oldest = min(answer.at, answer.recent_users.get(requester, -math.inf))
        return self._clock() - oldest <= FRESH_SECONDS

    def sent(self, key: Key, requester: Requester) -> asyncio.Future[Job] | None:
        """Return the job of this user's question if it is sent and not answered, so that it is not sent twice."""
        at, job = self._sent.get((key, requester), (0.0, None))
        return None if job is None or self._clock() - at > PENDING_SECONDS else job

    def send(self, key: Key, requester: Requester) -> asyncio.Future[Job]:
        """Record that a question is being sent, and return the future of its job."""
        future: asyncio.Future[Job] = asyncio.get_running_loop().create_future()
        # Retrieve the exception: asyncio logs it if nobody else waits.
        future.add_done_callback(lambda done: None if done.cancelled() else done.exception())
        self._sent[key, requester] = self._clock(), future
        return future

    def failed(self, key: Key, requester: Requester, error: BaseException) -> None:
        """Record that a question could not be sent."""
        _, future = self._sent.pop((key, requester), (0.0, None))
        if future is None or future.done():
            return
        if isinstance(error, Exception):
            future.set_exception(error)
        else:
            future.cancel()

    def expect(self, key: Key, requester: Requester, job: Job) -> None:
        """Record that the master permitted a question; its answer is stored even if nobody waits for it any more."""
        answer = self._answers.get(key)
        if answer is not None:
            self._permit(answer, requester)
        if len(self._questions) >= MAX_QUESTIONS:
            self._drop_question(next(iter(self._questions)))
        self._questions[job.jid] = _Question(key, requester, self._minion_registry.get(key[0]))
        _, future = self._sent.get((key, requester), (0.0, None))
        if future is not None and not future.done():
            future.set_result(job)
        self._on_change(job, tuple(job.parts))  # a minion may answer before the master replies

    def _on_change(self, job: Job, minions: tuple[str, ...]) -> None:
        question = self._questions.get(job.jid)
        if question is None:
            return
        name = question.key[0]
        part = job.parts.get(name)
        returned = part is not None and name in minions and part.state == "returned"
        if part is not None and returned:
            self._store(question, part.value)
        if job.ended or returned:
            self._drop_question(job.jid)

    def _store(self, question: _Question, value: Any) -> None:
        key = question.key
        old = self._answers.get(key)
        recent_users = {} if old is None else old.recent_users
        if old is not None:
            self._drop_answer(key)
        answer = Answer(question.minion, value, self._clock(), len(encode(value)), recent_users)
        self._permit(answer, question.requester)
        self._add(key, answer)

    def _add(self, key: Key, answer: Answer) -> None:
        self._answers[key] = answer
        self._minions.setdefault(key[2:], {})[key[0]] = None
        self._bytes += answer.size
        while self._bytes > MAX_BYTES or len(self._answers) > MAX_ANSWERS:
            self._drop_answer(next(iter(self._answers)))

    def _drop_question(self, jid: str) -> None:
        question = self._questions.pop(jid)
        self._sent.pop((question.key, question.requester), None)

    def _drop_answer(self, key: Key) -> None:
        self._bytes -= self._answers.pop(key).size
        minions = self._minions.get(key[2:], {})
        minions.pop(key[0], None)
        if not minions:
            self._minions.pop(key[2:], None)

    def _permit(self, answer: Answer, requester: Requester) -> None:
        answer.recent_users.pop(requester, None)
        answer.recent_users[requester] = self._clock()
        while len(answer.recent_users) > MAX_USERS:
            del answer.recent_users[next(iter(answer.recent_users))]
