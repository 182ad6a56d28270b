"""Limits on clients' targets, because matching occupies the master's workers and this process.

Salt matches each word of a target against all minions. It turns a compound target into one Python expression that names
all minions of each word. A target of 65,536 characters took minutes and gigabytes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from ..errors import ApiError

#: Patterns in one target. Measured with 2,000 minions: Salt's expression of 32 full sets takes 0.2 s and 30 MiB.
MAX_TERMS = 32
#: Words in all, and parentheses and `not` one in another: the interpreter allows some hundred, not all of them fast.
MAX_WORDS, MAX_NESTING = 4 * MAX_TERMS, 16
#: Regular expressions in one target. Each may take 0.1 s for each minion id, and some time to be checked.
MAX_EXPRESSIONS = 8
#: Characters of one pattern. Reading `[[[[…` takes quadratic time.
TERM_CHARACTERS = 512
#: Parts of a grain or pillar target: Salt tries to divide it at each delimiter. A fingerprint of 32 bytes has as many.
MAX_LEVELS = 40
#: Parts beside a `*` that means any key, of which one pattern has one: Salt tries what follows in all that is below.
#: Of 2,000 minions with a hundred grains that takes 2 s, with a second one 17 s.
MAX_LEVELS_BESIDE_WILDCARD = 10
#: Words of a compound target with such a part.
MAX_WILDCARDS = 4
OPERATORS = frozenset(("and", "or", "not", "(", ")"))
# Words of a compound target in which a comma is like any other letter, or divides the names of one list.
_ONE = re.compile(r"[GPIJ].?@|[LSER]@")
_EXPRESSION = re.compile(r"(E|[PJ].?)@.")
# A part that may be any key, at either delimiter; one that is last is no key.
_WILDCARD = re.compile(r"[GPIJ](?:@|(.)@)(?:.*:|.*\1)?\*(?::|\1)")
_BEFORE_PATTERN = frozenset(("(", "and", "or", "not"))
_LIST = "name many minions in a list (tgt_type list)"


def check_words(words: list[str], expansion: Callable[[str], list[str]]) -> None:
    """Check that Salt can expand a compound target quickly.

    The largest nodegroup counts as one term, because the operator wrote it. Further and repeated nodegroups count by
    their words, or a client could build a long target from them.

    :param expansion: returns the words of a nodegroup
    :raises ApiError: ``bad_message``
    """
    if len(words) > MAX_WORDS:
        raise ApiError("bad_message", f"a compound target may have at most {MAX_WORDS} words; {_LIST}")
    if sum(1 for word in words if _EXPRESSION.match(word)) > MAX_EXPRESSIONS:
        raise ApiError("bad_message", f"a compound target may have at most {MAX_EXPRESSIONS} regular expressions")
    if sum(1 for word in words if _WILDCARD.match(word)) > MAX_WILDCARDS:
        raise ApiError("bad_message", f"a compound target may have at most {MAX_WILDCARDS} words that mean any key")
    if not _well_formed(words):
        # The interpreter parses an invalid expression twice, to explain the error.
        raise ApiError("bad_message", "the compound target lacks an operator, a pattern or a parenthesis")
    if _nested(words) > MAX_NESTING:
        raise ApiError("bad_message", f"a compound target may be nested at most {MAX_NESTING} levels deep")
    names = [word[2:] for word in words if word.startswith("N@") and len(word) > 2]
    sizes = {name: _terms(expansion(name)) for name in set(names)}
    groups = [sizes[name] for name in names]
    own = _terms(word for word in words if not (word.startswith("N@") and len(word) > 2))
    _check_terms(own + (sum(groups) - max(groups) + 1 if groups else 0))


def check_term(term: str, *, comma: bool = False) -> None:
    """Check the length of one pattern.

    :param comma: true if Salt splits the pattern at commas
    :raises ApiError: ``bad_message``
    """
    if len(term) > TERM_CHARACTERS:
        raise ApiError("bad_message", f"one pattern of a target may have at most {TERM_CHARACTERS} characters; {_LIST}")
    if comma:
        _check_terms(_terms([term]))


def check_levels(term: str, delimiter: str) -> None:
    """Check that Salt can look up a grain or pillar target quickly.

    :raises ApiError: ``bad_message``
    """
    # Below a key that it found Salt uses its own delimiter, whatever the target's is.
    parts = [part for one in term.split(delimiter) for part in one.split(":")]
    wildcards = parts[:-1].count("*")  # the last part is not a key
    maximum = MAX_LEVELS_BESIDE_WILDCARD if wildcards else MAX_LEVELS
    if len(parts) - wildcards > maximum:
        beside = " beside a *" if wildcards else ""
        raise ApiError("bad_message", f"a grain or pillar target may have at most {maximum} parts{beside}")
    if wildcards > 1:
        raise ApiError("bad_message", "of the parts of a grain or pillar target only one may be * for any key")


def _check_terms(count: int) -> None:
    if count > MAX_TERMS:
        raise ApiError("bad_message", f"a target may have at most {MAX_TERMS} patterns; {_LIST}")


def _terms(words: Iterable[str]) -> int:
    """Return the number of patterns in these words. A glob with commas counts as several, a list of names as one."""
    return sum(1 if _ONE.match(word) else 1 + word.count(",") for word in words if word not in OPERATORS)


def _well_formed(words: list[str]) -> bool:
    """Return whether Salt turns these words into a valid Python expression."""
    before, opened = "(", 0
    for word in words:
        wants_pattern = before in _BEFORE_PATTERN
        # After a pattern Salt inserts an `and` before a `not`, but not between two of them.
        fits = before != "not" if word == "not" else wants_pattern != (word in ("and", "or", ")"))
        opened += {"(": 1, ")": -1}.get(word, 0)
        if not fits or opened < 0:
            return False
        before = word
    return opened == 0 and before not in _BEFORE_PATTERN


def _nested(words: list[str]) -> int:
    """Return the nesting depth of parentheses and `not` in Salt's expression."""
    opened: list[str] = []
    deepest = 0
    for word in words:
        if word in ("(", "not"):
            opened.append(word)
            deepest = max(deepest, len(opened))
            continue
        if word == ")" and opened:
            opened.pop()
        if word not in ("and", "or") and opened and opened[-1] == "not":
            opened.pop()
    return deepest
