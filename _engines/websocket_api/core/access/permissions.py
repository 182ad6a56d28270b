"""The permissions of one auth list, as Salt reads it.

Mirrors ``CkMinions.auth_check``, ``runner_check`` and ``wheel_check`` (salt/utils/minions.py) for a single minion at a
time; a test compares the two over a table of entries. Salt expands every minion target from disk at each call
(up to 388 ms measured); here the expansions are sets that are kept (core/access/target_sets.py).
"""

from __future__ import annotations

import fnmatch
import json
import re
from collections.abc import Callable, Mapping, Sequence, Set
from functools import cached_property
from typing import Any, NamedTuple, Protocol

from ..events.function import COMPOUND
from .conditions import allows, conditions_of, matches, names_function, tag_patterns

ALL_MINIONS = "*"  # Salt accepts this target without matching it
LIST_KEYS = ("wheel", "key.list_all")
"""The call that shows keys, and events about them."""
MAX_FUNCTIONS = 1_000  # whose entries are cached: names of functions come from the bus


class Targets(Protocol):
    """Matches minions against target expressions of auth lists."""

    def matches(self, expression: str, minion: str) -> bool:
        """Return whether the expression is known to match this minion."""
        ...

    def minions(self, expression: str) -> frozenset[str]:
        """Return the minions that the expression is known to match."""
        ...

    def mark(self, expression: str) -> str:
        """Return a text that is equal for equal expansions, in other processes too."""
        ...


class _Entries(NamedTuple):
    """The entries of an auth list that name a function."""

    anywhere: bool
    """Whether it may run on all minions with any arguments."""
    on: tuple[tuple[str, tuple[Any, ...]], ...]
    """Targets on which it may run, with the conditions of each."""


class Permissions:
    """An auth list, prepared for checks. It is immutable, and equal lists share one object (:mod:`.sessions`).

    :param auth_list: as ``LoadAuth.get_auth_list`` gives it: strings and ``{target: [functions]}``
    :param targets: expansions of the targets
    """

    def __init__(self, auth_list: Sequence[Any], targets: Targets) -> None:
        self.auth_list = list(auth_list)
        self.key = permission_key(auth_list)
        self._targets = targets
        strings = [entry for entry in auth_list if isinstance(entry, str)]
        single = [next(iter(entry.items())) for entry in auth_list if isinstance(entry, Mapping) and len(entry) == 1]
        pairs = [(target, funs) for target, funs in single if isinstance(target, str)]
        self._anywhere = tuple(entry for entry in strings if not entry.startswith("@"))
        self._on = tuple((target, conditions_of(funs)) for target, funs in pairs if not target.startswith("@"))
        self._special = {entry for entry in strings if entry.startswith("@")}
        self._special_on = tuple((name, conditions_of(funs)) for name, funs in pairs if name.startswith("@"))
        self.everything = ".*" in self._anywhere
        self._entries: dict[str, _Entries] = {}

    @property
    def expressions(self) -> tuple[str, ...]:
        """The target expressions that must be expanded before the first check."""
        return tuple(target for target, _ in self._on if target != ALL_MINIONS)

    @property
    def expanded(self) -> tuple[str, ...]:
        """The marks of what these expressions match now. When one changes, the user may see other minions."""
        return tuple(map(self._targets.mark, self.expressions))

    def may_run(self, fun: str, arg: Sequence[Any] | None, minion: str) -> bool:
        """Return whether Salt would let ``fun`` run with these arguments on this minion.

        :param arg: as a publish load carries it, keywords last as ``{"__kwarg__": True, ...}``; None when unknown
        """
        if self.everything:
            return True
        if COMPOUND in fun:
            # Salt runs all of them if one is allowed. Their results are visible only to users who may run each.
            funs, given = fun.split(COMPOUND), list(arg or ())
            args = [one if isinstance(one, (list, tuple)) else None for one in given] + [None] * len(funs)
            return all(self.may_run(one, its_arg, minion) for one, its_arg in zip(funs, args, strict=False))
        entries = self._entries_of(fun)
        if entries.anywhere:
            return True
        for target, conditions in entries.on:
            # The target first: that costs less, and matches few minions.
            if (target == ALL_MINIONS or self._targets.matches(target, minion)) and allows(conditions, fun, arg):
                return True
        return False

    def runnable(self, fun: str, arg: Sequence[Any] | None, minions: Set[str]) -> frozenset[str]:
        """Return the minions for which :meth:`may_run` returns True. Conditions are checked once for all of them."""
        if self.may_see_everywhere(fun, arg):
            return frozenset(minions)
        if COMPOUND in fun:
            return frozenset(minion for minion in minions if self.may_run(fun, arg, minion))
        allowed = [target for target, conditions in self._entries_of(fun).on if allows(conditions, fun, arg)]
        # An intersection takes the time of the smaller set: a few minions of thousands.
        return frozenset().union(*(self._targets.minions(target) & minions for target in allowed))

    def may_see_everywhere(self, fun: str, arg: Sequence[Any] | None) -> bool:
        """Return whether :meth:`may_run` is true on every possible minion; compound commands need ``.*`` for that."""
        return self.everything or (COMPOUND not in fun and self.may_run_everywhere(fun, arg))

    def may_run_everywhere(self, fun: str, arg: Sequence[Any] | None) -> bool:
        """Return whether ``fun`` may run with these arguments on every possible minion."""
        entries = self._entries_of(fun)
        if self.everything or entries.anywhere:
            return True
        return any(target == ALL_MINIONS and allows(conditions, fun, arg) for target, conditions in entries.on)

    def may_run_everywhere_somehow(self, fun: str) -> bool:
        """Return whether ``fun`` may run on minions that no target but ``*`` matches, with at least some arguments."""
        if self.everything:
            return True
        if COMPOUND in fun:
            return all(map(self.may_run_everywhere_somehow, fun.split(COMPOUND)))
        entries = self._entries_of(fun)
        return entries.anywhere or any(target == ALL_MINIONS for target, _ in entries.on)

    def may_run_somehow(self, fun: str, minion: str | None = None) -> bool:
        """Return whether ``fun`` may run on this minion, or on any, with at least some arguments."""
        entries = self._entries_of(fun)
        if self.everything or entries.anywhere:
            return True
        return any(
            minion is None or target == ALL_MINIONS or self._targets.matches(target, minion) for target, _ in entries.on
        )

    def may_call(self, client: str, fun: str, arg: Sequence[Any] = (), kwarg: Mapping[str, Any] | None = None) -> bool:
        """Return whether a runner or wheel function may be called.

        :param client: ``runner`` or ``wheel``
        """
        module, _, name = fun.partition(".")
        if not name or "." in name:
            return False
        if self._special & {f"@{module}", f"@{client}", f"@{client}s"}:
            return True
        # The master reads a wheel's arguments from the wrong place, so no condition on them is ever met.
        arguments = [*arg, {"__kwarg__": True, **(kwarg or {})}] if client == "runner" else []
        for special, conditions in self._special_on:
            if special == f"@{module}" and allows(conditions, name, arguments):
                return True
            if special in (f"@{client}", f"@{client}s") and allows(conditions, fun, arguments):
                return True
        return False

    def may_call_somehow(self, client: str, fun: str) -> bool:
        """Return whether a runner or wheel function may be called with at least some arguments."""
        module, _, name = fun.partition(".")
        if not name or "." in name:
            return False
        if self._special & {f"@{module}", f"@{client}", f"@{client}s"}:
            return True
        return any(
            (special == f"@{module}" and names_function(conditions, name))
            or (special in (f"@{client}", f"@{client}s") and names_function(conditions, fun))
            for special, conditions in self._special_on
        )

    @cached_property
    def sees_all_jobs(self) -> bool:
        """Whether any job may be looked up, by ``@runner`` and ``@jobs`` entries."""
        return self.may_call("runner", "jobs.lookup_jid")

    @cached_property
    def lists_keys(self) -> bool:
        """Whether the keys of minions may be listed."""
        return self.may_call(*LIST_KEYS)

    @cached_property
    def visible_tags(self) -> bool | list[str]:
        """The tags that ``@events`` allows: True for all, a list of patterns, or False."""
        return self.tags("@events")

    @cached_property
    def _tag_fits(self) -> list[Callable[[str], object]]:
        # Compiled once: the cache of fnmatch is too small for the patterns of many users.
        patterns = self.visible_tags
        return [] if isinstance(patterns, bool) else [re.compile(fnmatch.translate(one)).match for one in patterns]

    def may_see_tag(self, tag: str) -> bool:
        """Return whether an ``@events`` entry allows this tag."""
        visible = self.visible_tags
        return visible if isinstance(visible, bool) else any(fits(tag) for fits in self._tag_fits)

    def may_fire(self, tag: str) -> bool:
        """Return whether events of this tag may be fired, by ``@fire`` or by ``.*`` together with ``@runner``."""
        allowed = self.tags("@fire")
        return allowed if isinstance(allowed, bool) else any(fnmatch.fnmatchcase(tag, one) for one in allowed)

    def tags(self, entry: str) -> bool | list[str]:
        """Return the tags that ``@events`` or ``@fire`` allows: True for all, a list of patterns, or False."""
        if entry == "@fire" and self.everything and self._special & {"@runner", "@runners"}:
            return True
        if entry in self._special or (entry == "@events" and self.everything):
            return True
        found = [pattern for name, patterns in self._special_on if name == entry for pattern in tag_patterns(patterns)]
        return found or False

    def _entries_of(self, fun: str) -> _Entries:
        entries = self._entries.get(fun)
        if entries is None:
            if len(self._entries) > MAX_FUNCTIONS:
                self._entries.clear()
            entries = self._entries[fun] = _Entries(
                any(matches(pattern, fun) for pattern in self._anywhere),
                tuple(entry for entry in self._on if names_function(entry[1], fun)),
            )
        return entries


def permission_key(auth_list: Sequence[Any]) -> str:
    """Return a key that is equal for equal auth lists."""
    try:
        return json.dumps(auth_list, sort_keys=True, default=str)
    except TypeError:  # names of different types cannot be sorted
        return repr(auth_list)
