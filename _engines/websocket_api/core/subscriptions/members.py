"""Subscriptions to events as their group sees them, and what is written to them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from ..access.session import Session
from ..delivery.codecs import Codec
from ..delivery.connection import Connection
from ..delivery.waiting import Droppable
from .after import Resume
from .filters import EventFilter

MAX_SHARED = 16
"""Numbers of subscriptions whose frames are kept for other members: nearly all clients of a group have the same."""


class Write(NamedTuple):
    """Events that are written together: their bodies in the members' codec, and the first and last number."""

    bodies: Sequence[bytes]
    first: int
    last: int


class Form(NamedTuple):
    """How events are sent to a client."""

    bundle: bool
    codec: Codec
    wrap: Callable[[bytes], bytes]

    def write(self, number: int, bodies: Sequence[bytes]) -> bytes:
        """Return the frames for these bodies, which are in this codec: one bundle, or one frame each."""
        if self.bundle:
            return self.wrap(self.codec.events(number, bodies))
        return b"".join([self.wrap(self.codec.event(number, body)) for body in bodies])


class Member(Droppable, Protocol):
    """A subscription to events, as a group sees it."""

    number: int
    session: Session
    connection: Connection
    filter: EventFilter
    form: Form
    drop: bool
    """Whether events may be dropped if the client reads too slowly."""

    @property
    def has_lost(self) -> bool:
        """Whether events were dropped and not reported yet."""
        ...

    def bookmark(self, epoch: str, seq: int) -> None:
        """Send the number up to which all events were decided."""
        ...

    def send_gap(
        self, reason: str, first: int | None, last: int | None, *, masters: Mapping[str, Any] | None = None
    ) -> None:
        """Report that events are missing."""
        ...

    def settle(self, resume: Resume | None) -> None:
        """Continue with another filter, and report what is missing; without one, with all others if that is equal."""
        ...
