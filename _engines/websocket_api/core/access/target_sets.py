"""Cache which minions the target expressions of auth lists match.

An expression that was never expanded matches no minion.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable, Iterable

from ...errors import ApiError
from ...fair_share import ENGINE, on_behalf_of

log = logging.getLogger(__name__)

RENEW_SECONDS = 30.0  # until a set is expanded again
FORGET_SECONDS = 600.0  # until an unused expression is dropped
MAX_REST_SECONDS = 60.0  # maximum of this pause: a store that hung must not leave the sets old for long
NO_MINIONS: frozenset[str] = frozenset()
REST = 3.0  # the pause after a renewal, as a multiple of its length: with many minions, matching a grain takes a second


class TargetSets:
    """Holds the minions of each target expression.

    :param match: ``await match(expression)`` returns the ids of the minions that a compound expression matches
    :param clock: seconds, monotonic
    """

    def __init__(self, match: Callable[[str], Awaitable[list[str]]], clock: Callable[[], float]) -> None:
        self._match = match
        self._clock = clock
        self.version = 0
        """A number that grows when a set changes: what was derived from the sets is valid while it is equal."""
        self._sets: dict[str, frozenset[str]] = {}
        self._marks: dict[str, str] = {}
        """The marks of sets, as far as they were needed."""
        self._read_at: dict[str, float] = {}
        self._used_at: dict[str, float] = {}
        self._changed_at = clock()
        """Seconds, monotonic: sets whose expansion started before this are outdated."""
        self._has_changed = False
        """Whether a set changed since :meth:`renew` last reported that."""
        self._expanding: dict[str, asyncio.Task[None]] = {}
        """The expansions under way: requests that need the same one wait for it together."""
        self._rest_until = self._changed_at
        """When the next renewal may begin."""

    def matches(self, expression: str, minion: str) -> bool:
        """Return whether the expression is known to match this minion."""
        return minion in self.minions(expression)

    def minions(self, expression: str) -> frozenset[str]:
        """Return the minions that the expression is known to match."""
        return self._sets.get(expression, NO_MINIONS)

    def mark(self, expression: str) -> str:
        """Return a text that is equal for equal expansions, in other processes too."""
        mark = self._marks.get(expression)
        if mark is None:
            text = "\n".join(sorted(self._sets.get(expression, ())))
            mark = self._marks[expression] = hashlib.blake2b(
                text.encode("utf-8", "replace"), digest_size=12
            ).hexdigest()
        return mark

    async def ensure(self, expressions: Iterable[str]) -> None:
        """Expand those of the expressions whose sets are missing or outdated."""
        now = self._clock()
        for expression in expressions:
            self._used_at[expression] = now
            for _ in range(2):  # one under way may have begun before the last change
                if self._is_due(expression, now):
                    await self._join(expression)

    def mark_used(self, expressions: Iterable[str]) -> None:
        """Mark these expressions as used, so that they are kept."""
        self._used_at.update(dict.fromkeys(expressions, self._clock()))

    def invalidate(self) -> None:
        """Mark all sets as outdated, after keys or grains changed."""
        self._changed_at = self._clock()

    async def renew(self) -> bool:
        """Expand outdated expressions again and drop unused ones, unless that was just done at great cost.

        :return: whether a set changed since the last call, also by :meth:`ensure`
        """
        now = self._clock()
        if now >= self._rest_until:
            for expression, wanted in list(self._used_at.items()):
                if now - wanted > FORGET_SECONDS:
                    self.version += 1
                    for store in (self._sets, self._marks, self._read_at, self._used_at):
                        store.pop(expression, None)
                elif self._is_due(expression, now):
                    await self._join(expression)
            ended = self._clock()
            self._rest_until = ended + min(REST * (ended - now), MAX_REST_SECONDS)
        changed, self._has_changed = self._has_changed, False
        return changed

    def _is_due(self, expression: str, now: float) -> bool:
        read_at = self._read_at.get(expression)
        return read_at is None or read_at < self._changed_at or now - read_at >= RENEW_SECONDS

    async def _join(self, expression: str) -> None:
        """Expand an expression, or wait for the expansion that is under way."""
        task = self._expanding.get(expression)
        if task is None:
            with on_behalf_of(ENGINE):  # the set serves all users
                task = self._expanding[expression] = asyncio.ensure_future(self._expand(expression))
            task.add_done_callback(lambda done: self._expanding.pop(expression))
        await asyncio.shield(task)  # a client that leaves does not cancel it for the others

    async def _expand(self, expression: str) -> None:
        before = self._sets.get(expression)
        started = self._clock()
        try:
            found = frozenset(await self._match(expression))
        except ApiError as error:
            # An invalid expression in external_auth allows nothing. If a store fails, the old set stays until the store
            # answers again.
            log.warning("the target %r of an auth list could not be expanded: %s", expression, error.message)
            found = before if error.retryable and before is not None else frozenset()
        except Exception:
            # Salt's matching raises many kinds of exceptions. One bad expression must not stop the others' renewal.
            log.exception("the target %r of an auth list could not be expanded", expression)
            found = frozenset()
        self._sets[expression] = found
        if found != before:
            self.version += 1
            self._marks.pop(expression, None)
            self._has_changed |= before is not None  # nobody was shown anything by a set that is new
        self._read_at[expression] = started
