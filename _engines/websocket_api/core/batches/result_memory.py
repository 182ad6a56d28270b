"""The memory of the results that batches keep: one user's batches in memory have a limit together.

A batch may have a hundred thousand results of 64 KiB. Beyond the limit a result stays in its job only.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ...errors import ApiError
from ...fair_share import Share
from ..access.memory import LIMIT
from .batch import Batch
from .registry import BatchRegistry

STEP = 1024 * 1024
"""Bytes that a batch reserves at once, because a search for the other batches at each result would be slow."""


class ResultMemory:
    """Counts the results of batches whose requests are in memory.

    :param max_bytes: the maximum for one user; None for no limit
    """

    def __init__(self, registry: BatchRegistry, max_bytes: int | None = None) -> None:
        self._registry = registry
        self._max_bytes = max_bytes
        self._loading: list[Batch] = []

    def fits(self, batch: Batch, memory: int) -> bool:
        """Return whether a batch may keep another result. A batch that may not keep one keeps none of the rest."""
        if self._max_bytes is None or batch.result_bytes + memory <= batch.result_room:
            return True
        if batch.is_full:
            return False
        free = self._max_bytes - self.bytes(batch.share, without=batch) - batch.result_bytes
        batch.is_full = memory > free
        if not batch.is_full:
            batch.result_room = batch.result_bytes + min(free, memory + STEP)
        return not batch.is_full

    def bytes(self, share: Share, without: Batch | None = None) -> int:
        """Return what the batches of a user have reserved.

        :param without: a batch that does not count
        """
        in_memory = [batch for batch in self._registry.known() if batch.requests is not None]
        counted = [batch for batch in {*in_memory, *self._loading} if batch.share == share and batch is not without]
        return sum(max(batch.result_room, batch.result_bytes) for batch in counted)

    @contextmanager
    def loading(self, batch: Batch) -> Iterator[None]:
        """Count a batch that is read from the store inside a ``with`` block; a single one may have any size.

        :raises ApiError: too_many
        """
        if self._max_bytes is not None:
            others = self.bytes(batch.share, without=batch)
            if others and others + batch.result_bytes > self._max_bytes:
                sentence = f"the batches in use have results of more than {self._max_bytes} bytes; use fewer at once"
                raise ApiError("too_many", sentence, {"limit": LIMIT})
        self._loading.append(batch)
        try:
            yield
        finally:
            self._loading.remove(batch)
