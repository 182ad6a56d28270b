"""Ids of batches and requests: unique, and below 2^53 so that JavaScript can hold them exactly.

An id is a time in milliseconds, followed by twelve bits for the master that allocated it. A batch uses one millisecond
for itself and one for each of its requests; the next batch gets later ones.
In this century ids have 15 or 16 digits; a job id has 20.
"""

from __future__ import annotations

from collections.abc import Callable

BEGIN = 1_577_836_800.0  # 2020-01-01 UTC, in seconds since 1970: 41 bits of milliseconds last until 2089
MASTERS = 4096
"""Maximum of masters that share a store. Each has a number below this (salt_master/batch_store.py)."""


class Ids:
    """Allocates ids.

    :param master: the number of this master
    :param last: the last millisecond that an earlier run allocated
    :param wall: seconds since the epoch
    """

    def __init__(self, master: int, last: int, wall: Callable[[], float]) -> None:
        self.master = master
        self.last = last
        self._wall = wall

    def allocate(self, requests: int) -> int:
        """Return the id of a new batch; the ids of its requests follow from it (:func:`request_id`).

        :param requests: how many requests the batch has
        """
        moment = max(int((self._wall() - BEGIN) * 1000), self.last + 1)
        self.last = moment + requests
        return moment * MASTERS + self.master


def request_id(batch: int, index: int) -> int:
    """Return the id of a request; the first request of a batch has index 0."""
    return batch + (index + 1) * MASTERS


def index_of(batch: int, request: int) -> int | None:
    """Return the index that a request id has in a batch of unlimited length; None if it has none."""
    steps, rest = divmod(request - batch, MASTERS)
    return steps - 1 if rest == 0 and steps > 0 else None
