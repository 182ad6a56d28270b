"""What clients of Digital Rebar get: ``{"Time", "Type", "Action", "Key", "Principal", "Object", "Original"}``.

From Digital Rebar's "Websocket Access"; docs/digital-rebar.md is what authors of clients read.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any, NamedTuple

from ...core.delivery.codecs import OneByOne
from ...core.events import encoding
from ...core.events.event import Event

MASTER = "master"
"""The principal of what the master says by itself, or of somebody unknown who works on it."""


class Said(NamedTuple):
    """One event as Digital Rebar would say it, not yet encoded."""

    type: str
    action: str
    key: str
    principal: str
    object: Any


class Frame(NamedTuple):
    """One event as it is sent, with what filters ask about."""

    type: str
    action: str
    key: str
    text: bytes


def message(said: Said, seconds: float) -> dict[str, Any]:
    """Return what is sent.

    :param seconds: when it happened, since the epoch
    """
    return {
        "Time": rfc3339(seconds),
        "Type": said.type,
        "Action": said.action,
        "Key": said.key,
        "Principal": said.principal,
        "Object": said.object,
        "Original": None,
    }


def frame(said: Said, seconds: float) -> Frame:
    """Return what is sent, encoded; it is one line."""
    return Frame(said.type, said.action, said.key, encoding.encode(message(said, seconds)))


def rfc3339(seconds: float) -> str:
    """Return a time in UTC with nine digits behind the second, as Go writes it; what is known are microseconds."""
    at = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    return at.strftime("%Y-%m-%dT%H:%M:%S.%f000Z")


def user(name: str) -> str:
    """Return the principal for a user."""
    return f"user:{name}"


def minion(name: str) -> str:
    """Return the principal for a minion."""
    return f"minion:{name}"


class RebarCodec(OneByOne):
    """The format of this protocol: translation.py made the events, one a line."""

    name = "digital rebar"
    binary = False

    def encode(self, value: Any) -> bytes:
        """Return a whole message."""
        return encoding.encode(value)

    def decode(self, data: str | bytes) -> Any:
        """Return what a client sent, which is no JSON but a text (protocols/digital_rebar/patterns.py)."""
        return data

    def body(self, event: Event, body: bytes) -> bytes:
        """Return the body, which is ready."""
        return body

    def event(self, number: int, body: bytes) -> bytes:
        """Return the body, which is ready: here subscriptions have no numbers."""
        return body

    def events(self, number: int, bodies: Sequence[bytes]) -> bytes:
        """Return several, which is never asked for: here every event has a frame of its own."""
        return b"\n".join(bodies)
