"""Limits a target to the minions on which a user may run a function.

Permissions are checked before the target. A user with permission for some minions must not learn anything about other
minions: neither their ids, nor their grains or pillar, nor from the time that an answer takes. So a target without
minions and a target without permission get the same answer.
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
"""Types that depend on ids alone. As in Salt, one matched minion without permission refuses the whole command."""


class Reach:
    """The minions on which a user may run a function with certain arguments.

    :param arg: the arguments in the form of a publish load
    :raises ApiError: ``forbidden`` if there are no such minions, before any target is matched
    """

    def __init__(self, permissions: Permissions, fun: str, arg: Sequence[Any]) -> None:
        if not permissions.may_run_somehow(fun):
            raise not_permitted()
        self._permissions = permissions
        self._fun, self._arg = fun, arg
        self.everywhere = permissions.may_run_everywhere(fun, arg)

    def covers(self, minion: str) -> bool:
        """Tell whether the function may run on a minion, which need not exist."""
        return self.everywhere or self._permissions.may_run(self._fun, self._arg, minion)

    def check_names(self, tgt: Any, tgt_type: str) -> None:
        """Check a list of ids. This needs no matching.

        :raises ApiError: ``forbidden`` if it names a minion, existing or not, on which the function may not run
        """
        if tgt_type == "list" and not all(map(self.covers, tgt)):
            raise not_permitted()

    def known_names(self, tgt: Any, tgt_type: str) -> Any:
        """Return a target without ids of other minions, because each id costs Salt time."""
        return tgt if self.everywhere else keep_names(tgt, tgt_type, self.covers)

    def limit(self, tgt_type: str, found: Sequence[str]) -> list[str]:
        """Return the matched minions on which the function may run.

        :param found: all matched minions
        :raises ApiError: ``forbidden`` if there is none, or if a target of ids matches others too
        """
        left = [name for name in found if self.covers(name)]
        if not self.everywhere and (not left or (tgt_type in NAMING and len(left) < len(found))):
            raise not_permitted()
        return left

    @contextmanager
    def hide_no_minions(self) -> Iterator[None]:
        """Replace ``no_minions`` by ``forbidden`` for users with permission for some minions only."""
        try:
            yield
        except ApiError as fault:
            if fault.code == "no_minions" and not self.everywhere:
                raise not_permitted() from None
            raise


async def narrowed(reach: Reach, match: Match, tgt: Any, tgt_type: str, **delimiter: str) -> tuple[Any, str]:
    """Return the target to publish. A target that depends on data of minions becomes a list of covered minions.

    Other minions are refused here. The master would send an event about the refusal, but none about a target without
    minions: users could tell the two apart by the numbers of events.

    :raises ApiError: as in :class:`Reach`, and errors of matching
    """
    reach.check_names(tgt, tgt_type)
    if reach.everywhere or tgt_type == "list":
        return tgt, tgt_type
    found = reach.limit(tgt_type, await match(reach.known_names(tgt, tgt_type), tgt_type, **delimiter))
    return (tgt, tgt_type) if tgt_type in NAMING else (found, "list")
