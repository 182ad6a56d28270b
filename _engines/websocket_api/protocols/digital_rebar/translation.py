"""Translate Salt's events to Digital Rebar's; docs/digital-rebar.md has the same table for authors of clients.

One event of Salt can become several: a presence event becomes one for each minion.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ...core.access.visibility import JobOf
from ...core.events.encoding import decode
from ...core.events.event import Event
from ...core.events.tags import Kind
from ...core.jobs.store import INTERNAL
from .frames import MASTER, Frame, Notice, frame, minion, user

_KEY_ACTIONS = {
    "accepted": "accept",
    "rejected": "reject",
    "pending": "pend",
    "denied": "deny",
    "deleted": "delete",
}
"""Salt sends ``accepted``, its documentation says ``accept``; the same for the others."""

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
"""Types that an event of a kind can become: known before the event is decoded."""


class Translation:
    """Translates Salt's events to Digital Rebar's.

    :param job_of: the job of a jid, as the engine knows it
    """

    def __init__(self, job_of: JobOf) -> None:
        self._job_of = job_of
        self._event: Event | None = None
        self._frames: dict[bytes, tuple[Frame, ...]] = {}
        """Frames of the last event, by body: translated once for all clients that see the same of it."""
        self._rows: dict[Kind, Callable[[Event, Any], Iterator[Notice]]] = {
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
        """Return the frames that an event becomes.

        :param body: what the viewer may see of the event
        """
        if event is not self._event:
            self._event, self._frames = event, {}
        made = self._frames.get(body)
        if made is None:
            data = decode(b"{" + body + b"}")["data"]
            notices = self._rows.get(event.topic.kind, _other)(event, data)
            made = self._frames[body] = tuple(frame(notice, event.time) for notice in notices)
        return made

    def owner(self, jid: str | None) -> str:
        """Return the principal of a job: the user that started it."""
        job = self._job_of(jid or "")
        return MASTER if job is None or not isinstance(job.user, str) else user(job.user)

    def is_internal(self, jid: str | None) -> bool:
        """Return whether a job is one that Salt's clients run to ask about another job; these are not shown."""
        job = self._job_of(jid or "")
        return job is not None and job.fun in INTERNAL

    def _job_new(self, event: Event, data: Any) -> Iterator[Notice]:
        jid = event.topic.jid
        if not self.is_internal(jid):
            yield Notice("jobs", "create", jid or "", self.owner(jid), data)

    def _job_minion(self, event: Event, data: Any) -> Iterator[Notice]:
        topic = event.topic
        job = self._job_of(topic.jid or "")
        own = topic.believed or (job is not None and topic.minion in job.parts)
        if topic.action not in ("ret", "prog") or not own:
            yield from _other(event, data)
        elif not self.is_internal(topic.jid):
            # Only the tag names the minion, and the tag is not sent.
            part = {**data, "id": topic.minion} if isinstance(data, dict) else {"id": topic.minion, "data": data}
            yield Notice("jobs", "update", topic.jid or "", self.owner(topic.jid), part)

    def _call(self, type_: str) -> Callable[[Event, Any], Iterator[Notice]]:
        actions = {"new": "create", "ret": "save"}

        def row(event: Event, data: Any) -> Iterator[Notice]:
            topic = event.topic
            action = actions.get(topic.action, "update")
            yield Notice(type_, action, topic.jid or "", self.owner(topic.jid), data)

        return row


def _key(event: Event, data: Any) -> Iterator[Notice]:
    name, act = (data.get("id"), data.get("act")) if isinstance(data, Mapping) else (None, None)
    if not isinstance(name, str) or not isinstance(act, str):
        yield from _other(event, data)
    elif event.tag.startswith("salt/auth"):
        yield Notice("auth", act, name, minion(name), data)
    else:
        action = _KEY_ACTIONS.get(act, act)
        yield Notice("keys", action, name, MASTER, data)
        if action == "delete":
            yield Notice("minions", "destroy", name, MASTER, data)


def _minion(event: Event, data: Any) -> Iterator[Notice]:
    if event.topic.action == "start":
        yield _of_minion("minions", "create", event, data)
    else:
        yield from _other(event, data)


def _refresh(event: Event, data: Any) -> Iterator[Notice]:
    yield _of_minion("minions", "update", event, data)


def _beacon(event: Event, data: Any) -> Iterator[Notice]:
    yield _of_minion("beacons", event.topic.action, event, data)


def _of_minion(type_: str, action: str, event: Event, data: Any) -> Notice:
    name = event.topic.minion or ""
    return Notice(type_, action, name, minion(name), data)


def _presence(event: Event, data: Any) -> Iterator[Notice]:
    for field, action in (("present", "update"), ("new", "update"), ("lost", "destroy")):
        names = data.get(field) if isinstance(data, Mapping) else None
        for name in names if isinstance(names, list) else ():
            # One minion each, not the whole list.
            yield Notice("minions", action, str(name), MASTER, {"id": str(name), "connected": action == "update"})


def _other(event: Event, data: Any) -> Iterator[Notice]:
    last = next((part for part in reversed(event.tag.split("/")) if part), event.tag)
    yield Notice("events", last, event.tag, _sender(event, data), data)


def _sender(event: Event, data: Any) -> str:
    """Return the principal of an event: a minion, whose name the master checked, or the user that fired it."""
    if not event.topic.believed:
        return minion(event.topic.minion or "")
    name = data.get("user" if event.topic.kind is Kind.CONTROL else "_user") if isinstance(data, Mapping) else None
    return user(name) if isinstance(name, str) else MASTER
