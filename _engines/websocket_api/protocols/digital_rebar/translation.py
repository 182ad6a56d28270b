"""What Salt says, in the words of Digital Rebar; docs/digital-rebar.md holds the same table for authors of clients.

One event of Salt's can become several: a presence event is one for each minion.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ...core.access.visibility import JobOf
from ...core.events.encoding import decode
from ...core.events.event import Event
from ...core.events.tags import Kind
from ...core.jobs.registry import INTERNAL
from .frames import MASTER, Frame, Said, frame, minion, user

_KEY_ACTIONS = {
    "accepted": "accept",
    "rejected": "reject",
    "pending": "pend",
    "denied": "deny",
    "deleted": "delete",
}
"""Salt says ``accepted``, its documentation ``accept``; so with the others."""

TYPES: dict[Kind, frozenset[str]] = {
    Kind.JOB_NEW: frozenset({"jobs"}),
    Kind.JOB_MINION: frozenset({"jobs", "events"}),
    Kind.RUN: frozenset({"runs"}),
    Kind.WHEEL: frozenset({"wheels"}),
    Kind.KEY: frozenset({"keys", "auth", "minions", "events"}),
    Kind.MINION: frozenset({"minions", "events"}),
    Kind.PRESENCE: frozenset({"minions"}),
    Kind.REFRESH: frozenset({"minions"}),
    Kind.BEACON: frozenset({"beacons"}),
    Kind.CONTROL: frozenset({"events"}),
    Kind.CUSTOM: frozenset({"events"}),
    Kind.OTHER: frozenset({"events"}),
}
"""Which types an event of a kind can become: known before anything of it is decoded."""


class Translation:
    """Salt's events in the words of Digital Rebar.

    :param job_of: the job of a jid, as the engine knows it
    """

    def __init__(self, job_of: JobOf) -> None:
        self._job_of = job_of
        self._rows: dict[Kind, Callable[[Event, Any], Iterator[Said]]] = {
            Kind.JOB_NEW: self._job_new,
            Kind.JOB_MINION: self._job_minion,
            Kind.RUN: self._call("runs"),
            Kind.WHEEL: self._call("wheels"),
            Kind.KEY: _key,
            Kind.MINION: _minion,
            Kind.PRESENCE: _presence,
            Kind.REFRESH: _refresh,
            Kind.BEACON: _beacon,
        }

    def frames(self, event: Event, body: bytes) -> tuple[Frame, ...]:
        """Return what an event becomes; it is made once for all who see as much of it.

        :param body: as much of the event as may be seen
        """
        key = ("digital rebar", body)
        made: tuple[Frame, ...] | None = event.cuts.get(key)
        if made is None:
            data = decode(b"{" + body + b"}")["data"]
            said = self._rows.get(event.topic.kind, _other)(event, data)
            made = tuple(frame(one, event.time) for one in said)
            event.cuts[key] = made
        return made

    def owner(self, jid: str | None) -> str:
        """Return the principal of a job: who started it."""
        job = self._job_of(jid or "")
        return MASTER if job is None or not isinstance(job.user, str) else user(job.user)

    def is_internal(self, jid: str | None) -> bool:
        """Tell whether a job is one of Salt's own questions about jobs, for which nobody looks."""
        job = self._job_of(jid or "")
        return job is not None and job.fun in INTERNAL

    def _job_new(self, event: Event, data: Any) -> Iterator[Said]:
        jid = event.topic.jid
        if not self.is_internal(jid):
            yield Said("jobs", "create", jid or "", self.owner(jid), data)

    def _job_minion(self, event: Event, data: Any) -> Iterator[Said]:
        topic = event.topic
        job = self._job_of(topic.jid or "")
        own = topic.believed or (job is not None and topic.minion in job.parts)
        if topic.action not in ("ret", "prog") or not own:
            yield from _other(event, data)
        elif not self.is_internal(topic.jid):
            # Who returned or reports: the tag says it, which is not sent.
            part = {**data, "id": topic.minion} if isinstance(data, dict) else {"id": topic.minion, "data": data}
            yield Said("jobs", "update", topic.jid or "", self.owner(topic.jid), part)

    def _call(self, type_: str) -> Callable[[Event, Any], Iterator[Said]]:
        actions = {"new": "create", "ret": "save"}

        def row(event: Event, data: Any) -> Iterator[Said]:
            topic = event.topic
            action = actions.get(topic.action, "update")
            yield Said(type_, action, topic.jid or "", self.owner(topic.jid), data)

        return row


def _key(event: Event, data: Any) -> Iterator[Said]:
    name, act = (data.get("id"), data.get("act")) if isinstance(data, Mapping) else (None, None)
    if not isinstance(name, str) or not isinstance(act, str):
        yield from _other(event, data)
    elif event.tag.startswith("salt/auth"):
        yield Said("auth", act, name, minion(name), data)
    else:
        action = _KEY_ACTIONS.get(act, act)
        yield Said("keys", action, name, MASTER, data)
        if action == "delete":
            yield Said("minions", "destroy", name, MASTER, data)


def _minion(event: Event, data: Any) -> Iterator[Said]:
    if event.topic.action == "start":
        yield _of_minion("minions", "create", event, data)
    else:
        yield from _other(event, data)


def _refresh(event: Event, data: Any) -> Iterator[Said]:
    yield _of_minion("minions", "update", event, data)


def _beacon(event: Event, data: Any) -> Iterator[Said]:
    yield _of_minion("beacons", event.topic.action, event, data)


def _of_minion(type_: str, action: str, event: Event, data: Any) -> Said:
    name = event.topic.minion or ""
    return Said(type_, action, name, minion(name), data)


def _presence(event: Event, data: Any) -> Iterator[Said]:
    for field, action in (("present", "update"), ("new", "update"), ("lost", "destroy")):
        names = data.get(field) if isinstance(data, Mapping) else None
        for name in names if isinstance(names, list) else ():
            # Not the whole list with each of its minions.
            yield Said("minions", action, str(name), MASTER, {"id": str(name), "connected": action == "update"})


def _other(event: Event, data: Any) -> Iterator[Said]:
    last = next((part for part in reversed(event.tag.split("/")) if part), event.tag)
    yield Said("events", last, event.tag, _sender(event, data), data)


def _sender(event: Event, data: Any) -> str:
    """Return who sent an event; a minion cannot lose its name, and what is fired by clients bears theirs."""
    if not event.topic.believed:
        return minion(event.topic.minion or "")
    name = data.get("user" if event.topic.kind is Kind.CONTROL else "_user") if isinstance(data, Mapping) else None
    return user(name) if isinstance(name, str) else MASTER
