"""The fields of a low: what they may be, and what they mean to Salt's own clients."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ...errors import ApiError
from ...operations.targets import names

Low = Mapping[str, Any]
TRUTHS = {"true": True, "false": False, "yes": True, "no": False, "on": True, "off": False, "1": True, "0": False}
"""Truths as they stand in forms."""
MARK = "__kwarg__"
LONGEST_SECONDS = 3600  # that a synchronous low waits; nearly always it ends sooner, when its job does


def settled(low: Low, fields: Low) -> dict[str, Any]:
    """Return a low with what its path says.

    ``local`` is what ``local_async`` is short for there, as in rest_cherrypy: both run the same, and the path says when
    the answer comes.

    :raises ApiError: bad_message where the low states something else
    """
    for name, value in fields.items():
        stated = low.get(name)
        if stated not in (None, "", value) and (name, stated) != ("client", "local"):
            raise _wrong(name, "differs from what the path says")
    return {**low, **fields}


def target(low: Low) -> dict[str, Any]:
    """Return the target of a low and its kind, which the operation refuses where they do not fit.

    :raises ApiError: bad_message where there is no target, or where the old and the new name state different kinds
    """
    tgt, kinds = low.get("tgt"), [low[name] for name in ("tgt_type", "expr_form") if low.get(name)]
    if tgt is None:
        raise ApiError("bad_message", "a low for minions needs tgt", [{"path": "/tgt", "message": "is required"}])
    if len(kinds) > 1 and kinds[0] != kinds[1]:
        raise _wrong("expr_form", "states another kind than tgt_type")
    tgt_type = kinds[0] if kinds else "list" if isinstance(tgt, list) else "glob"
    return {"tgt": names(tgt) if tgt_type == "list" and isinstance(tgt, str) else tgt, "tgt_type": tgt_type}


def arguments(low: Low) -> tuple[list[Any], dict[str, Any]]:
    """Return ``arg`` and ``kwarg``. Who sends again what Salt's job lists show has keyword arguments among ``arg``,
    with Salt's mark on them; of a name that is there twice the last counts, as on a minion."""
    arg, kwarg = [], {}
    for value in [*positional(low), {**keywords(low), MARK: True}]:
        if isinstance(value, dict) and value.get(MARK) is True:
            kwarg.update(value)
        else:
            arg.append(value)
    kwarg.pop(MARK)
    return arg, kwarg


def positional(low: Low) -> list[Any]:
    """Return ``arg``; what is no list is one argument, null too, as in rest_cherrypy."""
    value = low.get("arg", [])
    return value if isinstance(value, list) else [value]


def keywords(low: Low) -> dict[str, Any]:
    """Return ``kwarg``.

    :raises ApiError: bad_message where it is no object
    """
    value = low.get("kwarg")
    if value is not None and not isinstance(value, dict):
        raise _wrong("kwarg", "must be an object")
    return value or {}


def number(low: Low, name: str, default: float) -> float:
    """Return a number that may be text, as in a form; the default where none is stated.

    :raises ApiError: bad_message where it is below zero, above a million or no number
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
    """Return how long to wait for a runner; nothing for less than zero, at which Salt waits for nothing.

    Salt waits for ever for zero; here that is :data:`LONGEST_SECONDS`. Less than a second is one second.

    :raises ApiError: bad_message where ``timeout`` is no number
    """
    value = low.get("timeout")
    if value is None or value == "":
        return LONGEST_SECONDS
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        raise _wrong("timeout", "must be a number of seconds") from None
    if found == 0:
        return LONGEST_SECONDS
    return min(LONGEST_SECONDS, max(1, found)) if found > 0 else 0  # NaN is not waited for either


def truth(low: Low, name: str) -> bool:
    """Return whether something is wanted; in a form that is text, which is always true for Salt.

    :raises ApiError: bad_message where it says neither
    """
    value = low.get(name)
    if isinstance(value, str):
        value = TRUTHS.get(value.strip().lower(), value)
    if value is None or value == "":
        return False
    if not isinstance(value, int) or value not in (0, 1):
        raise _wrong(name, "must be true or false")
    return bool(value)


def batch_size(stated: Any, total: int) -> int:
    """Return how many minions a batch has, as Salt 3008 reads it: a number, or a percentage of all; at least one.

    :raises ApiError: bad_message
    """
    try:
        if isinstance(stated, str) and "%" in stated:
            share = float(stated.strip("%")) / 100 * total
            return max(1, math.ceil(share) if share < 1 else int(share))
        return max(1, int(stated))
    except (TypeError, ValueError, OverflowError):
        raise _wrong("batch", "must be a number or a percentage") from None


def shown(name: Any) -> str:
    """Return a name from outside, cut and without what is not printed."""
    return "".join(letter if letter.isprintable() else "?" for letter in str(name)[:64])


def _wrong(name: str, what: str) -> ApiError:
    return ApiError("bad_message", f"{name} {what}", [{"path": f"/{name}", "message": what}])
