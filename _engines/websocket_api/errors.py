"""All errors and close codes that a client can receive, in two tables.

They are two families, because clients must react differently:

    ApiError      answers one request; the connection stays open
    CLOSE_CODES   end the connection; each one tells whether to reconnect

``docs/protocol.md`` is generated from both tables.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

MAX_FAULTS = 100
"""Maximum number of reported faults: a message with 10,000 unknown fields must not get a larger answer."""

MAX_NAME = 64
"""Maximum characters of a name from the message in an error text."""


@dataclass(frozen=True)
class ErrorKind:
    """One error code: its meaning for the author of a client, and whether the same request may succeed later.

    ``status`` is its status (RFC 9110) over HTTP.
    """

    code: str
    status: int
    retryable: bool
    meaning: str


@dataclass(frozen=True)
class CloseKind:
    """One close code: its name, whether a client should reconnect, and what happened."""

    code: int
    name: str
    reconnect: str
    meaning: str


def _errors(*kinds: ErrorKind) -> dict[str, ErrorKind]:
    return {kind.code: kind for kind in kinds}


ERRORS = _errors(
    ErrorKind("bad_json", 400, False, "The message is not JSON, or not text in a text protocol."),
    ErrorKind(
        "bad_message", 400, False, "The message does not match its schema; `details` lists every fault with its path."
    ),
    ErrorKind("unknown_type", 400, False, "There is no operation of this `type`."),
    ErrorKind("id_in_use", 400, False, "A request with this `id` is still in flight on this connection."),
    ErrorKind("unauthenticated", 401, False, "No token, an invalid or revoked token, or a refused login."),
    ErrorKind("token_expired", 401, False, "The token was valid and has expired: log in again."),
    ErrorKind(
        "forbidden",
        403,
        False,
        "Salt's permissions or an option of this master deny the request. This is also the answer to a target without "
        "minions, if you may run the function on some minions only.",
    ),
    ErrorKind("not_found", 404, False, "The job, minion or subscription does not exist, or you may not see it."),
    ErrorKind("no_minions", 404, False, "The target matches no minion that this master knows."),
    ErrorKind("unknown_function", 400, False, "There is no such function, or it does not accept these arguments."),
    ErrorKind("conflict", 409, False, "The present state does not allow this, such as canceling a job that has ended."),
    ErrorKind("too_large", 413, False, "The message or its answer is larger than the limit."),
    ErrorKind("too_many", 429, True, "A limit of this server is reached; `details` names it. Try again later."),
    ErrorKind("timeout", 504, True, "There was no answer in time. The request may still take effect."),
    ErrorKind("gap", 410, True, "The requested events are no longer in the history."),
    ErrorKind(
        "master_unavailable",
        503,
        True,
        "The Salt master does not answer, or the engine stops. Try again later; but if `details.sent` is true, the "
        "command may run already.",
    ),
    ErrorKind("internal", 500, True, "An error of this server. The master's log has the traceback."),
)


def _closes(*kinds: CloseKind) -> dict[int, CloseKind]:
    return {kind.code: kind for kind in kinds}


CLOSE_CODES = _closes(
    CloseKind(1002, "protocol error", "no", "The client violated the websocket protocol (RFC 6455)."),
    CloseKind(1007, "invalid text", "no", "A text message was not UTF-8."),
    CloseKind(1009, "too big", "no: the same message would be refused again", "A message was larger than the limit."),
    CloseKind(1011, "internal", "yes, later", "An error of this server. The master's log has the traceback."),
    CloseKind(1012, "restart", "yes, after the seconds named in the reason", "The engine stops, restarts or reloads."),
    CloseKind(4400, "broken protocol", "no", "The client violated the subprotocol."),
    CloseKind(4401, "token ended", "yes, with a new login", "The token expired or was revoked."),
    CloseKind(
        4403,
        "forbidden",
        "no",
        "The address or the Origin may not connect, or you may no longer see what you subscribed to.",
    ),
    CloseKind(
        4406,
        "subprotocol",
        "no: offer one that this server speaks",
        "The server knows none of the offered subprotocols.",
    ),
    CloseKind(4408, "auth too late", "yes, and log in at once", "There was no login within the deadline."),
    CloseKind(
        4410, "fell behind", "yes, and resume with `since`", "The client read too slowly, or did not answer a ping."
    ),
    CloseKind(4429, "too many", "yes, later", "A limit on connections is reached, or on messages without a login."),
)

PROTOCOL_ERROR = 1002
INVALID_TEXT = 1007
TOO_BIG = 1009
INTERNAL_ERROR = 1011
RESTART = 1012
TOKEN_ENDED = 4401
FORBIDDEN = 4403
SUBPROTOCOL = 4406
AUTH_TOO_LATE = 4408
FELL_BEHIND = 4410
TOO_MANY = 4429


class ApiError(Exception):
    """An error for the sender of a request.

    :param code: a key of :data:`ERRORS`
    :param message: one sentence for the person who sent the request; never a secret, never a traceback
    :param details: any JSON value, such as ``[{"path": "/kwargs", "message": "must be an object"}]``
    :param retryable: overrides the kind's value in a special case
    :param status: overrides the kind's HTTP status
    """

    def __init__(
        self,
        code: str,
        message: str,
        details: Any = None,
        *,
        retryable: bool | None = None,
        status: int | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = details
        self.retryable = ERRORS[code].retryable if retryable is None else retryable
        self.status = ERRORS[code].status if status is None else status

    @property
    def may_run(self) -> bool:
        """Whether the master may run the refused command all the same."""
        return isinstance(self.details, dict) and bool(self.details.get("sent"))

    def copy(self) -> ApiError:
        """Return an equal error to raise. One error that is raised again and again collects more and more frames."""
        return self.with_status(self.status)

    def with_status(self, status: int) -> ApiError:
        """Return an equal error that is answered with another HTTP status."""
        return ApiError(self.code, self.message, self.details, retryable=self.retryable, status=status)


def not_permitted() -> ApiError:
    """Return the error for a command without permission; it reveals nothing about the target."""
    return ApiError("forbidden", "Salt does not permit this command")


def forget_frames(error: BaseException) -> None:
    """Break the reference cycles of a handled error.

    An error refers to the frames that it passed. If a frame refers to the error too, they form a cycle. The cycle keeps
    the connection, its stream and the received data alive until the next garbage collection. Call this after an error
    was answered, or before it is kept.
    """
    error.__traceback__ = error.__context__ = None


class NotSent(asyncio.CancelledError):
    """A request to the master was canceled before it reached a channel, so it did not run."""


class CannotRun(Exception):
    """The engine cannot run: one sentence for the operator, with the cause and the remedy."""


class NeedsRestart(CannotRun):
    """This release cannot replace the running one: only a restart of the master can."""
