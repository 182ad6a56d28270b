"""Whom a message is for: one reading of ``tgt`` and ``tgt_type`` for everything that has them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..errors import ApiError

MOST_NAMES = 10_000  # as many as a list may have (schemas/common.json)
_MINION_ID = re.compile(r"[^/\\\0-\x1f]{1,255}")
NO_NAMES = f"must be the ids of minions, {MOST_NAMES} at most, with commas between them"


def names(text: str) -> list[str]:
    """Return the ids of a target of the kind ``list`` that is one string, as Salt reads it."""
    return [name for part in text.split(",") if (name := part.strip())]


def target(message: Mapping[str, Any]) -> tuple[Any, str]:
    """Return the target of a message, or of a part of one, and its kind; one of the kind ``list`` is always a list.

    :raises ApiError: bad_message for a string that the kind ``list`` cannot be
    """
    tgt, tgt_type = message["tgt"], message.get("tgt_type", "glob")
    if isinstance(tgt, list):
        return tgt, "list"
    if tgt_type != "list":
        return tgt, tgt_type
    found = names(tgt)
    if not 0 < len(found) <= MOST_NAMES or not all(map(_MINION_ID.fullmatch, found)):
        raise ApiError("bad_message", f"/tgt {NO_NAMES}", [{"path": "/tgt", "message": NO_NAMES}])
    return found, tgt_type
