"""Frames sent to clients of Digital Rebar: ``{"Time", "Type", "Action", "Key", "Principal", "Object", "Original"}``.

Source: Digital Rebar's "Websocket Access"; docs/digital-rebar.md describes it for authors of clients.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from ...core.delivery.codecs import OneByOne
from ...core.events import encoding
from ...core.events.event import Event

MASTER = "master"
"""The principal of the master itself, or of an unknown user on the master."""


class Notice(NamedTuple):
    """One event in Digital Rebar's form, not yet encoded."""

    type: str
    action: str
    key: str
    principal: str
    object: Any


class Frame(NamedTuple):
    """One event as sent, with the fields that filters use."""

    type: str
    action: str
    key: str
    text: bytes


def message(notice: Notice, seconds: float) -> dict[str, Any]:
    """Return the message for an event.

    :param seconds: time of the event, since the epoch
    """
    return {
        "Time": rfc3339(seconds),
        "Type": notice.type,
        "Action": notice.action,
        "Key": notice.key,
        "Principal": notice.principal,
        "Object": notice.object,
        "Original": None,
    }


def frame(notice: Notice, seconds: float) -> Frame:
    """Return the encoded message for an event; it is one line."""
    return Frame(notice.type, notice.action, notice.key, encoding.encode(message(notice, seconds)))


@lru_cache(maxsize=8)
def rfc3339(seconds: float) -> str:
    """Return a time in UTC with nine decimals, as Go writes it; the last three are 0.

    It is kept, because all frames of an event have the same: one of presence has a frame for each minion.
    """
    at = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    return at.strftime("%Y-%m-%dT%H:%M:%S.%f000Z")


def user(name: str) -> str:
    """Return the principal of a user."""
    return f"user:{name}"


def minion(name: str) -> str:
    """Return the principal of a minion."""
    return f"minion:{name}"


class RebarCodec(OneByOne):
    """The format of this protocol. Bodies are ready: translation.py made them, one event a line."""

    name = "digital rebar"
    binary = False

    def encode(self, value: Any) -> bytes:
        """Return a whole message."""
        return encoding.encode(value)

    def decode(self, data: str | bytes) -> Any:
        """Return what a client sent: a text, not JSON (protocols/digital_rebar/patterns.py)."""
        return data

    def body(self, event: Event, body: bytes) -> bytes:
        """Return the body unchanged."""
        return body

    def event(self, number: int, body: bytes) -> bytes:
        """Return the body unchanged: subscriptions have no numbers here."""
        return body

    def events(self, number: int, bodies: Sequence[bytes]) -> bytes:
        """Return several events as lines. Not used: each event is a frame of its own here."""
        return b"\n".join(bodies)
