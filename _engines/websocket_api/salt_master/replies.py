"""Read replies of the master, and turn their errors into errors for clients."""

from __future__ import annotations

import logging
from typing import Any

from ..errors import ApiError, not_permitted

log = logging.getLogger(__name__)


def raise_error(answer: Any) -> Any:
    """Return the answer, or raise its error as an ApiError."""
    if isinstance(answer, dict) and any(_is_deferred(one) for one in (answer, answer.get("load"))):
        raise no_quorum()
    error = answer.get("error") if isinstance(answer, dict) else None
    if not error:
        return answer
    if not isinstance(error, dict):
        error = {"message": error}
    name, message = str(error.get("name", "")), str(error.get("message", ""))
    if name == "AuthorizationError":
        raise not_permitted()
    if name == "AuthenticationError":
        raise ApiError("unauthenticated", "Salt does not accept the token; log in again")
    if name == "TokenAuthenticationError":
        # For runners and wheels both errors have this name. Only a refused command names the user.
        if "for user" in message:
            raise not_permitted()
        raise ApiError("unauthenticated", "Salt does not accept the token; log in again")
    if name == "SaltInvocationError":
        raise ApiError("bad_message", message)
    log.warning("the master answered with an error: %s %s", name, message)
    raise _failed()


def _is_deferred(answer: Any) -> bool:
    """Return whether a clustered master asks to send a request again; Salt wraps this as it does other answers."""
    return isinstance(answer, dict) and bool(answer.get("cluster_retry"))


def no_quorum() -> ApiError:
    """Return the error for a request that a clustered master defers, because no majority of its masters agrees.

    It did not run.
    """
    return ApiError(
        "master_unavailable",
        "this master has no quorum in its cluster, so it runs nothing; start more of its masters, or try again later",
        {"cluster": "no_quorum", "sent": False},
    )


def unexpected_answer(answer: Any) -> ApiError:
    # "" and "Some exception handling minion payload" are among these.
    log.warning("the master's answer is not understood: a %s", type(answer).__name__)
    return _failed()


def _failed() -> ApiError:
    """Return the error for a request at which the master failed, before or after it started the command."""
    return ApiError(
        "master_unavailable", "the master failed, and its log says why; the command may run", {"sent": True}
    )
