"""One client's connection, whatever its door: who speaks on it, and what it has subscribed to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any, Protocol

from ...errors import TOKEN_ENDED, ApiError
from ..access.sessions import Session
from ..access.throttle import Pace
from .codecs import JSON, Codec
from .outbox import Outbox


class Subscription(Protocol):
    """A filtered, positioned view of what is going on."""

    number: int
    session: Session

    def regroup(self) -> None:
        """Look anew at what may be seen, after the permissions changed."""
        ...

    def stop(self) -> None:
        """Send nothing more and let go of everything."""
        ...

    def tell_ended(self, why: ApiError) -> None:
        """Say, after it was stopped, that nothing comes any more."""
        ...


def _gone(code: int, reason: str) -> None:
    """Close what is closed."""


class Connection:
    """State of one connection.

    :param address: where the client comes from, for limits and the audit log
    :param outbox: what waits for this client
    :param wrap: makes a frame of the door's protocol from an encoded message; shared by all connections of a codec
    :param close: ``close(code, reason)`` ends the connection
    :param codec: the format of its messages
    """

    def __init__(
        self,
        address: str,
        outbox: Outbox,
        wrap: Callable[[bytes], bytes],
        close: Callable[[int, str], None],
        codec: Codec = JSON,
    ) -> None:
        self.address = address
        self.outbox = outbox
        self.wrap = wrap
        self.close = close
        self.codec = codec
        self.session: Session | None = None
        """Who speaks on this connection: the user of the last ``auth``."""
        self.subscriptions: dict[int, Subscription] = {}
        self.in_flight: set[int | str] = set()
        """Ids of requests that have no reply yet."""
        self.commands = 0
        """How many requests have no reply yet, with id or without."""
        self.read_until: dict[Any, int] = {}
        """For ``get_event``: the last number looked at, by filter."""
        self.waits: set[asyncio.Future[Any]] = set()
        """What requests of this connection wait for; nobody waits any more when it is gone."""
        self.reads_like_salt = False
        """Whether arguments mean what Salt's own clients make of them, as on salt-api's protocol, or are exact."""
        self.open = True
        self.proved = False
        """Whether some message brought a valid token of its own: that meets the auth deadline."""
        self.pace: Pace | None = None
        """Of frames that end no message, once there is one."""
        self.shared_pace: Pace | None = None
        """That of all connections of the user; each keeps it."""
        self.hook_counted = False
        """Whether the protocol has counted a stranger's webhook already, before it read its body."""
        self._numbers = count(1)

    def send(self, *messages: Any) -> None:
        """Send messages, which leave together; to a connection that is gone, nothing."""
        if self.open:
            self.outbox.put(self.frame(*messages))

    def frame(self, *messages: Any) -> bytes:
        """Return messages as they travel; nothing where the format has no word for them."""
        return b"".join([self.wrap(packed) for packed in self.codec.pack(messages) if packed])

    @contextmanager
    def waiting(self, future: asyncio.Future[Any]) -> Iterator[None]:
        """Have a future fail when the connection goes meanwhile, or has gone already.

        :raises ApiError: there is nobody any more for whom to wait
        """
        if not self.open:
            # Else who sends a long ``cmd`` and hangs up would leave a task, and questions to minions, for an hour.
            raise ApiError("timeout", "the connection is gone")
        self.waits.add(future)
        try:
            yield
        finally:
            self.waits.discard(future)

    def next_number(self) -> int:
        """Return the number of the next subscription."""
        return next(self._numbers)

    def become(self, session: Session) -> None:
        """Belong to the user of this session from now on.

        A new login of the same user extends what rests on the old one; another user's leaves it where it is.
        """
        if not self.open:
            return  # it went while the password was being checked: nobody would ever let go of the session
        session.held += 1
        session.holdings.connections += 1
        old, self.session = self.session, session
        if old is None:
            return
        old.held -= 1
        old.holdings.connections -= 1
        if (old.user, old.eauth) == (session.user, session.eauth):
            for subscription in list(self.subscriptions.values()):
                if subscription.session is old:
                    old.held -= 1
                    old.holdings.subscriptions -= 1
                    session.held += 1
                    session.holdings.subscriptions += 1
                    subscription.session = session
                    subscription.regroup()

    def add(self, subscription: Subscription) -> None:
        """Keep a subscription, which rests on its own session."""
        if not self.open:
            return
        subscription.session.held += 1
        subscription.session.holdings.subscriptions += 1
        self.subscriptions[subscription.number] = subscription

    def remove(self, number: int) -> bool:
        """End a subscription; return whether there was one of this number."""
        subscription = self.subscriptions.pop(number, None)
        if subscription is None:
            return False
        subscription.stop()
        subscription.session.held -= 1
        subscription.session.holdings.subscriptions -= 1
        return True

    def session_ended(self, session: Session) -> None:
        """End what rests on a session that is over: subscriptions, and the connection if it is its own."""
        why = session.ended or ApiError("token_expired", "the token has ended")
        for subscription in [one for one in self.subscriptions.values() if one.session is session]:
            self.remove(subscription.number)
            subscription.tell_ended(why)
        if self.session is session:
            self.close(TOKEN_ENDED, why.message)

    def closed(self) -> None:
        """Let go of everything; the door calls this when the connection is gone."""
        self.open = False
        for number in list(self.subscriptions):
            self.remove(number)
        if self.session is not None:
            self.session.held -= 1
            self.session.holdings.connections -= 1
            self.session = None
        for future in self.waits:
            if not future.done():
                future.set_exception(ApiError("timeout", "the connection is gone"))
        self.outbox.close()
        self.close = _gone  # the door holds us and we hold it no more: both are freed as soon as they are done
