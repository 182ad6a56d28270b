"""What clients of Digital Rebar follow: all that one of them registered for is one subscription.

So an event that several filters ask for comes once, and clients with the same filters and permissions share its bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ...core.access.sessions import Session
from ...core.access.user_limits import weight
from ...core.delivery.connection import Connection
from ...core.delivery.frames import error_object
from ...core.events.event import Event
from ...core.subscriptions.events import EventSubscription
from ...core.subscriptions.fanout import Group
from ...core.subscriptions.filter_index import Key
from ...core.subscriptions.hub import Hub
from ...errors import ApiError
from .frames import MASTER, Said, message, user
from .patterns import REGISTER, Pattern, Request, read
from .translation import TYPES, Translation

_EVERY_TYPE: frozenset[str] = frozenset().union(*TYPES.values())
KEY_CHARACTERS = 256  # of a client's own text that an error repeats


@dataclass(frozen=True)
class Registered:
    """What a client has registered for."""

    patterns: frozenset[Pattern]
    translation: Translation = field(compare=False)
    _types: frozenset[str] | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Gather the types that are asked for, None for any: most events are told apart by them."""
        types = [one.types for one in self.patterns]
        # Only of those that there are: a client may name thousands that nothing ever has.
        named = [_EVERY_TYPE & some for some in types if some is not None]
        every = None if None in types else frozenset[str]().union(*named)
        object.__setattr__(self, "_types", every)

    @property
    def keys(self) -> tuple[Key, ...]:
        """Nothing: an event is told apart by what it becomes."""
        return ()

    @property
    def weight(self) -> int:
        """For how many patterns it counts, of those that its user may have."""
        ids = sum(len(one.keys) for one in self.patterns if one.keys is not None)
        return weight(len(self.patterns), ids)

    def wants(self, event: Event) -> bool:
        """Tell whether the event can become something of a type that is asked for."""
        return self._types is None or not self._types.isdisjoint(TYPES[event.topic.kind])

    def asked_for(self, event: Event, body: bytes) -> bytes | None:
        """Return the frames that are asked for, one a line."""
        made = self.translation.frames(event, body)
        return b"\n".join([frame.text for frame in made if self.fits(frame.type, frame.action, frame.key)]) or None

    def fits(self, type_: str, action: str, key: str) -> bool:
        """Tell whether something with these fields is asked for."""
        return any(one.fits(type_, action, key) for one in self.patterns)


class RebarSubscription(EventSubscription):
    """All that one client has registered for.

    :param most: filters that it may have registered
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
        most: int,
        wall: Callable[[], float],
        on_stop: Callable[[RebarSubscription], None],
    ) -> None:
        super().__init__(hub, connection, connection.next_number(), session, Registered(frozenset(), translation))
        self._most = most
        self._wall = wall
        self._on_stop = on_stop

    @property
    def group(self) -> Group | None:
        """Who gets the same; None while nothing is registered."""
        return self._group

    def take(self, text: str | bytes) -> None:
        """Do what a client's frame asks for, and acknowledge it or say what is wrong with it."""
        counters = self._hub.counters
        try:
            request = read(text)
            counters.requests[request.verb] += 1
            self._register(request)
        except ApiError as fault:
            counters.errors[fault.code] += 1
            self._tell("error", text[:KEY_CHARACTERS] if isinstance(text, str) else "", error_object(fault))
        else:
            self._tell(request.verb, request.text, None)

    def tell_gap(self, reason: str, first: int | None, last: int | None) -> None:
        """Say that events are missing here."""
        self._tell("gap", reason, {"reason": reason}, MASTER)

    def tell_ended(self, why: ApiError) -> None:
        """Say that nothing comes any more."""
        self._tell("error", "", error_object(why))

    def bookmark(self, epoch: str, seq: int) -> None:
        """Say nothing: these clients do not resume."""

    def stop(self) -> None:
        """Send nothing more."""
        super().stop()
        self._on_stop(self)

    def _register(self, request: Request) -> None:
        """Change what is asked for; whatever was sent before stays before the answer.

        :raises ApiError: too_many, not_found
        """
        patterns = self.filter.patterns
        if request.verb == REGISTER:
            if request.pattern not in patterns and len(patterns) >= self._most:
                limit = {"limit": "subscriptions_per_connection"}
                raise ApiError("too_many", f"{self._most} filters are registered", limit, retryable=False)
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
        """Count another filter in place of the present one.

        :raises ApiError: its user has too many patterns
        """
        limit, share = self._hub.limits.patterns, self.session.share
        self._patterns.end()
        try:
            self._patterns = limit.take(share, wanted.weight, wanted)
        except ApiError:
            self._patterns = limit.take(share, self.filter.weight, self.filter)
            raise

    def _tell(self, action: str, key: str, value: object, principal: str | None = None) -> None:
        said = Said("websocket", action, key, principal or user(self.session.user), value)
        self.connection.send(message(said, self._wall()))
