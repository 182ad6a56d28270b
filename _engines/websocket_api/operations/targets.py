"""Targets: how ``tgt`` and ``tgt_type`` are read, in all operations."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from ..core.minions.registry import MinionRegistry
from ..errors import ApiError

MAX_IDS = 10_000  # of a list (schemas/common.json)
MAX_UNKNOWN = 20  # unknown ids sent to the master: each one costs it 2 ms, even with few minions
MAX_LOOKUPS = 4_000  # minions times unknown ids: about one second
MIN_UNKNOWN = 2  # unknown ids that are always sent
_MINION_ID = re.compile(r"[^/\\\0-\x1f]{1,255}")
WRONG_LIST = "is a list, so its type must be list or compound"
WRONG_IDS = f"must be ids of minions separated by commas, at most {MAX_IDS}"


def names(text: str) -> list[str]:
    """Return the ids of a target of type ``list`` that is a string, as Salt reads it."""
    return [name for part in text.split(",") if (name := part.strip())]


def target(message: Mapping[str, Any]) -> tuple[Any, str]:
    """Return the target and its type. A target of type ``list`` is always returned as a list.

    A list without a type has the type ``list``. A list of type ``compound`` has the words of the expression, as in
    ``LocalClient``.

    :param message: a message, or a part of it
    :raises ApiError: bad_message for a list of another type, and for a string that is not valid as type ``list``
    """
    tgt, tgt_type = message["tgt"], message.get("tgt_type")
    if isinstance(tgt, list):
        if tgt_type == "compound":
            return " ".join(tgt), tgt_type
        if tgt_type not in (None, "list"):
            raise ApiError("bad_message", f"/tgt {WRONG_LIST}", [{"path": "/tgt", "message": WRONG_LIST}])
        return list(dict.fromkeys(tgt)), "list"  # a repeated id costs the master as much as another one
    if tgt_type != "list":
        return tgt, tgt_type or "glob"
    found = names(tgt)
    if not 0 < len(found) <= MAX_IDS or not all(map(_MINION_ID.fullmatch, found)):
        raise ApiError("bad_message", f"/tgt {WRONG_IDS}", [{"path": "/tgt", "message": WRONG_IDS}])
    return list(dict.fromkeys(found)), tgt_type


def without_unknown(minions: MinionRegistry, tgt: Any, tgt_type: str) -> tuple[Any, list[str]]:
    """Return a target without most of its unknown ids, and the removed ids.

    For each unknown id the master searches the data of all minions (``salt.utils.minions``, 3008). With 2,000 minions
    that takes half a second, so a few hundred unknown ids would block a worker for minutes. A few are kept, because
    their keys may have been accepted a moment ago. With masters below, all are kept: they may know these minions.
    """
    if minions.has_syndics:
        return tgt, []
    if tgt_type == "list":
        dropped = _surplus(minions, tgt)
        return ([name for name in tgt if name not in dropped] if dropped else tgt), sorted(dropped)
    if tgt_type != "compound":
        return tgt, []
    words = tgt.split() if isinstance(tgt, str) else list(tgt)
    dropped = _surplus(minions, [name for word in words if word.startswith("L@") for name in names(word[2:])])
    return (keep_names(tgt, tgt_type, lambda name: name not in dropped) if dropped else tgt), sorted(dropped)


def keep_names(tgt: Any, tgt_type: str, keep: Callable[[str], bool]) -> Any:
    """Return a target with only some of the ids in its lists.

    :param keep: tells whether an id is kept
    """
    if tgt_type == "list":
        return [name for name in tgt if keep(name)]
    if tgt_type != "compound":
        return tgt
    words = tgt.split() if isinstance(tgt, str) else list(tgt)
    lists = {word: ",".join(filter(keep, names(word[2:]))) for word in words if word.startswith("L@")}
    kept = {word: "L@" + (left or ",") for word, left in lists.items()}  # a comma alone matches no minion
    return " ".join(kept.get(word, word) for word in words)


def _surplus(minions: MinionRegistry, named: list[str]) -> set[str]:
    known = minions.all()
    unknown = [name for name in named if not minions.is_reachable(name)]
    return set(unknown[max(MIN_UNKNOWN, min(MAX_UNKNOWN, MAX_LOOKUPS // max(1, len(known)))) :])
