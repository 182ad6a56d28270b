"""Whom a message is for: one reading of ``tgt`` and ``tgt_type`` for everything that has them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from ..core.minions.registry import MinionRegistry
from ..errors import ApiError

MOST_NAMES = 10_000  # as many as a list may have (schemas/common.json)
MAX_UNKNOWN = 20  # unknown ids that the master is asked about at once: each takes it 2 ms even with few minions
MAX_LOOKS = 4_000  # minions times those ids: about a second
MIN_UNKNOWN = 2  # unknown ids that it is always asked about
_MINION_ID = re.compile(r"[^/\\\0-\x1f]{1,255}")
NO_LIST = "is a list: its kind can only be list or compound"
NO_NAMES = f"must be the ids of minions, {MOST_NAMES} at most, with commas between them"


def names(text: str) -> list[str]:
    """Return the ids of a target of the kind ``list`` that is one string, as Salt reads it."""
    return [name for part in text.split(",") if (name := part.strip())]


def target(message: Mapping[str, Any]) -> tuple[Any, str]:
    """Return the target of a message, or of a part of one, and its kind; one of the kind ``list`` is always a list.

    A list is of the kind ``list`` where no kind is stated. One of the kind ``compound`` holds the words of the
    expression, as in ``LocalClient``.

    :raises ApiError: bad_message for a list of another kind, and for a string that the kind ``list`` cannot be
    """
    tgt, tgt_type = message["tgt"], message.get("tgt_type")
    if isinstance(tgt, list):
        if tgt_type == "compound":
            return " ".join(tgt), tgt_type
        if tgt_type not in (None, "list"):
            raise ApiError("bad_message", f"/tgt {NO_LIST}", [{"path": "/tgt", "message": NO_LIST}])
        return list(dict.fromkeys(tgt)), "list"  # the same id ten thousand times costs the master as much as others
    if tgt_type != "list":
        return tgt, tgt_type or "glob"
    found = names(tgt)
    if not 0 < len(found) <= MOST_NAMES or not all(map(_MINION_ID.fullmatch, found)):
        raise ApiError("bad_message", f"/tgt {NO_NAMES}", [{"path": "/tgt", "message": NO_NAMES}])
    return list(dict.fromkeys(found)), tgt_type


def asked_about(fleet: MinionRegistry, tgt: Any, tgt_type: str) -> tuple[Any, list[str]]:
    """Return a target without the ids that nobody knows, where there are many, and those ids.

    For each of them the master looks through the data of all minions (``salt.utils.minions``, 3008): with two thousand
    minions that takes half a second, so some hundreds of wrong names would stop a worker for minutes, and whoever sends
    them again and again keeps everybody from working. A few are left to it, for a key may have been accepted just now.
    """
    if tgt_type == "list":
        dropped = _too_many(fleet, tgt)
        return ([name for name in tgt if name not in dropped] if dropped else tgt), sorted(dropped)
    if tgt_type != "compound":
        return tgt, []
    words = tgt.split() if isinstance(tgt, str) else list(tgt)
    dropped = _too_many(fleet, [name for word in words if word.startswith("L@") for name in names(word[2:])])
    return (keep_names(tgt, tgt_type, lambda name: name not in dropped) if dropped else tgt), sorted(dropped)


def keep_names(tgt: Any, tgt_type: str, keep: Callable[[str], bool]) -> Any:
    """Return a target with only those of the ids in its lists that are to be kept."""
    if tgt_type == "list":
        return [name for name in tgt if keep(name)]
    if tgt_type != "compound":
        return tgt
    words = tgt.split() if isinstance(tgt, str) else list(tgt)
    lists = {word: ",".join(filter(keep, names(word[2:]))) for word in words if word.startswith("L@")}
    kept = {word: "L@" + (left or ",") for word, left in lists.items()}  # a comma alone is nobody
    return " ".join(kept.get(word, word) for word in words)


def _too_many(fleet: MinionRegistry, named: list[str]) -> set[str]:
    known = fleet.all()
    unknown = [name for name in named if (minion := known.get(name)) is None or minion.key != "accepted"]
    return set(unknown[max(MIN_UNKNOWN, min(MAX_UNKNOWN, MAX_LOOKS // max(1, len(known)))) :])
