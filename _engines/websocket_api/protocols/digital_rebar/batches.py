"""Events about batches and their requests for Digital Rebar's clients (docs/digital-rebar.md)."""

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
    """Sends the changes of batches: at most ten times a second each, and always the last state.

    The actions of a batch are create, update, save (it ended) and destroy (it was forgotten). A request has the same
    ones except destroy.

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
        self._queues: dict[Share, deque[tuple[Batch, Iterator[None]]]] = {}
        """By owner, the batches and the events that are still to be sent. The batches stay in memory until then."""

    def apply_change(self, batch: Batch, indexes: Collection[int], what: str) -> None:
        """Send a change of a batch, or collect it for the next events. The registry calls this."""
        if what == "known" or not self._rebar.has_clients:
            self._pacers.pop(batch.id, None)
            self._changed.pop(batch.id, None)
            return
        if what == "create":
            self._enqueue(batch, self._created(batch))
            return
        self._changed.setdefault(batch.id, set()).update(indexes)
        if what == "update":
            pacer = self._pacers.get(batch.id)
            if pacer is None:
                pacer = Pacer(CHANGE_SECONDS, lambda: self._flush(batch, "update"), self._later, self._clock)
                self._pacers[batch.id] = pacer
            pacer.request_flush()
            return
        self._flush(batch, what)
        self._pacers.pop(batch.id, None)

    def _flush(self, batch: Batch, what: str) -> None:
        if what == "update" and (batch.ended or batch.id not in self._changed):
            return  # its end was sent in the meantime
        self._enqueue(batch, self._updated(batch, sorted(self._changed.pop(batch.id, ())), what))

    def _enqueue(self, batch: Batch, events: Iterator[None]) -> None:
        """Send events when it is the owner's turn: a batch may have a hundred thousand requests.

        :param events: sends one event at each step
        """
        self._lookup.hold(batch)
        share = Share(batch.user, batch.eauth)
        queue = self._queues.setdefault(share, deque())
        queue.append((batch, events))
        if len(queue) == 1:
            self._turns.soon(share, partial(self._send, share))

    def _send(self, share: Share) -> None:
        queue = self._queues[share]
        while queue:
            batch, events = queue[0]
            for _ in events if self._rebar.has_clients else ():
                if self._turns.is_over:
                    self._turns.again(share, partial(self._send, share))
                    return
            queue.popleft()
            self._lookup.release(batch)
        del self._queues[share]

    def _created(self, batch: Batch) -> Iterator[None]:
        self._announce(batch, "create")
        yield from self._announce_requests(batch, range(batch.total), "create")

    def _updated(self, batch: Batch, indexes: Collection[int], what: str) -> Iterator[None]:
        yield from self._announce_requests(batch, indexes, "update")
        self._announce(batch, what)

    def _announce(self, batch: Batch, action: str) -> None:
        def visible_object(viewer: Viewer) -> dict[str, Any] | None:
            return batch.as_dict() if may_see(viewer, batch) else None

        self._rebar.announce("batches", action, str(batch.id), f"user:{batch.user}", visible_object)

    def _announce_requests(self, batch: Batch, indexes: Collection[int], action: str) -> Iterator[None]:
        if batch.requests is None:
            return  # another master drives it, and only its head is in memory
        for index in indexes:
            ended = batch.at(index).status in ENDED

            def visible_object(viewer: Viewer, index: int = index) -> dict[str, Any] | None:
                return batch.request_as_dict(index) if may_see(viewer, batch) else None

            key, source = str(request_id(batch.id, index)), f"user:{batch.user}"
            self._rebar.announce("requests", "save" if ended else action, key, source, visible_object)
            yield
