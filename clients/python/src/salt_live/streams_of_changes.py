"""Subscriptions to jobs, batches and tables that outlive a connection, without I/O: the newest state of each part."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from salt_live.models import BatchProgress, Progress
from salt_live.streams import Stream

Item = TypeVar("Item")


class _ChangeStream(Stream, Generic[Item]):
    """The changes of one object with many parts. What the consumer has not read is merged, so it stays bounded.

    A new connection may send a whole snapshot: parts that the consumer has already received in this state are left out.
    """

    def __init__(self, fields: dict[str, Any]) -> None:
        super().__init__(fields)
        self._known: dict[Any, tuple[Any, ...]] = {}
        self._changed: dict[Any, dict[str, Any]] = {}
        self._head: dict[str, Any] | None = None

    def _merge(self, head: dict[str, Any], parts: list[tuple[Any, dict[str, Any], tuple[Any, ...]]]) -> None:
        self._head = head
        for key, part, mark in parts:
            if self._known.get(key) != mark:
                self._known[key] = mark
                self._changed[key] = part

    def _take(self) -> tuple[dict[str, Any], dict[Any, dict[str, Any]]] | None:
        if self._head is None:
            return None
        head, self._head = self._head, None
        changed, self._changed = self._changed, {}
        return head, changed


class JobStream(_ChangeStream[Progress]):
    """The changes of one job.

    :param jid: the job's id
    """

    def __init__(self, jid: str, *, without_return: bool = False, short_targets: bool = False) -> None:
        less = {"without_return": without_return, "short_targets": short_targets}
        super().__init__({"subscription": "job", "jid": jid, **{name: True for name, wanted in less.items() if wanted}})

    def apply(self, frame: dict[str, Any], size: int) -> None:
        """Keep the newest state of the job and its minions."""
        super().apply(frame, size)
        if frame["type"] == "job":
            parts = [
                (minion, part, (part["state"], part["progress"], part["message"]))
                for minion, part in frame["minions"].items()
            ]
            self._merge(frame["job"], parts)

    def pop(self) -> Progress | None:
        """Return what changed since the last call; None if nothing did, or the snapshot is incomplete."""
        if not self.live or (found := self._take()) is None:
            return None
        return Progress(*found)


class BatchStream(_ChangeStream[BatchProgress]):
    """The changes of one batch.

    :param batch: the batch's id
    """

    def __init__(self, batch: int) -> None:
        super().__init__({"subscription": "batch", "batch": batch})

    def apply(self, frame: dict[str, Any], size: int) -> None:
        """Keep the newest state of the batch and its requests."""
        super().apply(frame, size)
        if frame["type"] == "batch":
            parts = [
                (request["id"], request, (request["status"], request["progress"], request["message"]))
                for request in frame["requests"]
            ]
            self._merge(frame["batch"], parts)

    def pop(self) -> BatchProgress | None:
        """Return what changed since the last call; None if nothing did, or the snapshot is incomplete."""
        if not self.live or (found := self._take()) is None:
            return None
        return BatchProgress(found[0], list(found[1].values()))


class TableStream(Stream):
    """All minions or jobs by their id: after each connection a new snapshot or what changed replaces the old data.

    :param rows: returns the changed rows of a frame by id; a row that is None is removed
    :param max_rows: beyond this the oldest rows are dropped
    """

    def __init__(
        self,
        fields: dict[str, Any],
        rows: Callable[[dict[str, Any]], dict[str, dict[str, Any] | None]],
        *,
        max_rows: int | None = None,
    ) -> None:
        super().__init__(fields)
        self.data: dict[str, dict[str, Any]] = {}
        self.version = 0
        self._rows = rows
        self._max_rows = max_rows
        self._snapshot: dict[str, dict[str, Any]] = {}

    def subscribed(self, result: dict[str, Any]) -> None:
        """Begin a new snapshot, or add what changed."""
        super().subscribed(result)
        self._snapshot = dict(self.data) if result.get("recovered") else {}

    def apply(self, frame: dict[str, Any], size: int) -> None:
        """Apply changed rows."""
        super().apply(frame, size)
        if frame["type"] == "live":
            self.data, self._snapshot = self._snapshot, {}
        elif frame["type"] in ("job", "minions"):
            self._update(self.data if self.live else self._snapshot, self._rows(frame))
        else:
            return
        self.version += self.live

    def _update(self, table: dict[str, dict[str, Any]], rows: dict[str, dict[str, Any] | None]) -> None:
        for key, row in rows.items():
            if row is None:
                table.pop(key, None)
            else:
                table[key] = row
        while self._max_rows is not None and len(table) > self._max_rows:
            del table[min(table)]
