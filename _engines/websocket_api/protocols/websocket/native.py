"""The native door: websockets on ``/`` and ``/ws`` (docs/protocol.md)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

from ...core.delivery.codecs import CODECS, JSON, Codec
from ...core.delivery.connection import Connection
from ...errors import AUTH_TOO_LATE, TOO_MANY, ApiError
from .handler import SocketHandler

MOST_STRANGE = 200
"""Messages, pings and parts of messages of a connection on which nobody is known: more than any client needs."""
IN_ORDER = frozenset({"auth", "logout"})
"""Nothing that was sent after one of these is looked at before it is done: it may depend on who the user is."""


class NativeHandler(SocketHandler):
    """One client of the native door, who may log in by a message as well."""

    must_log_in = False
    _deadline: asyncio.TimerHandle | None = None
    """Ends the connection on which nobody logs in."""
    _strange = 0
    """What came before anybody was known."""

    def select_subprotocol(self, subprotocols: list[str]) -> str | None:
        """Choose the first of the client's that we speak; none offered means the first of ours.

        Where we speak none of them we repeat one all the same, and close: browsers and most libraries take a handshake
        without it for broken, and would never see the close code.
        """
        offered = [name for name in subprotocols if name]
        return next((name for name in offered if name in CODECS), offered[0] if offered else None)

    def codec(self) -> Codec | None:
        """Return the format of the subprotocol."""
        return CODECS.get(self.selected_subprotocol or JSON.name)

    def refusal(self, fault: ApiError) -> int:
        """Return what the first clients of this door know: an error that no client can mend is 503."""
        return fault.status if fault.status in (401, 403, 429) else 503

    def began(self, connection: Connection) -> None:
        """Give a stranger a deadline."""
        if self.session is None:
            self._wait_for_login(self.clients.services.settings.limits.auth_seconds)

    def took(self, connection: Connection, message: str | bytes) -> Awaitable[None] | None:
        """Run a message; only a login holds up what comes behind it."""
        if self._is_stranger(connection) and not self._count_stranger():
            return None
        started = self.clients.dispatcher.handle(connection, message)
        if started is None:
            return None
        started.task.add_done_callback(self._look_who_came)
        if started.operation == "auth" and self._deadline is not None:
            self._pause(self._deadline, started.task)
        return asyncio.wait([started.task]) if started.operation in IN_ORDER else None  # type: ignore[return-value]

    def small_frame(self) -> float:
        """Count a frame that ends no message: a stranger's as a message."""
        if self.connection is not None and self._is_stranger(self.connection):
            self._count_stranger()
            return 0.0
        return super().small_frame()

    def on_close(self) -> None:
        """Let go of everything."""
        if self._deadline is not None:
            self._deadline.cancel()
        super().on_close()

    @staticmethod
    def _is_stranger(connection: Connection) -> bool:
        """Tell whether nobody has logged in or sent a valid token."""
        return connection.session is None and not connection.has_sent_token

    def _count_stranger(self) -> bool:
        """Count a frame of somebody unknown; return whether it is to be looked at, or end the connection."""
        self._strange += 1
        if self._strange == MOST_STRANGE + 1:
            self.end(TOO_MANY, "so many messages, and nobody has logged in")
        return self._strange <= MOST_STRANGE

    def _wait_for_login(self, seconds: float) -> None:
        self._deadline = asyncio.get_running_loop().call_later(seconds, self.end, AUTH_TOO_LATE, "log in sooner")

    def _pause(self, deadline: asyncio.TimerHandle, login: asyncio.Task[None]) -> None:
        """Let the deadline stand still while a password is checked: how long that takes is not up to the client."""
        left = deadline.when() - asyncio.get_running_loop().time()
        deadline.cancel()

        def go_on(_: Any) -> None:
            if self._deadline is deadline and self.connection is not None and self.connection.open:
                self._wait_for_login(left)

        login.add_done_callback(go_on)

    def _look_who_came(self, _: Any) -> None:
        """Wait for nobody any more who is known by now."""
        connection = self.connection
        if connection is None or not (connection.session is not None or connection.has_sent_token):
            return
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        self.let_in()
