"""How long a client's regular expression can take at worst, told from its structure before it is run.

Python's ``re`` has no time-out and holds the interpreter's lock: ``(?:.|.|.|.)+!`` against one minion id of thirty
letters would stop the whole engine, and the master's workers, for years. Whoever may log in could send it.

What is counted are the steps of a backtracking matcher that finds no match, and so tries everything. The count is an
upper bound: what cannot be told from the structure is taken for the worst.
"""

from __future__ import annotations

import importlib
import math
import re
import sys
from typing import Any, NamedTuple

#: Steps that an expression may take at most on one text: a tenth of a second of ``re``.
MOST_STEPS = 2_000_000
#: Letters in the ranges of its sets, together: ``re`` makes tables of them, in 10 ms for ``(?i)[\\0-\\uffff]``.
MOST_IN_SETS = 100_000
#: Letters that a repeat is taken to choose from: in a minion id, and in what is longer.
ID_LETTERS, VALUE_LETTERS = 64, 999

# The standard library's own parser; before 3.11 it had another name.
_parser: Any = importlib.import_module("re._parser" if sys.version_info >= (3, 11) else "sre_parse")


class Cost(NamedTuple):
    """What a part of an expression costs where it is tried at one place of the text."""

    ways: float
    """In how many ways it can match there, each of which is tried where what follows does not match."""
    steps: float
    """Steps to try them all."""


def cost(pattern: str, letters: int) -> Cost:
    """Of matching ``pattern`` with ``re.match`` against a text of so many letters, as an upper bound.

    :raises re.error: it is no regular expression
    :raises RecursionError: it is nested too deeply
    """
    tree = _parser.parse(pattern)
    counter = _Counter(letters)
    found = counter.sequence(tree, bool(tree.state.flags & re.IGNORECASE))
    return found if counter.in_sets <= MOST_IN_SETS else Cost(found.ways, math.inf)


def takes_too_long(pattern: str, letters: int) -> bool:
    """Whether matching may take so long that others would notice; False for what is no regular expression."""
    try:
        return cost(pattern, letters).steps > MOST_STEPS
    except (re.error, OverflowError):
        return False
    except RecursionError:
        return True


class _Counter:
    """Counts in a parsed expression. ``folded`` says whether upper and lower case are the same there."""

    def __init__(self, letters: int) -> None:
        self._letters = letters
        self.in_sets = 0
        """Letters in the ranges of all sets."""

    def sequence(self, items: Any, folded: bool) -> Cost:
        ways, steps = 1.0, 0.0
        for kind, value in items:
            one = self._item(str(kind), value, folded)
            steps += ways * one.steps  # it is tried anew after each way to match what stands before it
            ways *= one.ways
        return Cost(ways, max(1.0, steps))

    def _item(self, kind: str, value: Any, folded: bool) -> Cost:
        if kind in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            least, most, body = value
            return self._repeat(int(least), int(most), self.sequence(body, folded))
        if kind == "BRANCH":
            branches = value[1]
            costs = [self.sequence(branch, folded) for branch in branches]
            ways = [one.ways for one in costs]
            steps = len(branches) + sum(one.steps for one in costs)
            return Cost(max(ways) if _exclusive(branches, folded) else sum(ways), steps)
        if kind == "SUBPATTERN":
            _, added, _, body = value
            # Where a group takes the flag away again the count is only higher than it need be.
            return self.sequence(body, folded or bool(added & re.IGNORECASE))
        if kind == "ATOMIC_GROUP":
            return Cost(1.0, self.sequence(value, folded).steps)
        if kind in ("ASSERT", "ASSERT_NOT"):
            return Cost(1.0, self.sequence(value[1], folded).steps)  # nothing tries its other ways
        if kind == "GROUPREF_EXISTS":
            costs = [self.sequence(branch or (), folded) for branch in value[1:]]
            return Cost(max(one.ways for one in costs), sum(one.steps for one in costs))
        if kind == "GROUPREF":
            return Cost(1.0, float(self._letters))  # compared letter by letter
        if kind == "IN":
            self.in_sets += sum(one[1] - one[0] for kind, one in value if str(kind) == "RANGE")
            return Cost(1.0, 1 + len(value) // 8)  # small sets are one table, large ones a list
        return Cost(1.0, 1.0)  # one letter, one class of letters, one place

    def _repeat(self, least: int, most: int, body: Cost) -> Cost:
        # Each time takes a letter or more, except those that must be (`(?:x?){500}`) and one empty one at the end.
        times = min(most, max(self._letters, least))
        choices = max(1, times - least + 1)
        # What has a choice in each round multiplies it with every round.
        rounds = _power(body.ways, times)
        return Cost(choices * rounds, (times + 1) * rounds * body.steps)


def _power(base: float, times: int) -> float:
    return base**times if base == 1 or times * math.log10(base) < 300 else math.inf


def _exclusive(branches: Any, folded: bool) -> bool:
    """Whether the first letter tells which of the alternatives it can only be.

    Never so where case is folded: ``a`` and ``A`` are then one letter, as are ``k`` and the sign of Kelvin.
    """
    firsts = [str(branch[0][0]) == "LITERAL" and branch[0][1] for branch in branches if len(branch)]
    return not folded and len(firsts) == len(branches) and False not in firsts and len(set(firsts)) == len(firsts)
