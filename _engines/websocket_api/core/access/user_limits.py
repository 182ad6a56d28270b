"""Limits for one user over all connections, on things that cost time at every event or for long."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable

from ...errors import ApiError
from ...fair_share import Share

MINIONS_IN_PATTERN = (
    100  # minions or jobs that a filter names by id count as one pattern, because finding them is cheap
)


class Hold:
    """A part of a limit, held until :meth:`end`."""

    def __init__(self, quota: Quota, share: Share, count: int, key: Hashable = None) -> None:
        self._quota: Quota | None = quota
        self._share = share
        self._count = count
        self._key = key

    def end(self) -> None:
        """Release the hold. Further calls do nothing."""
        quota, self._quota = self._quota, None
        if quota is not None:
            quota.release(self._share, self._count, self._key)


class Quota:
    """Counts what each user holds of one kind.

    :param limit: the name of the option
    :param maximum: the maximum for one user
    :param noun: the plural noun for error messages
    """

    def __init__(self, limit: str, maximum: int, noun: str) -> None:
        self._limit = limit
        self._maximum = maximum
        self._noun = noun
        self._held: Counter[Share] = Counter()
        self._keys: Counter[tuple[Share, Hashable]] = Counter()

    def held(self, share: Share) -> int:
        """Return how much a user holds."""
        return self._held[share]

    def hold(self, share: Share, count: int = 1, key: Hashable = None) -> Hold:
        """Hold some more. A single hold may exceed the maximum, so that one large filter is possible.

        :param key: holds with an equal key count once
        :raises ApiError: ``too_many``
        """
        counted = key is None or not self._keys[share, key]
        if counted and self._held[share] and self._held[share] + count > self._maximum:
            sentence = f"you have {self._held[share]} of at most {self._maximum} {self._noun} at once"
            raise ApiError("too_many", sentence, {"limit": self._limit})
        if counted:
            self._held[share] += count
        if key is not None:
            self._keys[share, key] += 1
        return Hold(self, share, count, key)

    def release(self, share: Share, count: int, key: Hashable) -> None:
        """Release a hold. Other holds with an equal key stay."""
        if key is not None:
            self._keys[share, key] -= 1
            if self._keys[share, key]:
                return
            del self._keys[share, key]
        self._held[share] -= count
        if not self._held[share]:
            del self._held[share]


class UserLimits:
    """The limits of each user. The options have the same names."""

    def __init__(
        self,
        *,
        look_back_events_per_user: int = 10_000_000,
        patterns_per_user: int = 2000,
    ) -> None:
        self.look_backs = Quota("look_back_events_per_user", look_back_events_per_user, "events to look back at")
        self.patterns = Quota("patterns_per_user", patterns_per_user, "patterns in filters")


def weight(texts: int, ids: int = 0) -> int:
    """Return the number of patterns that a filter counts as.

    :param texts: the number of tags and function patterns
    :param ids: the number of minions and jobs
    """
    return max(1, texts) + ids // MINIONS_IN_PATTERN
