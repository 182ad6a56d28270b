"""One exception for each error code of the engine.

Made by `make docs` from schemas/ and the engine's tables of errors: change those.
"""

from __future__ import annotations

from salt_live.errors import ApiError


class BadJson(ApiError):
    """The message is not JSON, or not text in a text protocol."""

    code = "bad_json"
    retryable = False


class BadMessage(ApiError):
    """The message does not match its schema; `details` lists every fault with its path."""

    code = "bad_message"
    retryable = False


class UnknownType(ApiError):
    """There is no operation of this `type`."""

    code = "unknown_type"
    retryable = False


class IdInUse(ApiError):
    """A request with this `id` is still in flight on this connection."""

    code = "id_in_use"
    retryable = False


class Unauthenticated(ApiError):
    """No token, an invalid or revoked token, or a refused login."""

    code = "unauthenticated"
    retryable = False


class TokenExpired(ApiError):
    """The token was valid and has expired: log in again."""

    code = "token_expired"
    retryable = False


class Forbidden(ApiError):
    """Salt's permissions or an option of this master deny the request. This is also the answer to a target without
    minions, if you may run the function on some minions only.
    """

    code = "forbidden"
    retryable = False


class NotFound(ApiError):
    """The job, minion or subscription does not exist, or you may not see it."""

    code = "not_found"
    retryable = False


class NoMinions(ApiError):
    """The target matches no minion that this master knows."""

    code = "no_minions"
    retryable = False


class UnknownFunction(ApiError):
    """There is no such function, or it does not accept these arguments."""

    code = "unknown_function"
    retryable = False


class Conflict(ApiError):
    """The present state does not allow this, such as canceling a job that has ended."""

    code = "conflict"
    retryable = False


class TooLarge(ApiError):
    """The message or its answer is larger than the limit."""

    code = "too_large"
    retryable = False


class TooMany(ApiError):
    """A limit of this server is reached; `details` names it. Try again later."""

    code = "too_many"
    retryable = True


class Timeout(ApiError):
    """There was no answer in time. The request may still take effect."""

    code = "timeout"
    retryable = True


class HistoryGap(ApiError):
    """The requested events are no longer in the history."""

    code = "gap"
    retryable = True


class MasterUnavailable(ApiError):
    """The Salt master does not answer, or the engine stops. Try again later; but if `details.sent` is true, the
    command may run already.
    """

    code = "master_unavailable"
    retryable = True


class Internal(ApiError):
    """An error of this server. The master's log has the traceback."""

    code = "internal"
    retryable = True


BY_CODE: dict[str, type[ApiError]] = {
    "bad_json": BadJson,
    "bad_message": BadMessage,
    "unknown_type": UnknownType,
    "id_in_use": IdInUse,
    "unauthenticated": Unauthenticated,
    "token_expired": TokenExpired,
    "forbidden": Forbidden,
    "not_found": NotFound,
    "no_minions": NoMinions,
    "unknown_function": UnknownFunction,
    "conflict": Conflict,
    "too_large": TooLarge,
    "too_many": TooMany,
    "timeout": Timeout,
    "gap": HistoryGap,
    "master_unavailable": MasterUnavailable,
    "internal": Internal,
}
