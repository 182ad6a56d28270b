"""Estimate from its structure how long a client's regular expression can take at worst.

Python's ``re`` has no time-out and holds the GIL. Matching ``(?:.|.|.|.)+!`` against one minion id of thirty letters
would stop the engine and the master's workers for years, and any user could send it.

The estimate counts the steps of a backtracking matcher that finds no match and so tries everything. It is an upper
bound: where the structure leaves it open, the worst case counts.
"""

from __future__ import annotations

import importlib
import math
import re
import sys
from typing import Any, NamedTuple

#: The maximum of steps for one text: 0.1 s of ``re``.
MAX_STEPS = 2_000_000
#: Letters in the ranges of all sets of an expression: ``re`` makes tables of them, in 10 ms for ``(?i)[\\0-\\uffff]``.
MAX_SET_LETTERS = 100_000
#: Assumed length of the text: of a minion id, and of longer values.
ID_LETTERS, VALUE_LETTERS = 64, 999

# The standard library's own parser; before 3.11 it had another name.
_parser: Any = importlib.import_module("re._parser" if sys.version_info >= (3, 11) else "sre_parse")


class Cost(NamedTuple):
    """The cost of a part of an expression at one place of the text."""

    ways: float
    """The number of ways to match there. All are tried if the rest does not match."""
    steps: float
    """The steps for trying all of them."""


def cost(pattern: str, letters: int) -> Cost:
    """Return an upper bound for ``re.match`` of a pattern against a text of this many letters.

    :raises re.error: the pattern is not a regular expression
    :raises RecursionError: it is nested too deeply
    """
    tree = _parser.parse(pattern)
    counter = _Counter(letters)
    found = counter.sequence(tree, bool(tree.state.flags & re.IGNORECASE))
    return found if counter.in_sets <= MAX_SET_LETTERS else Cost(found.ways, math.inf)


def takes_too_long(pattern: str, letters: int) -> bool:
    """Return whether matching may take noticeably long. False if the pattern is invalid."""
    try:
        return cost(pattern, letters).steps > MAX_STEPS
    except (re.error, OverflowError):
        return False
    except RecursionError:
        return True


class _Counter:
    """Counts the steps of a parsed expression. ``folded`` is true where case is ignored."""

    def __init__(self, letters: int) -> None:
        self._letters = letters
        self.in_sets = 0
        """Letters in the ranges of all sets."""

    def sequence(self, items: Any, folded: bool) -> Cost:
        ways, steps = 1.0, 0.0
        for kind, value in items:
            one = self._item(str(kind), value, folded)
            steps += ways * one.steps  # it is tried again after each way to match the items before it
            ways *= one.ways
        return Cost(ways, max(1.0, steps))

    def _item(self, kind: str, value: Any, folded: bool) -> Cost:
        if kind in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            minimum, maximum, body = value
            return self._repeat(int(minimum), int(maximum), self.sequence(body, folded))
        if kind == "BRANCH":
            branches = value[1]
            costs = [self.sequence(branch, folded) for branch in branches]
            ways = [one.ways for one in costs]
            steps = len(branches) + sum(one.steps for one in costs)
            return Cost(max(ways) if _exclusive(branches, folded) else sum(ways), steps)
        if kind == "SUBPATTERN":
            _, added, _, body = value
            # If a group removes the flag, the count is only higher than necessary.
            return self.sequence(body, folded or bool(added & re.IGNORECASE))
        if kind == "ATOMIC_GROUP":
            return Cost(1.0, self.sequence(value, folded).steps)
        if kind in ("ASSERT", "ASSERT_NOT"):
            return Cost(1.0, self.sequence(value[1], folded).steps)  # its other ways are never tried
        if kind == "GROUPREF_EXISTS":
            costs = [self.sequence(branch or (), folded) for branch in value[1:]]
            return Cost(max(one.ways for one in costs), sum(one.steps for one in costs))
        if kind == "GROUPREF":
            return Cost(1.0, float(self._letters))  # compared letter by letter
        if kind == "IN":
            self.in_sets += sum(one[1] - one[0] for kind, one in value if str(kind) == "RANGE")
            return Cost(1.0, 1 + len(value) // 8)  # small sets are one table, large ones a list
        return Cost(1.0, 1.0)  # one letter, one class of letters, one place

    def _repeat(self, minimum: int, maximum: int, body: Cost) -> Cost:
        # Each round consumes a letter or more, except required rounds (`(?:x?){500}`) and an empty one at the end.
        times = min(maximum, max(self._letters, minimum))
        choices = max(1, times - minimum + 1)
        # A choice in each round multiplies with every round.
        rounds = _power(body.ways, times)
        return Cost(choices * rounds, (times + 1) * rounds * body.steps)


def _power(base: float, times: int) -> float:
    return base**times if base == 1 or times * math.log10(base) < 300 else math.inf


def _exclusive(branches: Any, folded: bool) -> bool:
    """Return whether the first letter decides between the alternatives.

    False if case is ignored, because ``a`` and ``A`` are then equal, as are ``k`` and the sign of Kelvin.
    """
    firsts = [str(branch[0][0]) == "LITERAL" and branch[0][1] for branch in branches if len(branch)]
    return not folded and len(firsts) == len(branches) and False not in firsts and len(set(firsts)) == len(firsts)
