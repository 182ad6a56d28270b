"""Every error a client can get and every close code, in one table.

Two families, told apart because a client's author must act differently on them:

    ApiError      answers one request; the connection lives on
    CLOSE_CODES   end the connection; each says whether to come again

``docs/protocol.md`` is generated from both tables.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

MAX_FAULTS = 100
"""Faults that are looked for and named: a message of 10,000 surplus fields must not be answered with a larger one."""

MAX_NAME = 64
"""Characters of a name that are repeated to the sender."""


@dataclass(frozen=True)
class ErrorKind:
    """One error code: its meaning for the author of a client, and whether the same request may succeed later.

    ``status`` is the HTTP status (RFC 9110) that the doors over HTTP answer it with.
    """

    code: str
    status: int
    retryable: bool
    meaning: str


@dataclass(frozen=True)
class CloseKind:
    """One close code: its name, what a client should do about reconnecting, and what happened."""

    code: int
    name: str
    reconnect: str
    meaning: str


def _errors(*kinds: ErrorKind) -> dict[str, ErrorKind]:
    return {kind.code: kind for kind in kinds}


ERRORS = _errors(
    ErrorKind("bad_json", 400, False, "The message is not JSON, or not text in a text protocol."),
    ErrorKind("bad_message", 400, False, "The message breaks its schema; `details` names every fault with its path."),
    ErrorKind("unknown_type", 400, False, "There is no operation of this `type`."),
    ErrorKind("id_in_use", 400, False, "A request with this `id` is still in flight on this connection."),
    ErrorKind("unauthenticated", 401, False, "No token, a wrong or revoked token, or a refused login."),
    ErrorKind("token_expired", 401, False, "The token was valid and has ended: log in again."),
    ErrorKind(
        "forbidden",
        403,
        False,
        "Salt's permissions, or an option of this master, deny it; also a target that matches nothing, if you may run "
        "the function on some minions only.",
    ),
    ErrorKind("not_found", 404, False, "The job, minion or subscription does not exist, or may not be seen by you."),
    ErrorKind("no_minions", 404, False, "The target matches no minion that this master knows."),
    ErrorKind("unknown_function", 400, False, "There is no such function, or it does not take these arguments."),
    ErrorKind("conflict", 409, False, "It cannot be done in the present state, such as canceling an ended job."),
    ErrorKind("too_large", 413, False, "The message or its answer is larger than the limit."),
    ErrorKind("too_many", 429, True, "A limit of this server is reached; `details` names it. Try again later."),
    ErrorKind("timeout", 504, True, "The answer did not come in time. What was asked for may still happen."),
    ErrorKind("gap", 410, True, "What was asked for is no longer in the history."),
    ErrorKind("master_unavailable", 503, True, "The Salt master does not answer. Try again later."),
    ErrorKind("internal", 500, True, "A fault of this server. It is in the master's log with its traceback."),
)


def _closes(*kinds: CloseKind) -> dict[int, CloseKind]:
    return {kind.code: kind for kind in kinds}


CLOSE_CODES = _closes(
    CloseKind(1002, "protocol error", "no", "The peer broke the websocket protocol (RFC 6455)."),
    CloseKind(1007, "invalid text", "no", "A text message was not UTF-8."),
    CloseKind(1009, "too big", "no: the same message would be refused again", "A message was larger than the limit."),
    CloseKind(1011, "internal", "yes, later", "A fault of this server. It is in the master's log with its traceback."),
    CloseKind(1012, "restart", "yes, after the seconds named in the reason", "The engine stops or restarts."),
    CloseKind(4400, "broken protocol", "no", "The peer broke the subprotocol."),
    CloseKind(4401, "token ended", "yes, with a new login", "The token expired or was revoked."),
    CloseKind(
        4403, "forbidden", "no", "The address or the Origin may not connect, or what you follow is hidden from you now."
    ),
    CloseKind(4406, "subprotocol", "no: offer one that this server speaks", "No offered subprotocol is known."),
    CloseKind(4408, "auth too late", "yes, and log in at once", "Nobody logged in within the auth deadline."),
    CloseKind(4410, "fell behind", "yes, and resume with `since`", "The client read too slowly, or answered no ping."),
    CloseKind(4429, "too many", "yes, later", "A limit on connections is reached, or on a stranger's messages."),
)

PROTOCOL_ERROR = 1002
INVALID_TEXT = 1007
TOO_BIG = 1009
OWN_FAULT = 1011
RESTART = 1012
TOKEN_ENDED = 4401
FORBIDDEN = 4403
SUBPROTOCOL = 4406
AUTH_TOO_LATE = 4408
FELL_BEHIND = 4410
TOO_MANY = 4429


class ApiError(Exception):
    """An error that is meant for the sender of a request.

    :param code: a key of :data:`ERRORS`
    :param message: one sentence for the person who sent the request; never a secret, never a traceback
    :param details: anything JSON can hold, such as ``[{"path": "/kwargs", "message": "must be an object"}]``
    :param retryable: overrides the kind's own answer where this case differs from the usual one
    :param status: overrides the kind's HTTP status likewise
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

    def anew(self) -> ApiError:
        """Return an equal error to raise: each time that this one is raised it comes to hold more frames."""
        return self.with_status(self.status)

    def with_status(self, status: int) -> ApiError:
        """Return an equal error that is answered with another HTTP status."""
        return ApiError(self.code, self.message, self.details, retryable=self.retryable, status=status)


def not_permitted() -> ApiError:
    """Return the answer to a command that the user's rights do not cover; it tells nothing of its target."""
    return ApiError("forbidden", "Salt does not permit this command")


def forget_frames(error: BaseException) -> None:
    """Break the cycles of an error that was handled.

    An error holds the frames that it passed, and errors that were handled there hold others. A frame that holds the
    error too, in a variable or by a future, keeps all of them alive until Python's collector looks for cycles: the
    connection, its stream and what was received. Call this where an error was answered, or is kept.
    """
    error.__traceback__ = error.__context__ = None


class NotSent(asyncio.CancelledError):
    """A request to the master that was canceled before it was handed to a channel: it surely did not run."""


class CannotRun(Exception):
    """What forbids the engine to run, with the mend, as one sentence for the operator."""
