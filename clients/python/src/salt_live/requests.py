"""Requests of the user over many connections, without I/O: reads are sent again, commands never."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from salt_live import wire
from salt_live.error_codes import TooLarge
from salt_live.errors import ApiError, ConnectionFailed, Unknown

READS = frozenset(
    {
        *("ping", "describe", "whoami", "get_job", "list_jobs", "get_batch", "list_batches"),
        *("list_minions", "match", "functions", "signature"),
    }
)
"""Operations that change nothing: after a broken connection they are sent again. All others are sent once."""


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


class Requests:
    """The requests that wait for a connection, and those in flight, by their numbers.

    :param clock: returns seconds since 1970-01-01 UTC
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._queued: dict[int, _Request] = {}
        self._sent: dict[int, _Request] = {}
        self._replies: list[Reply] = []

    @property
    def in_flight(self) -> int:
        """How many were sent and not answered."""
        return len(self._sent)

    def add(self, number: int, message: dict[str, Any]) -> None:
        """Queue a request."""
        self._queued[number] = _Request(message)

    def send(self) -> list[str]:
        """Return the messages of all queued requests, which are in flight from now on."""
        queued, self._queued = self._queued, {}
        texts = []
        for number, request in queued.items():
            text = wire.encode({**request.message, "id": number})
            request.size, request.sent_at = len(text), self._clock()
            self._sent[number] = request
            texts.append(text)
        return texts

    def answer(self, number: int, result: Any, error: ApiError | None) -> None:
        """Apply a reply of the engine."""
        if self._sent.pop(number, None):
            self._replies.append(Reply(number, result, error))

    def forget(self, number: int) -> None:
        """Drop a request: if it was not sent yet it never will be, otherwise its reply is ignored."""
        self._queued.pop(number, None)
        self._sent.pop(number, None)

    def lost(self) -> None:
        """Apply the loss of the connection: reads are queued again, the outcome of commands is unknown."""
        reads = {number: request for number, request in self._sent.items() if request.message["type"] in READS}
        for number, request in self._sent.items():
            if number not in reads:
                sent = {name: value for name, value in request.message.items() if name != "token"}
                self._replies.append(Reply(number, error=Unknown(sent, request.sent_at)))
        self._queued = {**reads, **self._queued}
        self._sent = {}

    def refuse_largest(self) -> None:
        """Answer the request for which the engine closed the connection: the largest one in flight."""
        if self._sent:
            number = max(self._sent, key=lambda number: self._sent[number].size)
            size = self._sent.pop(number).size
            self._replies.append(Reply(number, error=TooLarge(f"the request of {size} bytes is larger than the limit")))

    def refuse(self, failure: ConnectionFailed) -> None:
        """Answer all requests with a failure."""
        self._replies += [Reply(number, error=failure) for number in [*self._sent, *self._queued]]
        self._sent, self._queued = {}, {}

    def take_replies(self) -> list[Reply]:
        """Return the replies since the last call."""
        replies, self._replies = self._replies, []
        return replies
