"""The batches that this engine knows, and the listeners for their changes.

Of batches that have ended, and of those that another master drives, only the head is kept in memory. lookup.py loads
their requests when a client asks for them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

from ..access.visibility import Viewer
from .batch import Batch

Listener = Callable[[Batch, Collection[int], str], None]
"""``listener(batch, indexes of the requests that changed, what)``.

``what`` is ``known`` (learned from the store), ``create``, ``update``, ``save`` (it ended) or ``destroy``.
"""


class BatchRegistry:
    """Batches by id."""

    def __init__(self) -> None:
        self._batches: dict[int, Batch] = {}
        self._listeners: list[Listener] = []
        self._holds: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._batches)

    def on_change(self, listener: Listener) -> None:
        """Call a listener after each change of a batch; listeners run in the order in which they were added."""
        self._listeners.append(listener)

    def known(self) -> Iterator[Batch]:
        """Yield all batches."""
        yield from list(self._batches.values())

    def get(self, id_: int) -> Batch | None:
        """Return a batch, or None if it is unknown."""
        return self._batches.get(id_)

    def add(self, batch: Batch, what: str = "create") -> None:
        """Add a batch."""
        self._batches[batch.id] = batch
        self.notify(batch, (), what)

    def remove(self, batch: Batch) -> None:
        """Remove a batch."""
        if self._batches.pop(batch.id, None) is not None:
            self._call(batch, (), "destroy")

    def notify(self, batch: Batch, indexes: Collection[int], what: str = "update") -> None:
        """Call the listeners, unless the batch was removed."""
        if self._batches.get(batch.id) is batch:
            self._call(batch, indexes, what)

    def _call(self, batch: Batch, indexes: Collection[int], what: str) -> None:
        for listener in self._listeners:
            listener(batch, indexes, what)

    def hold(self, batch: Batch) -> None:
        """Keep the requests of a batch in memory; each call needs a :meth:`release`."""
        self._holds[batch.id] = self._holds.get(batch.id, 0) + 1

    def release(self, batch: Batch) -> bool:
        """Undo one :meth:`hold`; return whether it was the last one."""
        holds = self._holds.get(batch.id, 0) - 1
        if holds > 0:
            self._holds[batch.id] = holds
            return False
        self._holds.pop(batch.id, None)
        return True

    def is_held(self, batch: Batch) -> bool:
        """Return whether the requests of a batch must stay in memory."""
        return batch.id in self._holds


def may_see(viewer: Viewer, batch: Batch) -> bool:
    """Return whether a user may see a batch: its owner, and users who may run everything everywhere."""
    return (viewer.user, viewer.eauth) == (batch.user, batch.eauth) or viewer.permissions.everything
