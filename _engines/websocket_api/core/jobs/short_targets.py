"""Long targets: lists of jobs and some subscriptions have the beginning of a target, which can name a whole fleet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

MAX_NAMES = 100
MAX_CHARACTERS = 2000
"""Maximum of a short target: a list of jobs has up to 1,000 of them, and each frame about a job has one."""
NAME_BYTES = 3
"""Bytes of JSON around a name in a list."""


def with_short_target(view: dict[str, Any]) -> dict[str, Any]:
    """Return a job object with only the beginning of its target, and ``tgt_length``, if the target is long.

    A viewer who sees no target gets no length either.
    """
    target = view["tgt"]
    rest = _rest(target)
    return {**view, "tgt": target[: -len(rest)], "tgt_length": len(target)} if rest else view


def bytes_left_out(target: Any) -> int:
    """Return about how many bytes of JSON a short target lacks."""
    rest = _rest(target)
    return len(rest) if isinstance(rest, str) else sum(len(str(name)) + NAME_BYTES for name in rest)


def _rest(target: Any) -> str | Sequence[Any]:
    """Return what a short target leaves out; nothing of a target of another type."""
    if isinstance(target, str):
        return target[MAX_CHARACTERS:]
    return target[MAX_NAMES:] if isinstance(target, (list, tuple)) else ()
