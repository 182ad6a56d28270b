"""Match targets against the ids of minions that only masters below know.

Their grains and pillar are in the caches of those masters, which also have nodegroups of their own: a target that
depends on these matches none of them here.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Collection
from typing import Any

import salt.utils.minions

from .targets import depends_on_ids


class _IdMatcher(salt.utils.minions.CkMinions):  # type: ignore[misc]
    """Salt's matcher of compound targets, with a given set of ids instead of the master's keys and caches."""

    def __init__(self, opts: dict[str, Any], ids: Collection[str]) -> None:
        # Without this option Salt takes every compound target for all minions.
        self.opts = {**opts, "minion_data_cache": True}
        self._ids = frozenset(ids)

    def match(self, tgt: str | list[str], delimiter: str) -> list[str]:
        """Return the ids that a compound target matches."""
        found: list[str] = self._check_compound_minions(tgt, delimiter, True)["minions"]
        return found

    def _pki_minions(self) -> set[str]:
        return set(self._ids)

    def _check_glob_minions(self, expr: str, *_: Any, **__: Any) -> dict[str, list[str]]:
        return {"minions": fnmatch.filter(self._ids, expr), "missing": []}

    def _check_list_minions(self, expr: str, *_: Any, **__: Any) -> dict[str, list[str]]:
        return {"minions": [name for name in expr.split(",") if name in self._ids], "missing": []}


def match_below(
    opts: dict[str, Any], tgt: str | list[str], tgt_type: str, delimiter: str, ids: Collection[str]
) -> set[str]:
    """Return those of the ids that a target matches by ids alone; none if it depends on other things.

    :param tgt: a valid target
    """
    if tgt_type == "compound" and depends_on_ids(tgt):
        return set(_IdMatcher(opts, ids).match(tgt, delimiter))
    if tgt_type == "list":
        return set(tgt.split(",") if isinstance(tgt, str) else tgt) & set(ids)
    if tgt_type == "glob" and isinstance(tgt, str):
        return set(fnmatch.filter(ids, tgt))
    if tgt_type == "pcre" and isinstance(tgt, str):
        expression = re.compile(tgt)
        return {name for name in ids if expression.match(name)}
    return set()
