"""Match targets against the ids of minions that only masters below know.

Their grains and pillar are in the caches of those masters, which also have nodegroups of their own: a target that
depends on these matches none of them here.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Collection
from typing import Any, NoReturn

import salt.utils.minions

_BY_ID = frozenset(("glob", "pcre", "list", "compound"))


class _NeedsData(Exception):
    """The target depends on data that this master does not have."""


class _IdMatcher(salt.utils.minions.CkMinions):  # type: ignore[misc]
    """Salt's matcher of compound targets, with a given set of ids instead of the master's keys and caches."""

    def __init__(self, opts: dict[str, Any], ids: Collection[str]) -> None:
        # Without this option Salt takes every compound target for all minions.
        self.opts = {**opts, "minion_data_cache": True}
        self._ids = frozenset(ids)

    def _pki_minions(self) -> set[str]:
        return set(self._ids)

    def _check_glob_minions(self, expr: str, *_: Any, **__: Any) -> dict[str, list[str]]:
        return {"minions": fnmatch.filter(self._ids, expr), "missing": []}

    def _check_list_minions(self, expr: str | list[str], *_: Any, **__: Any) -> dict[str, list[str]]:
        named = expr.split(",") if isinstance(expr, str) else expr
        return {"minions": [name for name in named if name in self._ids], "missing": []}

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise _NeedsData

    _check_grain_minions = _check_grain_pcre_minions = _check_pillar_minions = _check_pillar_pcre_minions = _refuse
    _check_pillar_exact_minions = _check_ipcidr_minions = _check_range_minions = _all_minions = _refuse
    _check_resource_minions = _check_managing_minion_minions = _refuse


def match_below(
    opts: dict[str, Any], tgt: str | list[str], tgt_type: str, delimiter: str, ids: Collection[str]
) -> set[str]:
    """Return those of the ids that a target matches by ids alone; none if it depends on other things.

    :param tgt: a valid target
    """
    words = tgt.split() if isinstance(tgt, str) else tgt
    if tgt_type not in _BY_ID or (tgt_type == "compound" and any(word.startswith("N@") for word in words)):
        return set()
    matcher = _IdMatcher(opts, ids)
    arguments = (tgt, delimiter, True) if tgt_type == "compound" else (tgt, True)
    try:
        found = getattr(matcher, f"_check_{tgt_type}_minions")(*arguments)
    except _NeedsData:
        return set()
    return {str(name) for name in found["minions"]}
