"""Target expressions: what Salt's own clients do to them before they are sent, and which of them mean nothing."""

from __future__ import annotations

import importlib
import ipaddress
import re
from typing import Any

import salt.utils.minions

from ..errors import ApiError
from . import patterns

try:
    _range: Any = importlib.import_module("seco.range")
except ImportError:
    _range = None

#: Longest regular expression in a target, in characters: ``re`` has no time-out and holds the interpreter's lock.
REGEX_CHARACTERS = 256
TYPES = frozenset(
    (
        *("glob", "pcre", "list", "nodegroup", "range", "compound", "ipcidr"),
        *("grain", "grain_pcre", "pillar", "pillar_pcre", "pillar_exact"),
    )
)
# In a compound target a word of the form X@... is matched as this type.
_COMPOUND = {"E": "pcre", "P": "grain_pcre", "J": "pillar_pcre", "S": "ipcidr", "N": "nodegroup", "R": "range"}
# Only data in trees has a delimiter of its own, one character before the @ (salt.utils.minions.parse_target).
_WORD = re.compile(r"([EPJSNR])((?<=[PJ]).)?@(.+)")


def check(opts: dict[str, Any], tgt: str | list[str], tgt_type: str, *, trusted: bool = False) -> None:
    """Nothing for an expression that can be matched.

    Salt itself logs a traceback for a wrong one and answers that no minion matches.

    :param trusted: the operator wrote it, in external_auth: its regular expressions may be of any length
    :raises ApiError: ``bad_message`` with what is wrong
    """
    if tgt_type not in TYPES:
        raise ApiError("bad_message", f"There is no target type {tgt_type!r}.")
    if tgt_type == "list":
        return
    if not isinstance(tgt, str):
        if tgt_type != "compound":
            raise ApiError("bad_message", f"A target of type {tgt_type} is one string.")
        tgt = " ".join(tgt)
    if tgt_type == "compound":
        words = tgt.split()
        if words.count("(") != words.count(")"):
            raise ApiError("bad_message", "The parentheses of the compound target do not match.")
        for word in words:
            if match := _WORD.match(word):
                kind, delimiter, rest = match.groups()
                _check_one(opts, rest, _COMPOUND[kind], delimiter or ":", trusted)
        return
    _check_one(opts, tgt, tgt_type, ":", trusted)


def _check_one(opts: dict[str, Any], tgt: str, tgt_type: str, delimiter: str, trusted: bool) -> None:
    if tgt_type in ("pcre", "grain_pcre", "pillar_pcre"):
        pattern = tgt if tgt_type == "pcre" else tgt.rpartition(delimiter)[2]
        if len(pattern) > REGEX_CHARACTERS and not trusted:
            raise ApiError("bad_message", f"A regular expression has at most {REGEX_CHARACTERS} characters.")
        letters = patterns.ID_LETTERS if tgt_type == "pcre" else patterns.VALUE_LETTERS
        if not trusted and patterns.takes_too_long(pattern, letters):
            raise ApiError("bad_message", "The regular expression may take too long: it repeats too much.")
        try:
            re.compile(pattern)
        except (re.error, RecursionError, OverflowError):
            raise ApiError("bad_message", f"The target {tgt!r} is not a regular expression.") from None
    elif tgt_type == "ipcidr":
        try:
            ipaddress.ip_network(tgt, strict=False)
        except ValueError:
            raise ApiError("bad_message", f"The target {tgt!r} is not an address or network.") from None
    elif tgt_type == "nodegroup":
        if tgt not in (opts.get("nodegroups") or {}):
            raise ApiError("bad_message", f"There is no nodegroup {tgt!r}.")
    elif tgt_type == "range" and _range is None:
        raise ApiError("bad_message", "This master has no range support (seco.range).")


def resolve(opts: dict[str, Any], tgt: str | list[str], tgt_type: str) -> tuple[str | list[str], str]:
    """The target as ``LocalClient`` sends it: nodegroups and ranges are resolved here, minions know neither. Blocks.

    :raises ApiError: ``bad_message`` for a nodegroup that does not exist, ``master_unavailable`` without a range server
    """
    if tgt_type == "nodegroup":
        return " ".join(_nodegroup(opts, str(tgt))), "compound"
    if tgt_type == "compound":
        words: list[str] = []
        for word in tgt.split() if isinstance(tgt, str) else tgt:
            words += _nodegroup(opts, word[2:]) if word.startswith("N@") and len(word) > 2 else [word]
        return " ".join(words), "compound"
    if tgt_type == "range" and _range is not None:
        try:
            return list(_range.Range(opts["range_server"]).expand(tgt)), "list"
        except _range.RangeException:
            raise ApiError("master_unavailable", "The range server cannot expand the target.") from None
    return tgt, tgt_type


def _nodegroup(opts: dict[str, Any], name: str) -> list[str]:
    groups = opts.get("nodegroups") or {}
    if name not in groups:
        raise ApiError("bad_message", f"There is no nodegroup {name!r}.")
    words = salt.utils.minions.nodegroup_comp(name, groups)
    return [str(word) for word in (words.split() if isinstance(words, str) else words)]
