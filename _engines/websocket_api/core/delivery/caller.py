"""A client that sends requests, over whatever protocol: its session, its limits and what it waits for."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ...errors import ApiError
from ...tracing import NO_CONTEXT, TraceContext
from ..access.session import Session

GONE = "the connection is gone"


class Caller:
    """The sender of requests. One HTTP request is one caller; a websocket is a caller that can also be pushed to.

    :param address: the client's address, for limits and the audit log
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self.session: Session | None = None
        """The session of the last ``auth``; its user owns the connection."""
        self.open = True
        self.has_sent_token = False
        """Whether some message carried a valid token of its own: that meets the auth deadline."""
        self.commands = 0
        """Requests without a reply so far, with or without an id."""
        self.waits: set[asyncio.Future[Any]] = set()
        """What this client's requests wait for; all fail when it leaves."""
        self.read_until: dict[Any, int] = {}
        """For ``get_event``: the last event number read, by filter."""
        self.reads_like_salt = False
        """Whether arguments are parsed as Salt's own clients parse them, as salt-api does, or are taken as they are."""
        self.trace: TraceContext = NO_CONTEXT
        """The trace context of an HTTP request; websocket messages have their own."""
        self.memory = 0
        """Bytes of memory that the value of an HTTP request's body takes, which its operations hold."""
        self.hook_counted = False
        """Whether the protocol already counted this unauthenticated webhook, before it read the body."""

    @contextmanager
    def waiting(self, future: asyncio.Future[Any]) -> Iterator[None]:
        """Fail a future when the client leaves while the block waits for it.

        Without this, a client that sends a long ``cmd`` and hangs up leaves a task, and questions to minions, for an
        hour.

        :raises ApiError: the client has left already
        """
        if not self.open:
            raise ApiError("timeout", GONE)
        self.waits.add(future)
        try:
            yield
        finally:
            self.waits.discard(future)

    def set_session(self, session: Session) -> None:
        """Make this caller the session's user from now on.

        A caller that left while its password was checked gets no session: nothing would ever release it.
        """
        if not self.open:
            return
        session.hold("connections")
        if self.session is not None:
            self.session.release("connections")
        self.session = session

    def release(self) -> None:
        """Release everything; the protocol calls this when the client has left."""
        self.open = False
        if self.session is not None:
            self.session.release("connections")
            self.session = None
        for future in self.waits:
            if not future.done():
                future.set_exception(ApiError("timeout", GONE))
