"""The native protocol: websockets on ``/`` and ``/ws`` (docs/protocol.md)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

from ...core.delivery.codecs import CODECS, JSON, Codec
from ...core.delivery.connection import Connection
from ...errors import AUTH_TOO_LATE, TOO_MANY, ApiError
from .handler import SocketHandler

MAX_UNAUTHENTICATED = 200
"""Maximum of messages, pings and message fragments without a login: more than any client needs."""
IN_ORDER = frozenset({"auth", "logout"})
"""Operations that later messages wait for, because these may depend on the user."""


class NativeHandler(SocketHandler):
    """One client of the native protocol, which may also log in with a message."""

    public = True
    _deadline: asyncio.TimerHandle | None = None
    """Closes the connection if the client does not log in."""
    _unauthenticated = 0
    """Frames received before the login."""

    def select_subprotocol(self, subprotocols: list[str]) -> str | None:
        """Return the first of the client's subprotocols that this server knows; None if the client offers none.

        If the server knows none of them, return the first one, and :meth:`open` closes the connection. Browsers and
        most libraries fail a handshake that does not answer with a subprotocol, and would never see the close code.
        """
        offered = [name for name in subprotocols if name]
        return next((name for name in offered if name in CODECS), offered[0] if offered else None)

    def codec(self) -> Codec | None:
        """Return the format of the subprotocol, by default JSON."""
        return CODECS.get(self.selected_subprotocol or JSON.name)

    def refusal_status(self, error: ApiError) -> int:
        """Return a status that the first clients of this protocol know: 503 for errors that no client can fix."""
        return error.status if error.status in (401, 403, 429) else 503

    def on_open(self, connection: Connection) -> None:
        """Set a deadline for the login, if the handshake had none."""
        if self.session is None:
            self._wait_for_login(self.settings_.limits.auth_seconds)

    def handle(self, connection: Connection, message: str | bytes) -> Awaitable[None] | None:
        """Run a request. The next message waits only for a login or logout."""
        if not self._is_known(connection) and not self._count_unauthenticated():
            return None
        started = self.clients.dispatcher.handle(connection, message)
        if started is None:
            return None
        if self.session is None:  # else the limits were raised at the handshake
            started.task.add_done_callback(self._end_deadline)
        if started.operation == "auth" and self._deadline is not None:
            self._pause_deadline(self._deadline, started.task)
        return asyncio.wait([started.task]) if started.operation in IN_ORDER else None  # type: ignore[return-value]

    def small_frame(self) -> float:
        """Count a frame that ends no message; before the login it counts as a message."""
        if self.connection is not None and not self._is_known(self.connection):
            self._count_unauthenticated()
            return 0.0
        return super().small_frame()

    def on_close(self) -> None:
        """Release everything."""
        if self._deadline is not None:
            self._deadline.cancel()
        super().on_close()

    @staticmethod
    def _is_known(connection: Connection) -> bool:
        """Return whether the client has logged in or sent a valid token."""
        return connection.session is not None or connection.has_sent_token

    def _count_unauthenticated(self) -> bool:
        """Count a frame of a client without a login.

        :return: whether the frame may be handled; else the connection is closed
        """
        self._unauthenticated += 1
        if self._unauthenticated == MAX_UNAUTHENTICATED + 1:
            self.end(TOO_MANY, "too many messages without a login: log in first")
        return self._unauthenticated <= MAX_UNAUTHENTICATED

    def _wait_for_login(self, seconds: float) -> None:
        self._deadline = asyncio.get_running_loop().call_later(seconds, self.end, AUTH_TOO_LATE, "log in sooner")

    def _pause_deadline(self, deadline: asyncio.TimerHandle, login: asyncio.Task[None]) -> None:
        """Pause the deadline while a login is checked, because the client cannot make that faster."""
        left = deadline.when() - asyncio.get_running_loop().time()
        deadline.cancel()

        def resume(_: Any) -> None:
            if self._deadline is deadline and self.connection is not None and self.connection.open:
                self._wait_for_login(left)

        login.add_done_callback(resume)

    def _end_deadline(self, _: Any) -> None:
        """Cancel the deadline and raise the limits once the client is known."""
        connection = self.connection
        if connection is None or not self._is_known(connection):
            return
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        self.note_login()
