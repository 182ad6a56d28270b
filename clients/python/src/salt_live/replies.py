"""The engine's error objects as exceptions."""

from __future__ import annotations

from typing import Any

from salt_live.error_codes import BY_CODE, TokenExpired, Unauthenticated
from salt_live.errors import ApiError


def error_of(answer: dict[str, Any]) -> ApiError:
    """Return the exception of an error object."""
    kind = BY_CODE.get(answer["code"], ApiError)
    return kind(answer["message"], answer.get("details"), retryable=answer.get("retryable"), code=answer["code"])


def login_ended(error: ApiError) -> bool:
    """Return whether the login has ended, so that a new one may help."""
    return isinstance(error, Unauthenticated | TokenExpired)
