"""Which minions the target expressions of auth lists mean: asked once per expression, kept as sets, renewed in time.

Until an expression was expanded for the first time the answer is no.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable

from ...errors import ApiError

log = logging.getLogger(__name__)

RENEW_SECONDS = 30.0  # a grain that changed counts after this at the latest
FORGET_SECONDS = 600.0  # an expression that nobody's permissions hold any more


class TargetSets:
    """Expansions of target expressions.

    :param match: ``await match(expression)`` returns the ids of the minions that a compound expression means
    :param clock: seconds, monotonic
    """

    def __init__(self, match: Callable[[str], Awaitable[list[str]]], clock: Callable[[], float]) -> None:
        self._match = match
        self._clock = clock
        self._sets: dict[str, frozenset[str]] = {}
        self._read_at: dict[str, float] = {}
        self._wanted_at: dict[str, float] = {}
        self._changed_at = clock()
        """What was read before this is out of date, also if the answer comes only after it."""

    def means(self, expression: str, minion: str) -> bool:
        """Tell whether the expression means this minion, as far as is known."""
        return minion in self._sets.get(expression, ())

    async def ensure(self, expressions: Iterable[str]) -> None:
        """Return when all of the expressions have been expanded, at most :data:`RENEW_SECONDS` ago."""
        now = self._clock()
        for expression in expressions:
            self._wanted_at[expression] = now
            if self._is_due(expression, now):
                await self._expand(expression)

    def want(self, expressions: Iterable[str]) -> None:
        """Note that somebody's permissions still hold these expressions."""
        self._wanted_at.update(dict.fromkeys(expressions, self._clock()))

    def invalidate(self) -> None:
        """Note that keys or grains changed: the next :meth:`renew` reads everything anew."""
        self._changed_at = self._clock()

    async def renew(self) -> bool:
        """Expand again what is due; forget what nobody wants. Return whether a set changed."""
        now = self._clock()
        changed = False
        for expression, wanted in list(self._wanted_at.items()):
            if now - wanted > FORGET_SECONDS:
                for store in (self._sets, self._read_at, self._wanted_at):
                    store.pop(expression, None)
            elif self._is_due(expression, now):
                changed |= await self._expand(expression)
        return changed

    def _is_due(self, expression: str, now: float) -> bool:
        read_at = self._read_at.get(expression)
        return read_at is None or read_at < self._changed_at or now - read_at >= RENEW_SECONDS

    async def _expand(self, expression: str) -> bool:
        before = self._sets.get(expression)
        started = self._clock()
        try:
            found = frozenset(await self._match(expression))
        except ApiError as error:
            # A wrong expression in external_auth allows nothing. A store that fails for a moment says nothing about
            # what was known before; that is kept until it answers again.
            log.warning("the target %r of an auth list could not be expanded: %s", expression, error.message)
            found = before if error.retryable and before is not None else frozenset()
        except Exception:
            # Salt's matching fails in many ways; one expression's trouble must not keep the others as they were.
            log.exception("the target %r of an auth list could not be expanded", expression)
            found = frozenset()
        self._sets[expression] = found
        self._read_at[expression] = started
        return found != before
