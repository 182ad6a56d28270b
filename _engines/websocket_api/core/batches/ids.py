"""Numbers for batches and requests: below 2^53, so that JavaScript can count them, and never given twice.

A number is a moment in milliseconds and, in its last twelve bits, the master that gave it. A batch and its requests
take as many milliseconds as there are of them, one after the other; who asks for the next number gets a later one.
In this century they have 15 or 16 digits; a job id has 20.
"""

from __future__ import annotations

from collections.abc import Callable

BEGIN = 1_577_836_800.0  # 2020-01-01 UTC, in seconds since 1970: 41 bits of milliseconds last until 2089
MASTERS = 4096
"""How many masters can share a store: each has a number below this (salt_master/batch_store.py)."""


class Ids:
    """Gives numbers.

    :param master: this master's number
    :param last: the last millisecond that was given away by an earlier run
    :param wall: seconds since the epoch
    """

    def __init__(self, master: int, last: int, wall: Callable[[], float]) -> None:
        self.master = master
        self.last = last
        self._wall = wall

    def take(self, requests: int) -> int:
        """Return the id of a new batch of so many requests; theirs follow from it (:func:`request_id`)."""
        moment = max(int((self._wall() - BEGIN) * 1000), self.last + 1)
        self.last = moment + requests
        return moment * MASTERS + self.master


def request_id(batch: int, place: int) -> int:
    """Return the id of a batch's request, the first of which has the place 0."""
    return batch + (place + 1) * MASTERS


def place_of(batch: int, request: int) -> int | None:
    """Return the place that a request would have in a batch, were the batch long enough; None for none."""
    steps, rest = divmod(request - batch, MASTERS)
    return steps - 1 if rest == 0 and steps > 0 else None
