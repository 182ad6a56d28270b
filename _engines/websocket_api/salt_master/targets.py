"""Check target expressions, and resolve them as Salt's own clients do before they send them."""

from __future__ import annotations

import importlib
import ipaddress
import re
from typing import Any

import salt.utils.minions

from ..errors import ApiError
from . import globs, patterns
from . import target_limits as targetbounds

try:
    _range: Any = importlib.import_module("seco.range")
except ImportError:
    _range = None

#: The maximum of characters of a regular expression in a target. ``re`` has no time-out and holds the GIL.
REGEX_CHARACTERS = 256
TYPES = frozenset(
    (
        *("glob", "pcre", "list", "nodegroup", "range", "compound", "ipcidr"),
        *("grain", "grain_pcre", "pillar", "pillar_pcre", "pillar_exact"),
    )
)
#: Types that need no look-up and so no thread. Nearly all targets have these.
PLAIN = frozenset(("glob", "list"))
# In a compound target a word X@... has this type.
_COMPOUND = {
    "E": "pcre",
    "G": "grain",
    "P": "grain_pcre",
    "I": "pillar",
    "J": "pillar_pcre",
    "L": "list",
    "S": "ipcidr",
    "N": "nodegroup",
    "R": "range",
}
_DATA = frozenset(("grain", "grain_pcre", "pillar", "pillar_pcre", "pillar_exact"))
# Only grains and pillars have a delimiter, one character before the @ (salt.utils.minions.parse_target).
_WORD = re.compile(r"([EGPIJLSNR])((?<=[GPIJ]).)?@(.+)")
# The beginning of any word that is not a glob (salt.utils.minions.TARGET_REX on both lines).
_ENGINE = re.compile(r"[GPIJLNSREMT](?:(?<=[GPIJ]).)?@")
#: The default delimiter of the levels of a grain or pillar.
DELIMITER = ":"
# A part that matches any key. Salt allows no other delimiter for it.
_ANY_KEY = "*:"


def check(
    opts: dict[str, Any],
    tgt: str | list[str],
    tgt_type: str,
    delimiter: str = DELIMITER,
    *,
    trusted: bool = False,
) -> None:
    """Check that an expression is valid and can be matched quickly.

    Salt itself logs a traceback for an invalid one and answers that no minion matches.

    :param delimiter: the delimiter of a grain or pillar; the words of a compound target have their own
    :param trusted: true if the target is from external_auth, where its length and time have no limits
    :raises ApiError: ``bad_message`` with the reason
    """
    if tgt_type not in TYPES:
        raise ApiError("bad_message", f"there is no target type {tgt_type!r}")
    if tgt_type == "list":
        return
    if not isinstance(tgt, str):
        if tgt_type != "compound":
            raise ApiError("bad_message", f"a target of type {tgt_type} must be one string")
        tgt = " ".join(tgt)
    if tgt_type == "compound":
        words = tgt.split()
        if words.count("(") != words.count(")"):
            raise ApiError("bad_message", "the parentheses of the compound target do not match")
        if not trusted:
            targetbounds.check_words(words, lambda name: _nodegroup(opts, name))
        for word in words:
            match = _WORD.match(word)
            kind, own, rest = match.groups() if match else ("", "", word)
            _check_one(opts, rest, _COMPOUND.get(kind, "glob"), own or DELIMITER, trusted)
        return
    _check_one(opts, tgt, tgt_type, delimiter, trusted)


def _check_one(opts: dict[str, Any], tgt: str, tgt_type: str, delimiter: str, trusted: bool) -> None:
    if not trusted and tgt_type not in ("list", "range"):
        targetbounds.check_term(tgt, comma=tgt_type == "glob")
    if not trusted and tgt_type in _DATA:
        targetbounds.check_levels(tgt, delimiter)
    if tgt_type == "pcre":
        _check_regex(tgt, [tgt], patterns.ID_LETTERS, trusted)
    elif tgt_type in ("grain_pcre", "pillar_pcre"):
        _check_regex(tgt, _value_patterns(tgt, delimiter), patterns.VALUE_LETTERS, trusted)
    elif tgt_type == "ipcidr":
        try:
            ipaddress.ip_network(tgt, strict=False)
        except ValueError:
            raise ApiError("bad_message", f"the target {tgt!r} is not an address or network") from None
    elif tgt_type == "nodegroup":
        if tgt not in (opts.get("nodegroups") or {}):
            raise ApiError("bad_message", f"there is no nodegroup {tgt!r}")
    elif tgt_type == "range" and _range is None:
        raise ApiError("bad_message", "this master cannot match ranges; install the Python package seco.range")


def _value_patterns(tgt: str, delimiter: str) -> list[str]:
    r"""Return the parts of a grain or pillar target that Salt may use as a regular expression, the longest first.

    Each delimiter may be the last one, depending on the keys (``salt.utils.data.subdict_match``). Salt compiles the
    part in lower case: ``\S`` becomes ``\s``.

    :raises ApiError: ``bad_message`` if the target has no delimiter, so that it matches nothing
    """
    before, found, whole = tgt.partition(delimiter)
    if not found:
        raise ApiError("bad_message", f"the target {tgt!r} has no {delimiter!r} after the name of a grain or pillar")
    if before == "*":
        whole = tgt  # Salt passes it on unchanged
    while whole.startswith(_ANY_KEY):
        whole = whole.removeprefix(_ANY_KEY)
    # Below a key that it found Salt uses its own delimiter.
    delimiters = (delimiter, DELIMITER)
    ends = {place + len(one) for one in delimiters for place in range(len(whole)) if whole.startswith(one, place)}
    return [whole[end:].lower() for end in (0, *sorted(ends))]


def _check_regex(tgt: str, candidates: list[str], letters: int, trusted: bool) -> None:
    """Check that the first candidate compiles and that none takes long. The data decide which of them Salt uses.

    Salt tries the first on every key below a wildcard. If it did not compile, each try would log a line.
    """
    try:
        if len(candidates[0]) > REGEX_CHARACTERS and not trusted:
            raise ApiError("bad_message", f"a regular expression may have at most {REGEX_CHARACTERS} characters")
        if not trusted and any(patterns.takes_too_long(one, letters) for one in candidates):
            raise ApiError("bad_message", "the regular expression may take too long; repeat less")
        re.compile(candidates[0])
    except (re.error, RecursionError, OverflowError):
        raise ApiError("bad_message", f"the target {tgt!r} is not a regular expression") from None


def read(opts: dict[str, Any], tgt: str | list[str], tgt_type: str, delimiter: str) -> tuple[str | list[str], str]:
    """Check and resolve a client's target. This may take 0.1 s unless its type is in :data:`PLAIN`.

    :raises ApiError: as :func:`check` and :func:`resolve`
    """
    check(opts, tgt, tgt_type, delimiter)
    return resolve(opts, tgt, tgt_type)


def resolve(opts: dict[str, Any], tgt: str | list[str], tgt_type: str) -> tuple[str | list[str], str]:
    """Return the target as ``LocalClient`` sends it. Blocks.

    Nodegroups and ranges are resolved here, because minions do not know them. Globs with commas become regular
    expressions, because the master and the minions match them differently (``globs.py``).

    :raises ApiError: ``bad_message`` if a nodegroup is missing; ``master_unavailable`` if the range server fails
    """
    if tgt_type == "glob" and isinstance(tgt, str):
        expression = globs.with_comma(tgt)
        return (tgt, tgt_type) if expression is None else (expression, "pcre")
    if tgt_type == "nodegroup":
        return " ".join(map(_word, _nodegroup(opts, str(tgt)))), "compound"
    if tgt_type == "compound":
        words: list[str] = []
        for word in tgt.split() if isinstance(tgt, str) else tgt:
            words += _nodegroup(opts, word[2:]) if word.startswith("N@") and len(word) > 2 else [word]
        return " ".join(map(_word, words)), "compound"
    if tgt_type == "range" and _range is not None:
        try:
            return list(_range.Range(opts["range_server"]).expand(tgt)), "list"
        except _range.RangeException:
            raise ApiError("master_unavailable", "the range server cannot expand the target; try again later") from None
    return tgt, tgt_type


def depends_on_ids(tgt: str | list[str]) -> bool:
    """Return whether a compound target has globs, regular expressions and lists of ids only."""
    words = tgt.split() if isinstance(tgt, str) else tgt
    return not any(_ENGINE.match(word) and not word.startswith(("E@", "L@")) for word in words)


def _word(word: str) -> str:
    """Return a word of a compound target. A glob with a comma becomes an equal regular expression."""
    expression = None if _ENGINE.match(word) else globs.with_comma(word)
    return word if expression is None else f"E@{expression}"


def _nodegroup(opts: dict[str, Any], name: str) -> list[str]:
    groups = opts.get("nodegroups") or {}
    if name not in groups:
        raise ApiError("bad_message", f"there is no nodegroup {name!r}")
    words = salt.utils.minions.nodegroup_comp(name, groups)
    return [str(word) for word in (words.split() if isinstance(words, str) else words)]
