"""One event of the bus as the engine stores it: numbered, redacted, encoded once."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from .encoding import decode, encode, footprint
from .function import function_of
from .origins import Origin
from .redaction import PEM_MARK, redact, redact_private_keys
from .tags import MINIONS_MARK, Topic, interned, topic

EVENT_BYTES = 400
"""Bytes of the Python objects around an event's body and tag: counted so that many small events are limited too."""
NAME_BYTES = 8  # of memory for each minion that an event names: the names themselves are shared


@dataclass(slots=True)
class Derived:
    """What was computed from an event while it is delivered, once for all subscriptions that need the same."""

    minion_set: frozenset[str] | None = None
    decoded: dict[str, Any] | None = None
    """The decoded body, which must not be changed."""
    indexes: dict[str, dict[Any, int]] = field(default_factory=dict)
    """The index of each minion in the lists of its data; by name of the list."""
    visible: dict[Hashable, bytes | None] = field(default_factory=dict)
    """Bodies as viewers may see them, None for nothing; by viewer."""
    reduced: dict[tuple[frozenset[str], tuple[str, ...]], bytes] = field(default_factory=dict)
    """Bodies with some minions only; by those minions and the fields that are hidden."""
    minions: dict[bytes, frozenset[str]] = field(default_factory=dict)
    """Minions that a reduced body names; by body."""
    without_return: dict[bytes, bytes] = field(default_factory=dict)
    """Bodies without the return; by body."""
    encoded: dict[tuple[str, bytes], bytes] = field(default_factory=dict)
    """Bodies in other formats; by name of the format and body."""


@dataclass(slots=True)
class Event:
    """An event as clients may get it.

    ``stamp`` is the time at which the master put the event on its bus, as Salt wrote it (``_stamp``). ``body`` is
    ``"seq":…,"tag":…,"data":…``, ``"minion":…`` if a minion sent the event, and ``"master":…`` in a cluster: the inside
    of a JSON object, so that frames are concatenated from bytes.
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
    master: str | None = None
    """The master that fired it; None where there is only one."""
    origin: Origin | None = None
    """Its position at another master, for events of a common log."""
    _derived: Derived | None = None

    @property
    def derived(self) -> Derived:
        """What was computed from this event since :meth:`forget_derived`."""
        if self._derived is None:
            self._derived = Derived()
        return self._derived

    def forget_derived(self) -> None:
        """Release what was computed: the event has been delivered, and stays in the history."""
        self._derived = None

    @property
    def minion_set(self) -> frozenset[str]:
        """The minions as a set; computed once if there are several."""
        if len(self.minions) < 2:
            return frozenset(self.minions)
        derived = self.derived
        if derived.minion_set is None:
            derived.minion_set = frozenset(self.minions)
        return derived.minion_set

    @property
    def size(self) -> int:
        """Bytes that the history counts for this event."""
        return EVENT_BYTES + len(self.body) + len(self.tag) + NAME_BYTES * len(self.minions)

    @property
    def memory(self) -> int:
        """Bytes of memory that its data take where they are kept as values."""
        return footprint(self.body)

    def decoded(self) -> dict[str, Any]:
        """Return ``{seq, tag, data}``; each call decodes the body."""
        value: dict[str, Any] = decode(b"{" + self.body + b"}")
        return value


def make(
    seq: int,
    tag: str,
    data: dict[str, Any],
    now: float,
    master: str | None = None,
    origin: Origin | None = None,
) -> tuple[Event, dict[str, Any]]:
    """Return the event for what was read from the bus, and its redacted data (still wrapped) for the registries.

    :param seq: its number in the history
    :param data: the event's data as Salt put it on the bus
    :param now: seconds since the epoch
    :param master: the master that fired it
    :param origin: its position there, for an event of a common log
    """
    about = topic(tag, data)
    wrapped = data.get("cmd") == MINIONS_MARK
    if not wrapped:
        data = redact(data)
    body = _body(seq, tag, data, wrapped, master, origin)
    if PEM_MARK in body:
        # Searching the encoded bytes is cheap; walking every value of every event is not.
        data = redact_private_keys(data)
        body = _body(seq, tag, data, wrapped, master, origin)
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
        master=master,
        origin=origin,
    )
    return event, data


def encode_body(
    seq: int,
    tag: str,
    data: Any,
    minion: str | None = None,
    master: str | None = None,
    origin: Mapping[str, Any] | None = None,
) -> bytes:
    """Return the inside of the JSON object that every event frame has.

    :param origin: ``{"epoch", "seq"}`` at another master
    """
    parts: dict[str, Any] = {"seq": seq, "tag": tag, "data": data}
    if minion is not None:
        parts["minion"] = minion
    if master is not None:
        parts["master"] = master
    if origin is not None:
        parts["origin"] = origin
    return encode(parts)[1:-1]


def _body(seq: int, tag: str, data: dict[str, Any], wrapped: bool, master: str | None, origin: Origin | None) -> bytes:
    place = None if origin is None else {"epoch": origin.epoch, "seq": origin.seq}
    if wrapped:
        return encode_body(seq, tag, data.get("data"), str(data.get("id", "")), master, place)
    return encode_body(seq, tag, data, None, master, place)


def minions_of(about: Topic, data: dict[str, Any]) -> tuple[str, ...]:
    """Return the minions that an event is about."""
    if about.minion is not None:
        return _single(about.minion)
    found: list[Any] = []
    for name in ("minions", "missing", "present", "new", "lost"):
        value = data.get(name)
        if isinstance(value, (list, tuple)):
            found.extend(value)
    if not found and isinstance(data.get("id"), str):
        found.append(data["id"])
    return tuple(map(interned, found))


@lru_cache(maxsize=16_384)
def _single(minion: str) -> tuple[str, ...]:
    """Return the minions of an event about one: most events of a minion share this object."""
    return (minion,)
