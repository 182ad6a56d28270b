"""All exceptions of this package.

SaltLiveError             the base of all
    ApiError              the engine answered a request with an error; one subclass for each code in error_codes
    ConnectionFailed      no connection
        LoginFailed       the engine refused the login, or the login ended and cannot be renewed
    Unknown               the connection broke before the reply to a command: its outcome is unknown
    EventsLost            events are missing; raised only where ``raise_errors`` was set
"""

from __future__ import annotations

from typing import Any

from salt_live.models import Gap


class SaltLiveError(Exception):
    """The base of all exceptions of this package."""


class ApiError(SaltLiveError):
    """The engine answered a request with an error.

    :param message: what went wrong, in one sentence
    :param details: depends on the code; for ``bad_message`` a list of faults, each with ``path`` and ``message``
    :param retryable: whether the same request may succeed later; by default that of the code
    :param code: the error code, for codes that this version does not know
    """

    code: str = "unknown"
    retryable: bool = False

    def __init__(
        self, message: str, details: Any = None, *, retryable: bool | None = None, code: str | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.details = details
        if code is not None:
            self.code = code
        if retryable is not None:
            self.retryable = retryable

    @property
    def may_run(self) -> bool:
        """Whether the refused command may run all the same: look for its job or batch before you send it again.

        ``details`` has its ``jid`` or ``batch``, or else ``since`` for ``list_jobs``.
        """
        return isinstance(self.details, dict) and bool(self.details.get("sent"))

    @property
    def retry_after(self) -> float | None:
        """Seconds after which a retry makes sense; None if the engine did not say."""
        found = self.details.get("retry_after") if isinstance(self.details, dict) else None
        return float(found) if isinstance(found, (int, float)) else None


class ConnectionFailed(SaltLiveError):
    """There is no connection.

    :param code: the close code, if the engine closed the connection
    """

    def __init__(self, message: str, code: int | None = None) -> None:
        super().__init__(message)
        self.code = code


class LoginFailed(ConnectionFailed):
    """The engine refused the login, or the login ended and cannot be renewed.

    :param error: the engine's error, if it answered with one
    """

    def __init__(self, message: str, error: ApiError | None = None, code: int | None = None) -> None:
        super().__init__(message, code)
        self.error = error


class Unknown(SaltLiveError):
    """The connection broke before the reply to a command arrived, so its outcome is unknown.

    The command was sent once and is never sent again. ``look_up`` of the client finds what it started.

    :param request: the command as it was sent, without its token
    :param sent_at: when it was sent, in seconds since 1970-01-01 UTC
    """

    def __init__(self, request: dict[str, Any], sent_at: float) -> None:
        kind = request.get("type", "request")
        super().__init__(f"the connection broke before the reply to {kind!r}; its outcome is unknown: look it up")
        self.request = request
        self.sent_at = sent_at


class EventsLost(SaltLiveError):
    """Events are missing.

    :param gap: which ones
    """

    def __init__(self, gap: Gap) -> None:
        super().__init__(str(gap))
        self.gap = gap
