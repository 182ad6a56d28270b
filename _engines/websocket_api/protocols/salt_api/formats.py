"""The formats of salt-api's streams: events, minions and jobs as its clients know them.

A frame is built once for all subscriptions that see the same (core/subscriptions/fanout.py). All connections share the
format objects.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

from ...core.delivery.codecs import OneByOne
from ...core.events.encoding import encode
from ...core.events.event import Event
from ...core.jobs.part import RETURNED

BEAT = b":\n\n"
"""A comment of a stream of server-sent events, which keeps a quiet stream open.

An empty line ends it, like every record. Otherwise shell scripts that split at empty lines, as Salt documents, would
read the comment as the start of the next event.
"""
GAP_TAG = "websocket_api/gap"
ANSWER = b"server received message"
"""rest_cherrypy's answer to each message on its websocket."""
RECEIVED = "received"
"""The type of the message that becomes :data:`ANSWER`, in the formats of rest_cherrypy's websocket only."""
_BREAKS = re.compile("[\r\n]")
_ID = re.compile("([0-9a-z]{1,64})-([0-9]{1,15})")


class _Stream(OneByOne):
    """The base of the formats, which are for sending only."""

    binary = False

    def __init__(self, name: str) -> None:
        self.name = name

    def encode(self, value: Any) -> bytes:
        """Return an encoded message; nothing for types that salt-api's clients do not know."""
        return b""

    def decode(self, data: str | bytes) -> Any:
        """Refuse every message: clients only receive."""
        raise ValueError("this format is for sending only")

    def body(self, event: Event, body: bytes) -> bytes:
        """Return a complete event, encoded once for all clients."""
        known, key = event.derived.encoded, (self.name, body)
        made = known.get(key)
        if made is None:
            made = known[key] = self.write(event, *_tag_and_data(event, body))
        return made

    def write(self, event: Event, tag: bytes, data: bytes) -> bytes:
        """Return an event from the JSON texts of its tag and data."""
        return b'{"tag":%b,"data":%b}' % (tag, data)

    def event(self, number: int, body: bytes) -> bytes:
        """Return an event; the format has no subscription numbers."""
        return body

    def events(self, number: int, bodies: Sequence[bytes]) -> bytes:
        """Return several events one after the other."""
        return b"".join(bodies)


def _gap_fields(frame: Mapping[str, Any]) -> dict[str, Any]:
    """Return a gap without the fields of the websocket protocol: these formats have no subscriptions."""
    return {name: value for name, value in frame.items() if name not in ("type", "subscription")}


class _AllEvents(_Stream):
    """``{"tag", "data"}`` for each event; a gap is an event with the tag :data:`GAP_TAG`."""

    def encode(self, value: Any) -> bytes:
        if value.get("type") != "gap":
            return b""
        return encode({"tag": GAP_TAG, "data": _gap_fields(value)})


class _CherryPyEvents(_AllEvents):
    """The same in the frame ``data: ...`` of a server-sent event, as rest_cherrypy's websocket sends it."""

    def encode(self, value: Any) -> bytes:
        if value.get("type") == RECEIVED:
            return ANSWER
        text = super().encode(value)
        return b"data: %b\n\n" % text if text else b""

    def write(self, event: Event, tag: bytes, data: bytes) -> bytes:
        return b"data: %b\n\n" % super().write(event, tag, data)


class _ServerSent(_Stream):
    """Server-sent events (the HTML standard, section 9.2); everything but Salt's events is a comment.

    :param epoch: the name of this run of the engine, for the events' ids
    """

    def __init__(self, epoch: str) -> None:
        super().__init__("text/event-stream")
        self._epoch = epoch.encode()

    def encode(self, value: Any) -> bytes:
        kind = value.get("type")
        if kind == "gap":
            return b": gap %b\n\n" % encode(_gap_fields(value))
        if kind == "ended":
            return b": ended %b\n\n" % encode(value["error"])
        return b""

    def write(self, event: Event, tag: bytes, data: bytes) -> bytes:
        # The tag comes first, as Salt documents, because scripts read it from a record's first line. A line break in
        # it would start another field, so it becomes a space; the data has the exact tag.
        line = _BREAKS.sub(" ", event.tag).encode("utf-8", "replace")
        return b'tag: %b\ndata: {"tag":%b,"data":%b}\nid: %b-%d\n\n' % (line, tag, data, self._epoch, event.seq)


class _FormattedEvents(_Stream):
    """``{"minions": ...}`` and ``{"jobs": ...}``, each followed by an empty line (docs/salt-api.md)."""

    def pack(self, messages: Sequence[Any]) -> list[bytes]:
        jobs: dict[str, Any] = {}
        minions: dict[str, Any] = {}
        packed = []
        for message in messages:
            if message.get("type") == "minions":
                minions.update({name: _minion(name, view) for name, view in message["minions"].items()})
            elif message.get("type") == "job" and message["job"]["kind"] == "job":
                if message["jid"] in jobs:  # the next chunk of a large job
                    packed.append(self._text("jobs", jobs))
                    jobs = {}
                jobs[message["jid"]] = _job(message["job"], message["minions"])
        packed += [self._text(name, items) for name, items in (("minions", minions), ("jobs", jobs)) if items]
        return packed

    def encode(self, value: Any) -> bytes:
        return b"".join(self.pack([value]))

    def _text(self, name: str, items: dict[str, Any]) -> bytes:
        return encode({name: items}) + b"\n\n"


class _CherryPyFormatted(_FormattedEvents):
    """The same as rest_cherrypy sends it: minions are a list, and no empty line follows."""

    def pack(self, messages: Sequence[Any]) -> list[bytes]:
        if messages and messages[0].get("type") == RECEIVED:  # always sent alone
            return [ANSWER]
        return super().pack(messages)

    def _text(self, name: str, items: dict[str, Any]) -> bytes:
        return encode({name: [*items.values()] if name == "minions" else items})


def _minion(name: str, view: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return a minion in saltnado's format. A removed one is an object too, because clients read its fields."""
    if view is None:
        return {"id": name, "grains": {}, "gone": True}
    return {"id": name, "grains": view["grains"] or {}}


def _job(view: Mapping[str, Any], minions: Mapping[str, Any]) -> dict[str, Any]:
    """Return a job in saltnado's format, with some of its minions."""
    fields = {name: view[name] for name in ("jid", "fun", "tgt", "tgt_type", "start_time", "state")}
    return {**fields, "minions": {name: _outcome(minion) for name, minion in minions.items()}}


def _outcome(minion: Mapping[str, Any]) -> dict[str, Any]:
    if minion["state"] not in RETURNED:
        return {"success": False}  # saltnado's mark of a minion that has not returned
    return {name: minion[name] for name in ("return", "retcode", "success")}


def _tag_and_data(event: Event, body: bytes) -> tuple[bytes, bytes]:
    """Return the JSON texts of an event's tag and of its data, as on Salt's own bus.

    The bus wraps an event that a minion sent. salt-api keeps the wrapper, whose ``data`` and ``id`` its clients read.
    """
    tag = encode(event.tag)
    data = body.removeprefix(b'"seq":%d,"tag":%b,"data":' % (event.seq, tag))
    if event.topic.believed:
        return tag, data
    minion = encode(event.topic.minion or "")
    data = data.removesuffix(b',"minion":%b' % minion)
    stamp = encode(event.stamp)
    return tag, b'{"id":%b,"tag":%b,"data":%b,"cmd":"_minion_event","_stamp":%b}' % (minion, tag, data, stamp)


ALL_EVENTS = _AllEvents("all_events")
FORMATTED_EVENTS = _FormattedEvents("formatted_events")
CHERRYPY_EVENTS = _CherryPyEvents("ws")
CHERRYPY_FORMATTED = _CherryPyFormatted("ws?format_events")
server_sent: Callable[[str], _ServerSent] = cache(_ServerSent)
"""Return the format for an epoch, always the same object."""


def position(last_event_id: str | None) -> dict[str, Any] | None:
    """Return ``since`` for a ``Last-Event-ID``; None if it is missing or not an engine's."""
    found = _ID.fullmatch(last_event_id or "")
    return {"epoch": found[1], "seq": int(found[2])} if found else None
