"""Which minions a target may mean for a user: rights are checked first, and minions of others stay unknown.

A user who may run a function on some minions only must not learn from an answer, or from the work behind it, what
other minions there are, or what grains and pillar they have. "Nothing matches" and "not yours" are the same answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ..core.access.permissions import Permissions
from ..errors import ApiError, not_permitted
from .services import Match
from .targets import keep_names

NAMING = frozenset({"glob", "pcre"})
"""Kinds that depend on ids alone. As in Salt, one matched minion of others refuses the whole command."""


class Reach:
    """Where a user may run a function with these arguments.

    :param arg: as a publish load carries it
    :raises ApiError: ``forbidden`` if that is nowhere; no target has been looked at then
    """

    def __init__(self, permissions: Permissions, fun: str, arg: Sequence[Any]) -> None:
        if not permissions.may_run_somehow(fun):
            raise not_permitted()
        self._permissions = permissions
        self._fun, self._arg = fun, arg
        self.everywhere = permissions.may_run_everywhere(fun, arg)

    def covers(self, minion: str) -> bool:
        """Tell whether the function may run on this minion, which need not exist."""
        return self.everywhere or self._permissions.may_run(self._fun, self._arg, minion)

    def check_names(self, tgt: Any, tgt_type: str) -> None:
        """Check a list of ids, which needs no look at the minions.

        :raises ApiError: ``forbidden`` if it names a minion, existing or not, on which the function may not run
        """
        if tgt_type == "list" and not all(map(self.covers, tgt)):
            raise not_permitted()

    def known_names(self, tgt: Any, tgt_type: str) -> Any:
        """Return a target that is about to be cut to covered minions, without ids of others: each costs Salt time."""
        return tgt if self.everywhere else keep_names(tgt, tgt_type, self.covers)

    def cut(self, tgt_type: str, found: Sequence[str]) -> list[str]:
        """Return the minions of a match on which the function may run.

        :raises ApiError: ``forbidden`` if none is left, or if a target of ids means others too
        """
        left = [name for name in found if self.covers(name)]
        if not self.everywhere and (not left or (tgt_type in NAMING and len(left) < len(found))):
            raise not_permitted()
        return left

    @contextmanager
    def one_answer(self) -> Iterator[None]:
        """Give the master's answer for a target without minions the form of its answer for minions of others."""
        try:
            yield
        except ApiError as fault:
            if fault.code == "no_minions" and not self.everywhere:
                raise not_permitted() from None
            raise


async def narrowed(reach: Reach, match: Match, tgt: Any, tgt_type: str, **delimiter: str) -> tuple[Any, str]:
    """Return the target to publish; one that depends on data of minions becomes a list of those that are covered.

    What is not covered is refused here. The master would put its refusal on the bus, and nothing for a target without
    minions: the numbers of events that a user sees would tell the two apart.

    :raises ApiError: as :class:`Reach`, and what matching raises
    """
    reach.check_names(tgt, tgt_type)
    if reach.everywhere or tgt_type == "list":
        return tgt, tgt_type
    found = reach.cut(tgt_type, await match(reach.known_names(tgt, tgt_type), tgt_type, **delimiter))
    return (tgt, tgt_type) if tgt_type in NAMING else (found, "list")
