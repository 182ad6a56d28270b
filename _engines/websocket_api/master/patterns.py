"""How long a client's regular expression can take at worst, told from its structure before it is run.

Python's ``re`` has no time-out and holds the interpreter's lock: ``(?:.|.|.|.)+!`` against one minion id of thirty
letters would stop the whole engine, and the master's workers, for years. Whoever may log in could send it.
"""

from __future__ import annotations

import importlib
import math
import re
import sys
from typing import Any

#: Ways to match one text that an expression may have at most: a tenth of a second of ``re`` for each text.
MOST_WAYS = 1_000_000
#: Letters that a repeat is taken to choose from: in a minion id, and in what is longer.
ID_LETTERS, VALUE_LETTERS = 64, 999

# The standard library's own parser; before 3.11 it had another name.
_parser: Any = importlib.import_module("re._parser" if sys.version_info >= (3, 11) else "sre_parse")


def ways(pattern: str, letters: int) -> float:
    """In how many ways ``re`` may try to match ``pattern`` against a text of so many letters, as an upper bound.

    :raises re.error: it is no regular expression
    :raises RecursionError: it is nested too deeply
    """
    return _sequence(_parser.parse(pattern), letters)


def takes_too_long(pattern: str, letters: int) -> bool:
    """Whether matching may take so long that others would notice; False for what is no regular expression."""
    try:
        return ways(pattern, letters) > MOST_WAYS
    except (re.error, OverflowError):
        return False
    except RecursionError:
        return True


def _sequence(items: Any, letters: int) -> float:
    return math.prod((_item(str(kind), value, letters) for kind, value in items), start=1.0)


def _item(kind: str, value: Any, letters: int) -> float:
    if kind in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
        least, most, body = value
        times = min(int(most), letters)
        inside = _sequence(body, letters)
        choices = max(1, times - int(least) + 1)
        # What has a choice in each round multiplies it with every round.
        return choices * (inside**times if inside == 1 or times * math.log10(inside) < 300 else math.inf)
    if kind == "BRANCH":
        branches = value[1]
        counts = [_sequence(branch, letters) for branch in branches]
        return max(counts) if _exclusive(branches) else sum(counts)
    if kind == "SUBPATTERN":
        return _sequence(value[-1], letters)
    if kind == "ATOMIC_GROUP":
        return _sequence(value, letters)
    if kind in ("ASSERT", "ASSERT_NOT"):
        return _sequence(value[1], letters)
    if kind == "GROUPREF_EXISTS":
        return sum(_sequence(branch, letters) for branch in value[1:] if branch)
    return 1.0  # one letter, one class of letters, one place, what a group matched


def _exclusive(branches: Any) -> bool:
    """Whether the first letter tells which of the alternatives it can only be."""
    firsts = [str(branch[0][0]) == "LITERAL" and branch[0][1] for branch in branches if len(branch)]
    return len(firsts) == len(branches) and False not in firsts and len(set(firsts)) == len(firsts)
