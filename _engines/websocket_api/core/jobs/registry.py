"""All jobs that the engine knows, from the bus, from the master's job cache and from its own commands."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from ...jids import start_time
from ..events.encoding import encode
from ..events.event import Event
from ..events.tags import Kind, named_below
from .call import call_of, redact_load
from .credibility import is_of_its_master, may_announce, may_return
from .gathering import Below, Gathering
from .job import JOB_BYTES, Job
from .part import RETURNED, Part, memory_of
from .progress import read_progress
from .store import JobStore

log = logging.getLogger(__name__)

ANNOUNCING = frozenset({Kind.JOB_NEW, Kind.RUN, Kind.WHEEL})
"""Kinds of events that announce a job: its function, user and target."""


class JobRegistry(JobStore):
    """Jobs by jid, newest last.

    :param max_jobs: jobs that are kept (core/jobs/retention.py)
    :param clock: seconds since the epoch
    :param below: of the masters below this one; None if there are none
    :param master: the own master's id, where there is more than one
    :param clustered: whether these masters are one cluster, and run jobs on the same minions
    :param own_cache: whether the job cache has jobs of the own master only
    """

    def __init__(
        self,
        *,
        max_jobs: int,
        clock: Callable[[], float],
        below: Below | None = None,
        master: str | None = None,
        clustered: bool = False,
        own_cache: bool = False,
    ) -> None:
        super().__init__(max_jobs, clock)
        self._gathering = None if below is None else Gathering(below, clock)
        self._clock = clock
        self._master = master
        self._clustered = clustered
        self._cache_master = master if own_cache and not clustered else None

    def apply(self, event: Event, data: Mapping[str, Any]) -> None:
        """Apply one event of the bus.

        :param data: the event's redacted data, still wrapped if a minion sent it
        """
        topic = event.topic
        if (
            topic.jid
            and topic.kind in ANNOUNCING
            and not may_announce(self._jobs.get(topic.jid), topic.jid, event.stamp)
        ):
            log.debug("ignored an event: its job is of another time; the tag is %.200r", event.tag)
        elif topic.kind is Kind.JOB_NEW and topic.jid:
            self._apply_new(topic.jid, data, event)
        elif topic.kind is Kind.JOB_MINION and topic.jid and topic.minion:
            if topic.action == "ret" and topic.believed:
                self._apply_return(topic.jid, topic.minion, data, event)
            elif topic.action == "prog":
                self._apply_progress(topic.jid, topic.minion, data, event)
        elif topic.kind in (Kind.RUN, Kind.WHEEL) and topic.jid:
            self._apply_call("runner" if topic.kind is Kind.RUN else "wheel", topic.jid, topic.action, data, event)
        elif topic.kind is Kind.CONTROL and self._gathering is not None:
            self._apply_names(self._gathering, event.tag, data)

    def add_started(self, jid: str, load: Mapping[str, Any], user: str, eauth: str) -> Job:
        """Add a job that was started here; its owner is this user of this eauth."""
        job = self._get_or_add(jid)
        self._describe(job, redact_load(dict(load)))
        job.user, job.eauth, job.reported_by = user, eauth, None
        self._expect(job, load)
        self._notify(job)
        return job

    def add_called(self, kind: str, jid: str, fun: str, user: str, eauth: str) -> Job:
        """Add a runner or wheel that was started here."""
        job = self._get_or_add(jid)
        job.kind, job.fun, job.user, job.eauth = kind, fun, user, eauth
        self._notify(job)
        return job

    def add_cached(self, job: Job) -> Job:
        """Add a job that was read from the job cache; return the one from the bus if it was announced meanwhile."""
        known = self._jobs.get(job.jid)
        if known is not None and known.fun is not None:
            if not known.restored:
                return known
            job.inherit(known)
        self.name_master_of_cached(job)
        for minion, part in known.parts.items() if known is not None else ():
            if part.state in RETURNED:
                job.set_part(minion, part)  # it came after the job cache was read
        if self._gathering is not None:
            self._gathering.restore(job)
        job.expect(())
        job.end_reported = job.ended  # it may have ended long ago
        self._jobs[job.jid] = job
        self._notify(job)
        self._drop(job)
        return job

    def name_master_of_cached(self, job: Job) -> None:
        """Name the master of a job of the job cache, if that has jobs of one master only."""
        job.master = job.master or self._cache_master

    def restore(self, job: Job) -> None:
        """Add a job that an earlier process knew. :meth:`add_cached` adds what the job cache has of it."""
        self._jobs[job.jid] = job
        self._notify(job)

    def restored(self) -> set[str]:
        """Return the jobs of which the job cache may have returns, since before this start."""
        return {jid for jid, job in self._jobs.items() if job.restored}

    def add_returns(self, job: Job, parts: Mapping[str, Part]) -> None:
        """Apply returns that were found in the job cache and not received from the bus."""
        for minion, part in parts.items():
            if part.state in RETURNED:
                job.restore(minion, part, self._clock())
                self._notify(job, minion)
        self._drop(job)

    def add_missed(self, job: Job, stored: Job) -> None:
        """Apply what the job cache has of a job and the bus did not bring.

        :param stored: the job as the job cache has it
        """
        if job.ended:
            return
        if job.kind == "job":
            missing = [name for name, part in job.parts.items() if part.state not in RETURNED]
            self.add_returns(job, {name: stored.parts[name] for name in missing if name in stored.parts})
        elif stored.kind == job.kind and stored.ended:
            job.finish(stored.value, bool(stored.success), stored.size, self._clock())
            job.memory += stored.memory - stored.call_memory - JOB_BYTES
            self._notify(job)
            self._drop(job)

    def set_running(self, job: Job, minion: str) -> None:
        """Record that a minion runs the job."""
        if job.apply_progress(minion, 0.0, None):
            self._notify(job, minion)

    def end_gathering(self) -> None:
        """End the time in which masters below may name minions, where it is up; called every second."""
        for job in [] if self._gathering is None else self._gathering.due(self.get):
            self._end_gathering(job)

    def give_up(self, job: Job, minions: list[str], state: str) -> list[str]:
        """End the parts of minions that will not return; ``state`` is missing or canceled."""
        changed = job.give_up(minions, state, self._clock())
        if changed:
            self._notify(job, *changed)
            for call in self._give_up_listeners:
                call(job, changed, state)
        return changed

    def _apply_new(self, jid: str, data: Mapping[str, Any], event: Event) -> None:
        job = self._get_or_add(jid, event)
        if job.fun is not None:
            # The first announcement counts. A hostile minion can make the master fire any event (docs/security.md),
            # but it learns the jid only after this one. A second ``new`` could show the job to other users.
            return
        if not is_of_its_master(job, event, clustered=self._clustered):
            # Minions of another master have returned for it, although they did not get it.
            job = self._jobs[jid] = Job(jid, start_time=start_time(jid))
        self._name_master(job, event)
        self._describe(job, data)
        self._expect(job, data)
        self._notify(job)

    def _expect(self, job: Job, load: Mapping[str, Any]) -> None:
        named, missing = _names(load.get("minions")), _names(load.get("missing"))
        if self._gathering is None:
            job.expect(named, missing, self._clock())
        else:
            self._gathering.expect(job, named, missing)
            self._check_gathering(job)

    def _apply_names(self, gathering: Gathering, tag: str, data: Mapping[str, Any]) -> None:
        """Expect the minions that a master below named for a job."""
        job = self.get(named_below(tag))
        if job is None or job.fun is None or job.ended:
            return  # after its end nobody can make it run again
        named = [name for name in _names(data.get("minions")) if gathering.may_be_below(job, name)]
        new = [name for name in named if name not in job.parts or name in job.unnamed]
        if new:
            job.expect(new, (), self._clock())
            self._check_gathering(job)
            self._notify(job, *new)
            self._drop(job)

    def _check_gathering(self, job: Job) -> None:
        if self._gathering is not None and self._gathering.is_complete(job):
            self._gathering.forget(job)
            job.end_gathering(self._clock())

    def _end_gathering(self, job: Job) -> None:
        if self._gathering is not None:
            self._gathering.forget(job)
        self._notify(job, *job.end_gathering(self._clock()))

    def _describe(self, job: Job, load: Mapping[str, Any]) -> None:
        fun, job.arg = call_of(load)
        job.fun = fun if fun is not None else job.fun
        job.tgt, job.tgt_type = load.get("tgt"), load.get("tgt_type")
        job.user = job.user or load.get("user")
        job.metadata = load.get("metadata", job.metadata)
        job.weigh_call(encode([job.arg, job.tgt, job.metadata]))

    def _apply_return(self, jid: str, minion: str, data: Mapping[str, Any], event: Event) -> None:
        if not may_return(self._jobs.get(jid), minion, data, event, self._gathering, clustered=self._clustered):
            return
        job = self._get_or_add(jid, event)
        job.apply_return(minion, data, len(event.body), self._clock(), memory_of(data, event.body))
        for call in self._return_listeners:
            call(minion, data)
        self._check_gathering(job)
        self._notify(job, minion)
        self._drop(job)

    def _apply_progress(self, jid: str, minion: str, data: Mapping[str, Any], event: Event) -> None:
        job = self._jobs.get(jid)
        percent, message = read_progress(data)
        if job is None or not is_of_its_master(job, event, clustered=self._clustered):
            return
        if percent is not None and job.apply_progress(minion, percent, message):
            self._notify(job, minion)

    def _apply_call(self, kind: str, jid: str, action: str, data: Mapping[str, Any], event: Event) -> None:
        job = self._get_or_add(jid, event)
        fun = data.get("fun")
        if job.fun is None and isinstance(fun, str):
            job.kind, job.fun = kind, fun.removeprefix(f"{kind}.")
            self._name_master(job, event)
        elif job.kind != kind or not is_of_its_master(job, event, clustered=self._clustered):
            return  # as in _apply_new: a published job cannot become a runner
        job.user = job.user or data.get("user")
        arguments = data.get("fun_args")
        if job.arg is None and isinstance(arguments, (list, tuple)):
            job.arg = list(arguments)
            job.weigh_call(encode(arguments))
        if action == "ret" and not job.ended:
            job.finish(data.get("return"), bool(data.get("success", True)), event.size, self._clock())
            job.memory += event.memory
        self._notify(job)
        self._drop(job)

    def _name_master(self, job: Job, event: Event) -> None:
        origin = event.origin
        job.master = event.master
        # The masters of a cluster reach the same minions.
        job.elsewhere = origin is not None and origin.master != self._master and not self._clustered

    def _get_or_add(self, jid: str, event: Event | None = None) -> Job:
        job = self._jobs.get(jid)
        if job is None:
            job = self._jobs[jid] = Job(jid, start_time=start_time(jid), master=self._master)
            if event is not None:
                self._name_master(job, event)
            self._on_change(job)
            self._drop(job)
        return job


def _names(value: Any) -> list[str]:
    return [str(item) for item in value] if isinstance(value, (list, tuple)) else []
