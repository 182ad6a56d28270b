"""The subscription of a client of Digital Rebar: all its filters are one subscription.

So an event that several filters match is sent once, and clients with the same filters and permissions share its bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ...core.access.session import Session
from ...core.access.user_limits import weight
from ...core.delivery.connection import Connection
from ...core.delivery.frames import error_object
from ...core.events.event import Event
from ...core.subscriptions.events import EventSubscription
from ...core.subscriptions.fanout import Group
from ...core.subscriptions.filter_index import Key
from ...core.subscriptions.hub import Hub
from ...errors import ApiError
from .frames import MASTER, Notice, message, user
from .patterns import REGISTER, Pattern, Request, parse_request
from .translation import TYPES, Translation

_EVERY_TYPE: frozenset[str] = frozenset().union(*TYPES.values())
MAX_ERROR_KEY = 256
"""Characters of a client's own text that an error repeats."""


@dataclass(frozen=True)
class Registered:
    """The filters that a client has registered."""

    patterns: frozenset[Pattern]
    translation: Translation = field(compare=False)
    _types: frozenset[str] | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Collect the types of all filters, None for any: they decide most events."""
        types = [one.types for one in self.patterns]
        # Only types that exist: a client may name thousands of others.
        named = [_EVERY_TYPE & some for some in types if some is not None]
        every = None if None in types else frozenset[str]().union(*named)
        object.__setattr__(self, "_types", every)

    @property
    def keys(self) -> tuple[Key, ...]:
        """Empty: filters are applied to what an event becomes."""
        return ()

    @property
    def weight(self) -> int:
        """How much it counts towards its user's limit of patterns."""
        ids = sum(len(one.keys) for one in self.patterns if one.keys is not None)
        return weight(len(self.patterns), ids)

    def matches(self, event: Event) -> bool:
        """Return whether the event can become a type of these filters."""
        return self._types is None or not self._types.isdisjoint(TYPES[event.topic.kind])

    def covers(self, master: str | None) -> bool:
        """Return true: these clients do not filter by master."""
        return True

    def select(self, event: Event, body: bytes) -> bytes | None:
        """Return the frames that the filters match, one a line."""
        made = self.translation.frames(event, body)
        return b"\n".join([frame.text for frame in made if self.fits(frame.type, frame.action, frame.key)]) or None

    def fits(self, type_: str, action: str, key: str) -> bool:
        """Return whether a filter matches a frame with these fields."""
        return any(one.fits(type_, action, key) for one in self.patterns)


class RebarSubscription(EventSubscription):
    """All that one client has registered.

    :param max_filters: filters that it may register
    :param wall: seconds since the epoch
    :param on_stop: called when it ends
    """

    filter: Registered

    def __init__(
        self,
        hub: Hub,
        connection: Connection,
        session: Session,
        translation: Translation,
        *,
        max_filters: int,
        wall: Callable[[], float],
        on_stop: Callable[[RebarSubscription], None],
    ) -> None:
        super().__init__(hub, connection, connection.next_number(), session, Registered(frozenset(), translation))
        self._max_filters = max_filters
        self._wall = wall
        self._on_stop = on_stop

    @property
    def group(self) -> Group | None:
        """The group of clients that get the same; None while nothing is registered."""
        return self._group

    def handle(self, text: str | bytes) -> None:
        """Handle a client's frame, and send the acknowledgment or the error."""
        counters = self._hub.counters
        try:
            request = parse_request(text)
            counters.requests[request.verb] += 1
            self._register(request)
        except ApiError as error:
            counters.errors[error.code] += 1
            self._send("error", text[:MAX_ERROR_KEY] if isinstance(text, str) else "", error_object(error))
        else:
            self._send(request.verb, request.text, None)

    def send_gap(
        self,
        reason: str,
        first: int | None,
        last: int | None,
        times: tuple[float, float] | None = None,
        *,
        masters: Mapping[str, Any] | None = None,
    ) -> None:
        """Report that events are missing."""
        self._send("gap", reason, {"reason": reason}, MASTER)

    def send_ended(self, error: ApiError) -> None:
        """Report that the subscription has ended."""
        self._send("error", "", error_object(error))

    def bookmark(self, epoch: str, seq: int) -> None:
        """Send nothing: these clients do not resume."""

    def stop(self) -> None:
        """Send nothing more."""
        super().stop()
        self._on_stop(self)

    def _register(self, request: Request) -> None:
        """Change the filters. Events of the earlier ones are sent before the acknowledgment.

        :raises ApiError: too_many, not_found
        """
        patterns = self.filter.patterns
        if request.verb == REGISTER:
            if request.pattern not in patterns and len(patterns) >= self._max_filters:
                limit = {"limit": "subscriptions_per_connection"}
                raise ApiError(
                    "too_many",
                    f"{self._max_filters} filters are registered: deregister one",
                    limit,
                    retryable=False,
                )
            patterns |= {request.pattern}
        elif request.pattern in patterns:
            patterns -= {request.pattern}
        else:
            raise ApiError("not_found", "this filter is not registered")
        wanted = Registered(patterns, self.filter.translation)
        self._count(wanted)
        self._leave()
        self.filter = wanted
        if patterns and not self._stopped:
            self._join()

    def _count(self, wanted: Registered) -> None:
        """Count other filters in place of the present ones.

        :raises ApiError: its user has too many patterns
        """
        limit, share = self._hub.limits.patterns, self.session.share
        self._patterns.end()
        try:
            self._patterns = limit.hold(share, wanted.weight, wanted)
        except ApiError:
            self._patterns = limit.hold(share, self.filter.weight, self.filter)
            raise

    def _send(self, action: str, key: str, value: object, principal: str | None = None) -> None:
        notice = Notice("websocket", action, key, principal or user(self.session.user), value)
        self.connection.send(message(notice, self._wall()))
