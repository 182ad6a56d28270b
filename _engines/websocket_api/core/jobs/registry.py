"""All jobs that the engine knows: built once from the bus, filled up from the master's job cache, bounded."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any

from ...jids import start_time
from ..events.event import Event
from ..events.tags import Kind
from .call import call_of, redact_load
from .job import RETURNED, Job, Part, is_made_at
from .retention import Needed, Retention

log = logging.getLogger(__name__)

MOST_BYTES = 256 * 1024 * 1024  # of returns kept in memory; older ones are read from the job cache again
INTERNAL = frozenset({"saltutil.find_job"})
"""Salt's own questions about jobs, asked by every waiting client: no job that anybody looks for."""
ANNOUNCING = frozenset({Kind.JOB_NEW, Kind.RUN, Kind.WHEEL})
"""Events that say what a job is, by whom and for whom."""
ANNOUNCED_SECONDS = 120.0  # between a jid and its announcement: a slow master, or another's clock behind a syndic


class JobRegistry:
    """Jobs by jid, newest last.

    :param most: so many jobs are kept (core/jobs/retention.py)
    :param clock: seconds since the epoch
    :param syndics: whether there are masters below this one, whose minions a job's ``new`` does not name
    """

    def __init__(self, *, most: int, clock: Callable[[], float], syndics: bool = False) -> None:
        self._retention = Retention(most, clock)
        self._syndics = syndics
        self._clock = clock
        self._jobs: dict[str, Job] = {}
        self._bytes = 0
        self._listeners: list[Callable[[Job, tuple[str, ...]], None]] = []
        self._end_listeners: list[Callable[[Job], None]] = []

    def __len__(self) -> int:
        return len(self._jobs)

    def on_change(self, call: Callable[[Job, tuple[str, ...]], None]) -> None:
        """Call ``call(job, minions)`` after each change, with the minions whose parts changed."""
        self._listeners.append(call)

    def on_end(self, call: Callable[[Job], None]) -> None:
        """Call ``call(job)`` once for every job that ends; a late return may change it even then."""
        self._end_listeners.append(call)

    def needed_by(self, call: Needed) -> None:
        """Forget no job of which ``call(jid)`` says that somebody needs it."""
        self._retention.needed_by(call)

    def get(self, jid: str | None) -> Job | None:
        """Return the job, if it is known."""
        return self._jobs.get(jid) if jid else None

    def newest_first(self) -> Iterator[Job]:
        """Yield all jobs, without Salt's internal ones."""
        newest_first = sorted(self._jobs.values(), key=lambda job: job.jid, reverse=True)
        return (job for job in newest_first if job.fun not in INTERNAL)

    def unfinished(self, most: int) -> list[str]:
        """Return the newest jobs on minions that have not ended, without Salt's internal ones."""
        found = (job.jid for job in reversed(self._jobs.values()) if not job.ended and self.is_followed(job))
        return list(islice(found, most))

    @staticmethod
    def is_followed(job: Job) -> bool:
        """Tell whether a job is one that somebody may look for: known, and not Salt's own question about another."""
        return job.fun is not None and job.fun not in INTERNAL

    def take(self, event: Event, data: Mapping[str, Any]) -> None:
        """Follow one event of the bus.

        :param data: the event's redacted data, still wrapped where a minion sent it
        """
        topic = event.topic
        if topic.jid and topic.kind in ANNOUNCING and not self._is_credible(topic.jid, event.stamp):
            log.debug("not believed, for the job is not of that time: %.200r", event.tag)
        elif topic.kind is Kind.JOB_NEW and topic.jid:
            self._new(topic.jid, data)
        elif topic.kind is Kind.JOB_MINION and topic.jid and topic.minion:
            if topic.action == "ret" and topic.believed:
                self._returned(topic.jid, topic.minion, data, event.size)
            elif topic.action == "prog":
                self._progress(topic.jid, topic.minion, data)
        elif topic.kind in (Kind.RUN, Kind.WHEEL) and topic.jid:
            self._called("runner" if topic.kind is Kind.RUN else "wheel", topic.jid, topic.action, data, event.size)

    def _is_credible(self, jid: str, stamp: str) -> bool:
        """Tell whether an event may say what a job is.

        Of a job that is known it says nothing new. A minion learns jids, and can have the master fire any event
        (docs/security.md): of a job that was forgotten, or that began before this engine, it could tell what it likes.
        The master announces a job when it makes the jid.
        """
        job = self._jobs.get(jid)
        return (job is not None and job.fun is not None) or is_made_at(jid, stamp, ANNOUNCED_SECONDS)

    def started(self, jid: str, load: Mapping[str, Any], user: str, eauth: str) -> Job:
        """Note a job that was started here; its owner is this user of this eauth."""
        job = self._open(jid)
        self._describe(job, redact_load(dict(load)))
        job.user, job.eauth, job.said_by = user, eauth, None
        job.expect(load.get("minions", ()), load.get("missing", ()), self._clock())
        self._tell(job)
        return job

    def called_here(self, kind: str, jid: str, fun: str, user: str, eauth: str) -> Job:
        """Note a runner or wheel that was started here."""
        job = self._open(jid)
        job.kind, job.fun, job.user, job.eauth = kind, fun, user, eauth
        self._changed(job)
        return job

    def remember(self, job: Job) -> Job:
        """Take a job that was read from the job cache, unless the bus told of it meanwhile."""
        known = self._jobs.get(job.jid)
        if known is not None and known.fun is not None:
            return known
        for minion, part in known.parts.items() if known is not None else ():
            if part.state in RETURNED:
                job.put(minion, part)  # it came after the job cache was read
        job.expect(())
        job.end_told = job.ended  # long ago, perhaps
        self._jobs[job.jid] = job
        self._bytes += job.size - (known.size if known is not None else 0)
        self._tell(job)
        self._forget(job)
        return job

    def found(self, job: Job, parts: Mapping[str, Part]) -> None:
        """Take returns that were found in the job cache: they were not heard on the bus."""
        for minion, part in parts.items():
            if part.state in RETURNED:
                job.size += part.size
                if self._jobs.get(job.jid) is job:
                    self._bytes += part.size
                job.take(minion, part, self._clock())
                self._tell(job, minion)
        self._forget(job)

    def runs(self, job: Job, minion: str) -> None:
        """Note that a minion says that it runs the job."""
        if job.report(minion, 0.0, None):
            self._tell(job, minion)

    def give_up(self, job: Job, minions: list[str], state: str) -> list[str]:
        """End the parts of minions that will not return; ``state`` is missing or canceled."""
        changed = job.give_up(minions, state, self._clock())
        if changed:
            self._tell(job, *changed)
        return changed

    def _new(self, jid: str, data: Mapping[str, Any]) -> None:
        job = self._open(jid)
        if job.fun is not None:
            # The first word counts. A hostile minion can have the master fire any event (docs/security.md), but it
            # learns a jid only after this one: a second ``new`` would show the job to whom the minion likes.
            return
        self._describe(job, data)
        job.expect(_names(data.get("minions")), _names(data.get("missing")), self._clock())
        self._tell(job)

    def _describe(self, job: Job, load: Mapping[str, Any]) -> None:
        fun, job.arg = call_of(load)
        job.fun = fun if fun is not None else job.fun
        job.tgt, job.tgt_type = load.get("tgt"), load.get("tgt_type")
        job.user = job.user or load.get("user")
        job.metadata = load.get("metadata", job.metadata)

    def _returned(self, jid: str, minion: str, data: Mapping[str, Any], size: int) -> None:
        if data.get("cmd") != "_return" or data.get("id") != minion:
            return
        job = self._open(jid)
        if job.fun is not None and minion not in job.parts and not self._syndics:
            return  # the job is not for this minion; only behind a syndic may there be minions that nobody named
        before = job.size
        job.returned(minion, data, size, self._clock())
        self._bytes += job.size - before
        self._tell(job, minion)
        self._forget(job)

    def _progress(self, jid: str, minion: str, data: Mapping[str, Any]) -> None:
        """Two forms: ``websocket_api.progress`` of the minion, and Salt's own state events."""
        job = self._jobs.get(jid)
        said = data.get("data")
        if job is None or not isinstance(said, Mapping):
            return
        percent, message = said.get("percent"), said.get("message")
        if percent is None:
            # State progress: the payload is wrapped once more, and counts states from 0 of ``len``.
            said = said.get("data", said)
            percent, message = _state_progress(str(data.get("tag", "")), said)
        message = message if isinstance(message, str) else None
        if isinstance(percent, (int, float)) and job.report(minion, float(percent), message):
            self._tell(job, minion)

    def _called(self, kind: str, jid: str, action: str, data: Mapping[str, Any], size: int) -> None:
        job = self._open(jid)
        fun = data.get("fun")
        if job.fun is None and isinstance(fun, str):
            job.kind, job.fun = kind, fun.removeprefix(f"{kind}.")
        elif job.kind != kind:
            return  # as above: nothing makes a published job a runner
        job.user = job.user or data.get("user")
        arguments = data.get("fun_args")
        if job.arg is None and isinstance(arguments, (list, tuple)):
            job.arg = list(arguments)
        if action == "ret" and not job.ended:
            job.finish(data.get("return"), bool(data.get("success", True)), size, self._clock())
            self._bytes += size
        self._tell(job)
        self._forget(job)

    def _open(self, jid: str) -> Job:
        job = self._jobs.get(jid)
        if job is None:
            job = self._jobs[jid] = Job(jid, start_time=start_time(jid))
            self._changed(job)
            self._forget(job)
        return job

    def _changed(self, job: Job) -> None:
        # What only returns told of stands in the job cache, if anywhere; Salt's own questions nobody looks for.
        self._retention.changed(job, spent=job.ended or not self.is_followed(job))

    def _forget(self, spared: Job) -> None:
        while (jid := self._retention.choose(self._bytes, MOST_BYTES, spared.jid)) is not None:
            self._retention.forgot(jid)
            self._bytes -= self._jobs.pop(jid).size

    def _tell(self, job: Job, *minions: str) -> None:
        if self._jobs.get(job.jid) is job:
            self._changed(job)
        for call in self._listeners:
            call(job, minions)
        if job.ended and not job.end_told:
            job.end_told = True
            for tell in self._end_listeners:
                tell(job)


def _names(value: Any) -> list[str]:
    return [str(item) for item in value] if isinstance(value, (list, tuple)) else []


def _state_progress(tag: str, said: Any) -> tuple[float | None, str | None]:
    if not isinstance(said, Mapping):
        return None, None
    number, total = tag.rsplit("/", 1)[-1], said.get("len")
    # A minion can write anything there: "²" is a digit that int() refuses, and a long number none that fits a float.
    if not (number.isascii() and number.isdigit() and len(number) < 10) or not isinstance(total, int) or total <= 0:
        return None, None
    state = said.get("ret")
    name = state.get("__id__") or state.get("name") if isinstance(state, Mapping) else None
    return 100.0 * (int(number) + 1) / total, name if isinstance(name, str) else None
