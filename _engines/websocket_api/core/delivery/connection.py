"""A caller that can be pushed to: its outbox, the format of its messages and its subscriptions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any, Protocol

from ...errors import TOKEN_ENDED, ApiError
from ..access.session import Session
from ..access.throttle import Pace
from .caller import Caller
from .codecs import JSON, Codec
from .outbox import Outbox


class Subscription(Protocol):
    """A filtered view of events, jobs, minions or batches, at a position."""

    number: int
    session: Session

    def regroup(self) -> None:
        """Compute again what the user may see, after permissions changed."""
        ...

    def stop(self) -> None:
        """Send nothing more and release everything."""
        ...

    def send_ended(self, error: ApiError) -> None:
        """Send, after :meth:`stop`, that the subscription has ended."""
        ...


def _ignore_close(code: int, reason: str) -> None:
    """Do nothing: the connection is closed already."""


class Connection(Caller):
    """A client that receives replies and frames of its subscriptions over one connection.

    :param address: the client's address, for limits and the audit log
    :param outbox: frames that wait for this client
    :param wrap: makes a frame of the protocol from an encoded message; all connections of a codec share it
    :param close: ``close(code, reason)`` closes the connection
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
        super().__init__(address)
        self.outbox = outbox
        self.wrap = wrap
        self.close = close
        self.codec = codec
        self.subscriptions: dict[int, Subscription] = {}
        self.in_flight: set[int | str] = set()
        """Ids of requests without a reply so far."""
        self.pace: Pace | None = None
        """The rate of this connection's small frames, once it has sent one."""
        self.shared_pace: Pace | None = None
        """The rate of the user's small frames; each of the user's connections keeps it alive."""
        self._numbers = count(1)

    def send(self, *messages: Any) -> None:
        """Send messages, which leave together; send nothing once the client has left."""
        if self.open:
            self.outbox.put(self.frame(*messages))

    def frame(self, *messages: Any) -> bytes:
        """Return messages as frames; nothing for messages that the format cannot express."""
        return b"".join([self.wrap(packed) for packed in self.codec.pack(messages) if packed])

    def steps(self, *messages: Any, max_bytes: int | None = None) -> Iterator[bytes]:
        """Yield steps, each of which takes a short time; the last one yields what :meth:`frame` returns.

        :raises ApiError: too_large, as soon as a message is larger than ``max_bytes``
        """
        found = []
        for packed in self.codec.steps(messages, max_bytes):
            if packed:
                found.append(self.wrap(packed))
            else:
                yield b""
        yield b"".join(found)

    def next_number(self) -> int:
        """Return the number of the next subscription."""
        return next(self._numbers)

    def set_session(self, session: Session) -> None:
        """Make this connection the session's user's from now on.

        A new login of the same user also extends the subscriptions of the old one. Those of another user keep their
        own session.
        """
        if not self.open:
            return
        old = self.session
        super().set_session(session)
        self.outbox.charge(session.holdings.memory)
        if old is None or (old.user, old.eauth) != (session.user, session.eauth):
            return
        for subscription in list(self.subscriptions.values()):
            if subscription.session is old:
                old.release("subscriptions")
                session.hold("subscriptions")
                subscription.session = session
                subscription.regroup()

    def add(self, subscription: Subscription) -> None:
        """Keep a subscription, which holds its own session."""
        if not self.open:
            return
        subscription.session.hold("subscriptions")
        self.subscriptions[subscription.number] = subscription

    def remove(self, number: int) -> bool:
        """End a subscription.

        :return: whether there was one with this number
        """
        subscription = self.subscriptions.pop(number, None)
        if subscription is None:
            return False
        subscription.stop()
        subscription.session.release("subscriptions")
        return True

    def end_session(self, session: Session) -> None:
        """End the subscriptions of a session that is over, and close the connection if the session is its own."""
        why = session.ended or ApiError("token_expired", "the token has ended")
        for subscription in [one for one in self.subscriptions.values() if one.session is session]:
            self.remove(subscription.number)
            subscription.send_ended(why)
        if self.session is session:
            self.close(TOKEN_ENDED, why.message)

    def release(self) -> None:
        """Release everything; the protocol calls this when the connection is gone."""
        self.open = False
        for number in list(self.subscriptions):
            self.remove(number)
        super().release()
        self.outbox.close()
        # The handler of the protocol and this object hold each other. Without this reference both are freed at once.
        self.close = _ignore_close
