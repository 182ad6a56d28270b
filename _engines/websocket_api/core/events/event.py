"""One event of the bus as the engine keeps it: numbered, redacted, encoded once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .encoding import decode, encode
from .function import function_of
from .redaction import PEM_MARK, redact, redact_private_keys
from .tags import MINIONS_MARK, Topic, topic

FRAME_BYTES = 200  # the Python objects around an event's body, counted so that small events are bounded too


@dataclass(slots=True)
class Event:
    """An event as it is shown.

    ``stamp`` is when the master put it on its bus, as Salt wrote it (``_stamp``). ``body`` is
    ``"seq":…,"tag":…,"data":…`` and, for what a minion sent, ``"minion":…``: the inside of a JSON object, so that each
    frame is put together from bytes.
    """

    seq: int
    tag: str
    topic: Topic
    fun: str | None
    minions: tuple[str, ...]
    has_return: bool
    time: float
    stamp: str
    body: bytes
    cuts: dict[Any, Any] = field(default_factory=dict)
    """What was made of it for several viewers or forms, such as cut bodies, by what makes the difference: kept while
    the event is being handed out, then emptied."""

    @property
    def minion_set(self) -> frozenset[str]:
        """The minions as a set; of many it is made once for all who ask."""
        if len(self.minions) < 2:
            return frozenset(self.minions)
        made: frozenset[str] | None = self.cuts.get("minions")
        if made is None:
            made = self.cuts["minions"] = frozenset(self.minions)
        return made

    @property
    def size(self) -> int:
        """Bytes that this event is counted with in the history."""
        return len(self.body) + FRAME_BYTES

    def shown(self) -> dict[str, Any]:
        """Return ``{seq, tag, data}``, decoded anew at each call."""
        value: dict[str, Any] = decode(b"{" + self.body + b"}")
        return value


def make(seq: int, tag: str, data: dict[str, Any], now: float) -> tuple[Event, dict[str, Any]]:
    """Return the event for what was read from the bus, and its redacted data (still wrapped) for the views.

    :param seq: its number in the history
    :param data: the event's data as Salt put it on the bus
    :param now: seconds since the epoch
    """
    about = topic(tag, data)
    wrapped = data.get("cmd") == MINIONS_MARK
    if not wrapped:
        data = redact(data)
    body = _body(seq, tag, data, wrapped)
    if PEM_MARK in body:
        # Searching the encoded bytes is cheap; walking every value of every event would not be.
        data = redact_private_keys(data)
        body = _body(seq, tag, data, wrapped)
    event = Event(
        seq=seq,
        tag=tag,
        topic=about,
        fun=function_of(data),
        minions=minions_of(about, data),
        has_return="return" in data and not wrapped,
        time=now,
        stamp=str(data.get("_stamp", "")),
        body=body,
    )
    return event, data


def body(seq: int, tag: str, data: Any, minion: str | None = None) -> bytes:
    """Return the inside of the JSON object that every event frame carries."""
    parts: dict[str, Any] = {"seq": seq, "tag": tag, "data": data}
    if minion is not None:
        parts["minion"] = minion
    return encode(parts)[1:-1]


def _body(seq: int, tag: str, data: dict[str, Any], wrapped: bool) -> bytes:
    if wrapped:
        return body(seq, tag, data.get("data"), str(data.get("id", "")))
    return body(seq, tag, data)


def minions_of(about: Topic, data: dict[str, Any]) -> tuple[str, ...]:
    """Return the minions that an event is about."""
    if about.minion is not None:
        return (about.minion,)
    found: list[Any] = []
    for name in ("minions", "missing", "present", "new", "lost"):
        value = data.get(name)
        if isinstance(value, (list, tuple)):
            found.extend(value)
    if not found and isinstance(data.get("id"), str):
        found.append(data["id"])
    return tuple(str(item) for item in found)
