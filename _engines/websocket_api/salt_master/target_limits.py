"""How much a client's target may ask of Salt: matching runs in the master's workers, and here holds up everybody.

Salt matches one word of a target after the other, each against all minions, and makes of a compound target one Python
expression that names all minions of each word. Of 65,536 characters that took minutes and gigabytes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from ..errors import ApiError

#: Patterns in one target. Measured with 2,000 minions: Salt's expression of 32 full sets takes 0.2 s and 30 MiB.
MOST_TERMS = 32
#: Words in all, and parentheses and `not` one in another: the interpreter allows some hundred, not all of them fast.
MOST_WORDS, MOST_NESTED = 4 * MOST_TERMS, 16
#: Regular expressions among them: each may take a tenth of a second on each minion's id, and some time to be judged.
MOST_EXPRESSIONS = 8
#: Characters of one pattern: to read `[[[[…` takes time that grows with their square.
TERM_CHARACTERS = 512
#: Parts of a grain or pillar target, for Salt tries each place to divide it; a fingerprint of 32 bytes has so many.
MOST_LEVELS = 40
#: Parts beside a `*` that means any key, of which one pattern has one: Salt tries what follows in all that is below.
#: Of 2,000 minions with a hundred grains that takes 2 s, with a second one 17 s.
MOST_LEVELS_BESIDE = 10
#: Words of a compound target with such a part.
MOST_WILDCARDS = 4
OPERATORS = frozenset(("and", "or", "not", "(", ")"))
# Words of a compound target in which a comma is like any other letter, or divides the names of one list.
_ONE = re.compile(r"[GPIJ].?@|[LSER]@")
_EXPRESSION = re.compile(r"(E|[PJ].?)@.")
# A part that may be any key, at either delimiter; one that is last is no key.
_WILDCARD = re.compile(r"[GPIJ](?:@|(.)@)(?:.*:|.*\1)?\*(?::|\1)")
_BEFORE_PATTERN = frozenset(("(", "and", "or", "not"))
_LIST = "name many minions in a list (tgt_type list)"


def check_words(words: list[str], expansion: Callable[[str], list[str]]) -> None:
    """Nothing for a compound target that Salt can expand at once.

    The largest of its nodegroups counts as one term, for the operator wrote that; with further ones, and with the same
    again, somebody may have made a long target of them: they count by what they stand for.

    :param expansion: the words that a nodegroup stands for
    :raises ApiError: ``bad_message``
    """
    if len(words) > MOST_WORDS:
        raise ApiError("bad_message", f"a compound target may have at most {MOST_WORDS} words; {_LIST}")
    if sum(1 for word in words if _EXPRESSION.match(word)) > MOST_EXPRESSIONS:
        raise ApiError("bad_message", f"a compound target may have at most {MOST_EXPRESSIONS} regular expressions")
    if sum(1 for word in words if _WILDCARD.match(word)) > MOST_WILDCARDS:
        raise ApiError("bad_message", f"a compound target may have at most {MOST_WILDCARDS} words that mean any key")
    if not _well_formed(words):
        # The interpreter reads a wrong expression twice, to say what is wrong with it.
        raise ApiError("bad_message", "the compound target lacks an operator, a pattern or a parenthesis")
    if _nested(words) > MOST_NESTED:
        raise ApiError("bad_message", f"a compound target may be nested at most {MOST_NESTED} levels deep")
    names = [word[2:] for word in words if word.startswith("N@") and len(word) > 2]
    sizes = {name: _terms(expansion(name)) for name in set(names)}
    groups = [sizes[name] for name in names]
    own = _terms(word for word in words if not (word.startswith("N@") and len(word) > 2))
    _check_terms(own + (sum(groups) - max(groups) + 1 if groups else 0))


def check_term(term: str, *, comma: bool = False) -> None:
    """Nothing for one pattern that is short enough.

    :param comma: Salt takes it for several where it has commas
    :raises ApiError: ``bad_message``
    """
    if len(term) > TERM_CHARACTERS:
        raise ApiError("bad_message", f"one pattern of a target may have at most {TERM_CHARACTERS} characters; {_LIST}")
    if comma:
        _check_terms(_terms([term]))


def check_levels(term: str, delimiter: str) -> None:
    """Nothing for a grain or pillar target that Salt can look up at once.

    :raises ApiError: ``bad_message``
    """
    # In data below a key that was found Salt goes on with its own delimiter, whatever the target's is.
    parts = [part for one in term.split(delimiter) for part in one.split(":")]
    wildcards = parts[:-1].count("*")  # the last is no key
    most = MOST_LEVELS_BESIDE if wildcards else MOST_LEVELS
    if len(parts) - wildcards > most:
        beside = " beside a *" if wildcards else ""
        raise ApiError("bad_message", f"a grain or pillar target may have at most {most} parts{beside}")
    if wildcards > 1:
        raise ApiError("bad_message", "a grain or pillar target may have * for any key at most once")


def _check_terms(count: int) -> None:
    if count > MOST_TERMS:
        raise ApiError("bad_message", f"a target may have at most {MOST_TERMS} patterns; {_LIST}")


def _terms(words: Iterable[str]) -> int:
    """How many patterns Salt sees in these words; a glob with commas is several, a list of names costs like one."""
    return sum(1 if _ONE.match(word) else 1 + word.count(",") for word in words if word not in OPERATORS)


def _well_formed(words: list[str]) -> bool:
    """Whether what Salt makes of these words is a Python expression."""
    before, opened = "(", 0
    for word in words:
        wants_pattern = before in _BEFORE_PATTERN
        # After a pattern Salt puts an `and` before a `not`; two of them it does not take.
        fits = before != "not" if word == "not" else wants_pattern != (word in ("and", "or", ")"))
        opened += {"(": 1, ")": -1}.get(word, 0)
        if not fits or opened < 0:
            return False
        before = word
    return opened == 0 and before not in _BEFORE_PATTERN


def _nested(words: list[str]) -> int:
    """How deep parentheses and `not` stand in one another, as Salt nests what it makes of them."""
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
