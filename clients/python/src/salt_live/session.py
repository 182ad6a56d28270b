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
from salt_live.error_codes import BY_CODE, TokenExpired, TooLarge, Unauthenticated
from salt_live.errors import ApiError, ConnectionFailed, LoginFailed, Unknown
from salt_live.streams import EventStream, Stream

READS = frozenset(
    {
        *("ping", "describe", "whoami", "get_job", "list_jobs", "get_batch", "list_batches"),
        *("list_minions", "match", "functions", "signature"),
    }
)
"""Operations that change nothing: after a broken connection they are sent again. All others are sent once."""

TOO_BIG = 1009
TOKEN_ENDED = 4401
LOGIN_ENDED = (Unauthenticated, TokenExpired)
Handler = Callable[[Any, "ApiError | None"], None]


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


@dataclass(frozen=True)
class Reply:
    """The outcome of a request: a result, or an error."""

    number: int
    result: Any = None
    error: Exception | None = None


@dataclass
class _Request:
    message: dict[str, Any]
    size: int = 0
    sent_at: float = 0.0


def error_of(answer: dict[str, Any]) -> ApiError:
    """Return the exception of an error object."""
    kind = BY_CODE.get(answer["code"], ApiError)
    return kind(answer["message"], answer.get("details"), retryable=answer.get("retryable"), code=answer["code"])


class Session:
    """Requests, subscriptions and the login of one user.

    :param credentials: updated with the token of each login
    :param clock: returns seconds since 1970-01-01 UTC
    """

    def __init__(self, credentials: Credentials, clock: Callable[[], float] = time.time) -> None:
        self.credentials = credentials
        self.state = State.OUT
        self.login: dict[str, Any] = {}
        self.failure: ConnectionFailed | None = None
        self.epoch: str | None = None
        self.connections = 0
        self._clock = clock
        self._numbers = itertools.count(1)
        self._queued: dict[int, _Request] = {}
        self._sent: dict[int, _Request] = {}
        self._handlers: dict[int, Handler] = {}
        self._streams: list[Stream] = []
        self._by_number: dict[int, Stream] = {}
        self._output: list[str] = []
        self._replies: list[Reply] = []
        self._changed: dict[Stream, None] = {}
        self._retries: list[Stream] = []
        self._address: str | None = None
        self._same_address = True

    @property
    def refused(self) -> bool:
        """Whether all attempts have ended."""
        return self.state is State.REFUSED

    # What the owner takes

    def take_output(self) -> list[str]:
        """Return the messages to send, in order."""
        output, self._output = self._output, []
        return output

    def take_replies(self) -> list[Reply]:
        """Return the replies since the last call."""
        replies, self._replies = self._replies, []
        return replies

    def take_changed(self) -> list[Stream]:
        """Return the streams with something to read."""
        changed, self._changed = list(self._changed), {}
        return changed

    def take_retries(self) -> list[Stream]:
        """Return the streams that were refused for now: call ``resubscribe`` for each a little later."""
        retries, self._retries = self._retries, []
        return retries

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
                self._frame(message, len(text))
            return
        error = error_of(message["error"]) if message["type"] == "error" else None
        if handler := self._handlers.pop(number, None):
            handler(message.get("result"), error)
        elif self._sent.pop(number, None):
            self._replies.append(Reply(number, message.get("result"), error))

    def disconnected(self, code: int = 1006, reason: str = "") -> None:
        """Report the end of the connection. Requests that only read wait for the next one."""
        self._output.clear()
        self._handlers.clear()
        self._by_number.clear()
        for stream in self._streams:
            stream.lost()
        if code == TOO_BIG:
            self._refuse_largest()
        reads = {number: request for number, request in self._sent.items() if request.message["type"] in READS}
        for number, request in self._sent.items():
            if number not in reads:
                sent = {name: value for name, value in request.message.items() if name != "token"}
                self._replies.append(Reply(number, error=Unknown(sent, request.sent_at)))
        self._queued = {**reads, **self._queued}
        self._sent = {}
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
        for number in [*self._sent, *self._queued]:
            self._replies.append(Reply(number, error=failure))
        self._sent, self._queued = {}, {}
        for stream in self._streams:
            stream.end(failure)
            self._changed[stream] = None
        self._streams.clear()

    # What the user does

    def request(self, message: dict[str, Any]) -> int:
        """Send a request when there is a connection, and return its number."""
        number = next(self._numbers)
        request = _Request(message)
        if self.state is State.OPEN:
            self._send(number, request)
        else:
            self._queued[number] = request
        return number

    def forget(self, number: int) -> None:
        """Drop a request: if it was not sent yet it never will be, otherwise its reply is ignored."""
        self._queued.pop(number, None)
        self._sent.pop(number, None)

    def add(self, stream: Stream) -> None:
        """Subscribe, now and on each new connection."""
        self._streams.append(stream)
        self.resubscribe(stream)

    def remove(self, stream: Stream) -> None:
        """End a subscription."""
        if stream in self._streams:
            self._streams.remove(stream)
        self._unsubscribe(stream)

    def resubscribe(self, stream: Stream) -> None:
        """Subscribe a stream that has no number, if there is a connection."""
        if self.state is not State.OPEN or stream.requested or stream not in self._streams:
            return
        if isinstance(stream, EventStream):
            stream.paused = False
        stream.requested = True
        self._ask({"type": "subscribe", **stream.message}, lambda result, error: self._answer(stream, result, error))

    def read(self, stream: EventStream) -> None:
        """Resume a paused stream whose consumer has read enough."""
        if stream.paused and stream.drained:
            self.resubscribe(stream)

    # Requests

    def _send(self, number: int, request: _Request) -> None:
        text = wire.encode({**request.message, "id": number})
        request.size, request.sent_at = len(text), self._clock()
        self._sent[number] = request
        self._output.append(text)

    def _ask(self, message: dict[str, Any], handler: Handler) -> None:
        """Send a request of the session itself. Its reply comes on this connection or never."""
        number = next(self._numbers)
        self._handlers[number] = handler
        self._output.append(wire.encode({**message, "id": number}))

    def _refuse_largest(self) -> None:
        """Answer the request for which the engine closed the connection: the largest one in flight."""
        if self._sent:
            number = max(self._sent, key=lambda number: self._sent[number].size)
            size = self._sent.pop(number).size
            self._replies.append(Reply(number, error=TooLarge(f"the request of {size} bytes is larger than the limit")))

    # Login

    def _authenticate(self, *, with_token: bool) -> None:
        def handle(result: Any, error: ApiError | None) -> None:
            if error is None:
                self._logged_in(result)
            elif with_token and isinstance(error, LOGIN_ENDED) and self.credentials.password is not None:
                self._authenticate(with_token=False)
            elif error.retryable:
                self.failure = LoginFailed(f"cannot log in: {error.message}", error)
            else:
                self.refuse(LoginFailed(f"cannot log in: {error.message}", error))

        self._ask(self.credentials.message(with_token=with_token), handle)

    def _token_ended(self, reason: str) -> None:
        self.credentials.token = None
        if self.credentials.password is None:
            self.refuse(LoginFailed(f"the login has ended: {reason or 'the token expired or was revoked'}", code=4401))

    def _logged_in(self, login: dict[str, Any]) -> None:
        self.login, self.credentials.token = login, login["token"]
        self.state = State.OPEN
        self.connections += 1
        queued, self._queued = self._queued, {}
        for number, request in queued.items():
            self._send(number, request)
        resumed = [stream for stream in self._streams if isinstance(stream, EventStream) and stream.position]
        for stream in self._streams:
            if stream not in resumed:
                self.resubscribe(stream)
        if resumed:
            self._ask({"type": "ping"}, lambda result, _error: self._resume(result))

    def _resume(self, ping: dict[str, Any] | None) -> None:
        """Subscribe event streams again, after the engine has named its run."""
        for stream in list(self._streams):
            if ping is not None and not stream.requested:
                stream.rebase(ping["epoch"], self._same_address)
                self._changed[stream] = None
            if not (isinstance(stream, EventStream) and stream.paused):
                self.resubscribe(stream)

    # Subscriptions

    def _answer(self, stream: Stream, result: Any, error: ApiError | None) -> None:
        if error is not None:
            stream.requested = False
            if error.retryable:
                self._retries.append(stream)
            elif not isinstance(error, LOGIN_ENDED):
                self._end(stream, error)
            return
        self.epoch = result["epoch"]
        if stream not in self._streams:
            self._ask({"type": "unsubscribe", "subscription": result["subscription"]}, lambda _result, _error: None)
            return
        self._by_number[result["subscription"]] = stream
        stream.subscribed(result)
        self._changed[stream] = None

    def _frame(self, frame: dict[str, Any], size: int) -> None:
        stream = self._by_number.get(frame["subscription"])
        if stream is None:
            return
        if frame["type"] == "ended":
            error = error_of(frame["error"])
            stream.lost()
            if not isinstance(error, LOGIN_ENDED):  # with the login it ends only until the next one
                self._end(stream, error)
            return
        stream.apply(frame, size)
        self._changed[stream] = None
        if stream.full and isinstance(stream, EventStream):
            stream.paused = True
            stream.pauses += 1
            self._unsubscribe(stream)

    def _unsubscribe(self, stream: Stream) -> None:
        if stream.number is not None and self._by_number.pop(stream.number, None) is not None:
            self._ask({"type": "unsubscribe", "subscription": stream.number}, lambda _result, _error: None)
        stream.number, stream.requested = None, False

    def _end(self, stream: Stream, error: ApiError) -> None:
        stream.end(error)
        if stream in self._streams:
            self._streams.remove(stream)
        self._changed[stream] = None
