"""Parse the fields of a low as Salt's own clients do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import ApiError
from ...operations.targets import names

Low = Mapping[str, Any]
FLAGS = {"true": True, "false": False, "yes": True, "no": False, "on": True, "off": False, "1": True, "0": False}
"""Flags in forms, where every field is text."""
MARK = "__kwarg__"  # Salt's mark on a dictionary of keyword arguments among positional ones
MAX_SECONDS = 3600  # maximum wait of a synchronous low, which normally ends with its job


def with_path_fields(low: Low, fields: Low) -> dict[str, Any]:
    """Return a low with the fields that its path sets.

    If the path sets ``local_async``, a low may also have ``local``, as in rest_cherrypy: only the wait differs.

    :raises ApiError: ``bad_message`` if the low has another value
    """
    for name, value in fields.items():
        stated = low.get(name)
        if stated not in (None, "", value) and (name, stated) != ("client", "local"):
            raise _wrong(name, "differs from what the path says")
    return {**low, **fields}


def target(low: Low) -> dict[str, Any]:
    """Return the target of a low and its type. The operation checks whether the two fit.

    :raises ApiError: ``bad_message`` without a target, or if ``tgt_type`` and the older ``expr_form`` differ
    """
    tgt, kinds = low.get("tgt"), [low[name] for name in ("tgt_type", "expr_form") if low.get(name)]
    if tgt is None:
        raise ApiError("bad_message", "a low for minions needs tgt", [{"path": "/tgt", "message": "is required"}])
    if len(kinds) > 1 and kinds[0] != kinds[1]:
        raise _wrong("expr_form", "states another kind than tgt_type")
    tgt_type = kinds[0] if kinds else "list" if isinstance(tgt, list) else "glob"
    return {"tgt": names(tgt) if tgt_type == "list" and isinstance(tgt, str) else tgt, "tgt_type": tgt_type}


def arguments(low: Low) -> tuple[list[Any], dict[str, Any]]:
    """Return ``arg`` and ``kwarg``.

    If arguments were copied from one of Salt's job lists, ``arg`` contains the keyword arguments, with Salt's mark. If
    a name occurs twice, the last value counts, as on a minion.
    """
    arg, kwarg = [], {}
    for value in [*positional(low), {**keywords(low), MARK: True}]:
        if isinstance(value, dict) and value.get(MARK) is True:
            kwarg.update(value)
        else:
            arg.append(value)
    kwarg.pop(MARK)
    return arg, kwarg


def positional(low: Low) -> list[Any]:
    """Return ``arg`` as a list. Any other value, None too, is a single argument, as in rest_cherrypy."""
    value = low.get("arg", [])
    return value if isinstance(value, list) else [value]


def keywords(low: Low) -> dict[str, Any]:
    """Return ``kwarg``.

    :raises ApiError: ``bad_message`` if it is not an object
    """
    value = low.get("kwarg")
    if value is not None and not isinstance(value, dict):
        raise _wrong("kwarg", "must be an object")
    return value or {}


def number(low: Low, name: str, default: float) -> float:
    """Return a number, which may be text from a form, or the default if it is missing.

    :raises ApiError: ``bad_message`` if it is below zero, above a million or not a number
    """
    value = low.get(name)
    if value is None or value == "":
        return default
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        found = -1.0
    if not 0 <= found <= 1_000_000:
        raise _wrong(name, "must be a number")
    return found


def seconds(low: Low) -> float:
    """Return how long to wait for a runner: zero if ``timeout`` is negative, because Salt then does not wait.

    For a ``timeout`` of zero Salt waits forever, and this returns :data:`MAX_SECONDS`. Below one second it returns one.

    :raises ApiError: ``bad_message`` if ``timeout`` is not a number
    """
    value = low.get("timeout")
    if value is None or value == "":
        return MAX_SECONDS
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        raise _wrong("timeout", "must be a number of seconds") from None
    if found == 0:
        return MAX_SECONDS
    return min(MAX_SECONDS, max(1, found)) if found > 0 else 0  # NaN does not wait either


def flag(low: Low, name: str) -> bool:
    """Return a flag. From a form it is text, which Salt itself would always treat as true.

    :raises ApiError: ``bad_message`` for any other value
    """
    value = low.get(name)
    if isinstance(value, str):
        value = FLAGS.get(value.strip().lower(), value)
    if value is None or value == "":
        return False
    if not isinstance(value, int) or value not in (0, 1):
        raise _wrong(name, "must be true or false")
    return bool(value)


def batch_size(stated: Any, total: int) -> int:
    """Return how many minions run at once, at least one. Parse a number or a percentage as Salt 3008 does.

    :raises ApiError: ``bad_message``
    """
    try:
        if isinstance(stated, str) and "%" in stated:
            share = float(stated.strip("%")) / 100 * total
            return max(1, int(share))
        return max(1, int(stated))
    except (TypeError, ValueError, OverflowError):
        raise _wrong("batch", "must be a number or a percentage") from None


def printable(name: Any) -> str:
    """Return a name from a client for an error message: shortened, and without unprintable characters."""
    return "".join(letter if letter.isprintable() else "?" for letter in str(name)[:64])


def _wrong(name: str, what: str) -> ApiError:
    return ApiError("bad_message", f"{name} {what}", [{"path": f"/{name}", "message": what}])
