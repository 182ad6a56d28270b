"""The conversation with an engine over many connections, without I/O.

The owner reports what happened (``connected``, ``receive``, ``disconnected``), then takes what is to be sent, the
replies, and the streams that changed.
"""

from __future__ import annotations

import enum
import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from salt_live import wire
from salt_live.close_codes import FINAL, MEANINGS
from salt_live.errors import ApiError, ConnectionFailed, LoginFailed
from salt_live.replies import error_of, login_ended
from salt_live.requests import Requests
from salt_live.streams import EventStream, Stream
from salt_live.subscriptions import Handler, Subscriptions

TOO_BIG = 1009
TOKEN_ENDED = 4401


class State(enum.Enum):
    """The state of the connection: the words of the JavaScript client."""

    OUT = "out"
    CONNECTING = "connecting"
    OPEN = "open"
    WAITING = "waiting"
    REFUSED = "refused"


@dataclass
class Credentials:
    """How to log in: with a token, or with a name and a password."""

    username: str | None = None
    password: str | None = None
    eauth: str | None = None
    token: str | None = None

    def message(self, *, with_token: bool) -> dict[str, Any]:
        """Return the message ``auth``."""
        if with_token and self.token:
            return {"type": "auth", "token": self.token}
        fields = {"username": self.username, "password": self.password, "eauth": self.eauth}
        return {"type": "auth", **{name: value for name, value in fields.items() if value is not None}}


class Session:
    """Requests, subscriptions and the login of one user.

    :param credentials: updated with the token of each login
    :param clock: returns seconds since 1970-01-01 UTC
    :param addresses: how many addresses are tried in turn; masters without common tokens know only their own
    """

    def __init__(self, credentials: Credentials, clock: Callable[[], float] = time.time, addresses: int = 1) -> None:
        self.credentials = credentials
        self.state = State.OUT
        self.login: dict[str, Any] = {}
        self.failure: ConnectionFailed | None = None
        self.connections = 0
        self.requests = Requests(clock)
        self.subscriptions = Subscriptions(self._ask)
        self._numbers = itertools.count(1)
        self._handlers: dict[int, Handler] = {}
        self._output: list[str] = []
        self._addresses = addresses
        self._address: str | None = None
        self._same_address = True
        self._accepted_at: str | None = None
        """The address that accepted the present token last."""
        self._refused_at: set[str | None] = set()
        """The addresses that refused it since."""

    @property
    def address(self) -> str | None:
        """The address of the present or last connection; None before the first one."""
        return self._address

    @property
    def refused(self) -> bool:
        """Whether all attempts have ended."""
        return self.state is State.REFUSED

    # What the owner takes

    def take_output(self) -> list[str]:
        """Return the messages to send, in order."""
        output, self._output = self._output, []
        return output

    # What the owner reports

    def connecting(self) -> None:
        """Report the start of an attempt to connect."""
        self.state, self.failure = State.CONNECTING, None

    def connected(self, address: str) -> None:
        """Report an open websocket: log in."""
        self.connecting()
        self._same_address, self._address = address == self._address, address
        self._authenticate(with_token=self.credentials.token is not None)

    def receive(self, text: str | bytes) -> None:
        """Report a message of the engine."""
        message = wire.decode(text)
        number = message.get("id")
        if number is None:
            if "subscription" in message:
                self.subscriptions.apply(message, len(text))
            return
        error = error_of(message["error"]) if message["type"] == "error" else None
        if handler := self._handlers.pop(number, None):
            handler(message.get("result"), error)
        else:
            self.requests.answer(number, message.get("result"), error)

    def disconnected(self, code: int = 1006, reason: str = "") -> None:
        """Report the end of the connection. Requests that only read wait for the next one."""
        self._output.clear()
        self._handlers.clear()
        self.subscriptions.lost()
        if code == TOO_BIG:
            self.requests.refuse_largest()
        self.requests.lost()
        if code == TOKEN_ENDED:
            self._token_ended(reason)
        elif code in FINAL and code != TOO_BIG:
            name, meaning = MEANINGS[code]
            self.refuse(ConnectionFailed(f"the engine closed the connection: {reason or name}; {meaning}", code))
        if not self.refused:
            self.state = State.WAITING

    def refuse(self, failure: ConnectionFailed) -> None:
        """End all attempts: every request and stream gets this failure."""
        self.state, self.failure = State.REFUSED, failure
        self.requests.refuse(failure)
        self.subscriptions.refuse(failure)

    # What the user does

    def request(self, message: dict[str, Any]) -> int:
        """Send a request when there is a connection, and return its number."""
        number = next(self._numbers)
        self.requests.add(number, message)
        if self.state is State.OPEN:
            self._output += self.requests.send()
        return number

    def add(self, stream: Stream) -> None:
        """Subscribe, now and on each new connection."""
        self.subscriptions.add(stream)
        self.resubscribe(stream)

    def resubscribe(self, stream: Stream) -> None:
        """Subscribe a stream that has no number, if there is a connection."""
        if self.state is State.OPEN:
            self.subscriptions.request(stream)

    def read(self, stream: EventStream) -> None:
        """Resume a paused stream whose consumer has read enough."""
        if stream.paused and stream.drained:
            self.resubscribe(stream)

    def _ask(self, message: dict[str, Any], handler: Handler) -> None:
        """Send a request of the session itself. Its reply comes on this connection or never."""
        number = next(self._numbers)
        self._handlers[number] = handler
        self._output.append(wire.encode({**message, "id": number}))

    # Login

    def _authenticate(self, *, with_token: bool) -> None:
        def handle(result: Any, error: ApiError | None) -> None:
            if error is None:
                self._logged_in(result)
                return
            where = f" at {self._address}" if self._addresses > 1 else ""
            failure = LoginFailed(f"cannot log in{where}: {error.message}", error)
            if with_token and login_ended(error):
                if self.credentials.password is not None:
                    self._authenticate(with_token=False)
                elif self._is_token_over():
                    self.refuse(failure)
                else:
                    self.failure = failure
            elif error.retryable:
                self.failure = failure
            else:
                self.refuse(failure)

        self._ask(self.credentials.message(with_token=with_token), handle)

    def _is_token_over(self) -> bool:
        """Note that this address refuses the token; return whether no other one may accept it."""
        self._refused_at.add(self._address)
        return self._address == self._accepted_at or len(self._refused_at) >= self._addresses

    def _token_ended(self, reason: str) -> None:
        self.credentials.token = None
        if self.credentials.password is None:
            self.refuse(LoginFailed(f"the login has ended: {reason or 'the token expired or was revoked'}", code=4401))

    def _logged_in(self, login: dict[str, Any]) -> None:
        self.login, self.credentials.token = login, login["token"]
        self._accepted_at = self._address
        self._refused_at.clear()
        self.state = State.OPEN
        self.connections += 1
        self._output += self.requests.send()
        self.subscriptions.request_all(self._same_address)
