"""What clients of Digital Rebar are told of batches and their requests (docs/digital-rebar.md)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator
from functools import partial
from typing import Any

from ...core.access.turns import Turns
from ...core.access.visibility import Viewer
from ...core.batches.batch import Batch
from ...core.batches.ids import request_id
from ...core.batches.lookup import BatchLookup
from ...core.batches.registry import may_see
from ...core.batches.request import ENDED
from ...core.delivery.pacing import Pacer
from ...core.delivery.snapshots import CHANGE_SECONDS
from ...core.timing import Later
from ...fair_share import Share
from .clients import RebarClients


class RebarBatchEvents:
    """Follows all batches for these clients: each change at most ten times a second, the last state always.

    A batch is created, updated, saved (it ended) and destroyed (it was forgotten); so is each of its requests, but for
    the last.

    :param later: ``later(seconds, call)``
    :param clock: seconds, monotonic
    """

    def __init__(
        self, *, rebar: RebarClients, lookup: BatchLookup, later: Later, clock: Callable[[], float], turns: Turns
    ) -> None:
        self._rebar = rebar
        self._lookup = lookup
        self._later = later
        self._clock = clock
        self._pacers: dict[int, Pacer] = {}
        self._changed: dict[int, set[int]] = {}
        self._turns = turns
        self._waiting: dict[Share, deque[tuple[Batch, Iterator[None]]]] = {}
        """What is still to be told by the batches' owners, of batches that are kept in memory until it is."""

    def apply_change(self, batch: Batch, places: Collection[int], what: str) -> None:
        if what == "known" or not self._rebar.has_clients:
            self._pacers.pop(batch.id, None)
            self._changed.pop(batch.id, None)
            return
        if what == "create":
            self._tell(batch, self._created(batch))
            return
        self._changed.setdefault(batch.id, set()).update(places)
        if what == "update":
            pacer = self._pacers.get(batch.id)
            if pacer is None:
                pacer = Pacer(CHANGE_SECONDS, lambda: self._flush(batch, "update"), self._later, self._clock)
                self._pacers[batch.id] = pacer
            pacer.poke()
            return
        self._flush(batch, what)
        self._pacers.pop(batch.id, None)

    def _flush(self, batch: Batch, what: str) -> None:
        if what == "update" and (batch.ended or batch.id not in self._changed):
            return  # its end has been told meanwhile
        self._tell(batch, self._updated(batch, sorted(self._changed.pop(batch.id, ())), what))

    def _tell(self, batch: Batch, telling: Iterator[None]) -> None:
        """Tell something in its turn: a batch of a hundred thousand requests is not told in one go."""
        self._lookup.hold(batch)
        share = Share(batch.user, batch.eauth)
        waiting = self._waiting.setdefault(share, deque())
        waiting.append((batch, telling))
        if len(waiting) == 1:
            self._turns.soon(share, partial(self._go, share))

    def _go(self, share: Share) -> None:
        waiting = self._waiting[share]
        while waiting:
            batch, telling = waiting[0]
            for _ in telling if self._rebar.has_clients else ():
                if self._turns.is_over:
                    self._turns.again(share, partial(self._go, share))
                    return
            waiting.popleft()
            self._lookup.release(batch)
        del self._waiting[share]

    def _created(self, batch: Batch) -> Iterator[None]:
        self._say(batch, "create")
        yield from self._say_requests(batch, range(batch.total), "create")

    def _updated(self, batch: Batch, places: Collection[int], what: str) -> Iterator[None]:
        yield from self._say_requests(batch, places, "update")
        self._say(batch, what)

    def _say(self, batch: Batch, action: str) -> None:
        def shown(viewer: Viewer) -> dict[str, Any] | None:
            return batch.as_dict() if may_see(viewer, batch) else None

        self._rebar.announce("batches", action, str(batch.id), f"user:{batch.user}", shown)

    def _say_requests(self, batch: Batch, places: Collection[int], action: str) -> Iterator[None]:
        if batch.requests is None:
            return  # another master drives it, and only its head is known here
        for place in places:
            ended = batch.at(place).status in ENDED

            def shown(viewer: Viewer, place: int = place) -> dict[str, Any] | None:
                return batch.request_as_dict(place) if may_see(viewer, batch) else None

            said = "save" if ended else action
            self._rebar.announce("requests", said, str(request_id(batch.id, place)), f"user:{batch.user}", shown)
            yield
