"""LocalClient's words in the engine's: messages from its arguments, and its returns from the engine's job objects."""

from __future__ import annotations

import math
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

REQUEST = "salt_live_request"
"""The key in a job's metadata that names the request which started it. ``look_up`` finds the job by it."""

_FIELDS = frozenset({"metadata", "progress", "delimiter", "parse", "token"})
ENDED = frozenset({"returned", "failed", "missing", "canceled"})


def command(
    tgt: str | Sequence[str],
    fun: str,
    arg: Sequence[Any],
    tgt_type: str,
    ret: str,
    kwarg: Mapping[str, Any] | None,
    more: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the message ``cmd`` for LocalClient's arguments.

    As with LocalClient, a positional string ``name=value`` is a keyword argument.

    :param more: fields of the message, by name
    :raises TypeError: a field is unknown
    """
    if unknown := sorted(set(more) - _FIELDS):
        raise TypeError(f"unknown argument {unknown[0]!r}; pass arguments of the function as kwarg")
    message: dict[str, Any] = {
        "type": "cmd",
        "fun": fun,
        "tgt": tgt if isinstance(tgt, str) else list(tgt),
        "arg": [arg] if isinstance(arg, str) else list(arg),
        "parse": True,
        **more,
    }
    message["metadata"] = {**(more.get("metadata") or {}), REQUEST: uuid.uuid4().hex}
    if isinstance(tgt, str) or tgt_type != "glob":
        message["tgt_type"] = tgt_type
    if kwarg:
        message["kwarg"] = dict(kwarg)
    if ret:
        message["ret"] = ret
    return message


def returned(jid: str, part: Mapping[str, Any]) -> dict[str, Any]:
    """Return one minion's return as ``cmd_iter`` yields it."""
    found = {"ret": part.get("return"), "retcode": part["retcode"], "success": part["success"], "jid": jid}
    if "out" in part:
        found["out"] = part["out"]
    return found


def batch_size(batch: str | int, minions: int) -> int:
    """Return how many minions run at once: a number, or a part such as ``10%`` of all, rounded as Salt does.

    :raises ValueError: it is neither
    """
    text = str(batch)
    try:
        if "%" not in text:
            size = int(text)
        else:
            part = float(text.strip("%")) / 100 * minions
            size = math.ceil(part) if part < 1 else int(part)
        if size < 0:
            raise ValueError
    except (ValueError, OverflowError):
        raise ValueError(f"batch must be a number or a percentage such as '10%', not {batch!r}") from None
    return max(1, size)
