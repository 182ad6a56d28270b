"""What is known here of one master's numbering: its epochs, and the positions from which everything is here."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any, NamedTuple

MAX_EPOCHS = 16
"""How many epochs of one master are known: a position in an older one is unknown."""


class Position(NamedTuple):
    """A position in the numbering of one master."""

    epoch: str
    seq: int


class Mark(NamedTuple):
    """A chunk in the history: its first and last number here, and its last position there."""

    first_place: int
    last_place: int
    position: Position


class Origin:
    """One master, as its chunks in the common log tell of it.

    :param master: its id
    :param is_backlog: its stream is still read that was written before this engine started
    """

    def __init__(self, master: str, *, is_backlog: bool = False) -> None:
        self.master = master
        self.is_backlog = is_backlog
        self._epochs: list[str] = []
        """Oldest first."""
        self._seq = 0
        self._last: dict[str, int] = {}
        """The newest number of each epoch before the present one."""
        self._marks: deque[Mark] = deque()
        self._open_place: int | None = None
        """The first number here of a chunk that is being read."""
        self._whole_after: tuple[int, int] = (0, 0)
        """Index of the epoch and number after which nothing is missing here."""
        self._dropped = 0
        """Epochs that were dropped from the list: indexes go on counting."""

    @property
    def position(self) -> Position | None:
        """The newest position; None if nothing was read yet."""
        return Position(self._epochs[-1], self._seq) if self._epochs else None

    def knows(self, epoch: str) -> bool:
        """Return whether an epoch is known."""
        return epoch in self._epochs

    def is_new(self, position: Position) -> bool:
        """Return whether a position is after everything that was read."""
        if not self._epochs or position.epoch not in self._epochs:
            return True
        newest = self._seq if position.epoch == self._epochs[-1] else self._last.get(position.epoch, 0)
        return position.seq > newest

    def begin_epoch(self, epoch: str) -> None:
        """Note that the master's engine has started again."""
        if self._epochs:
            self._last[self._epochs[-1]] = self._seq
        if epoch in self._epochs:
            # Two engines write with one id, by mistake: no earlier position can be continued.
            self._epochs.remove(epoch)
            self._marks.clear()
        self._epochs.append(epoch)
        self._seq = 0
        if len(self._epochs) > MAX_EPOCHS:
            dropped = self._epochs.pop(0)
            self._last.pop(dropped, None)
            self._dropped += 1
            while self._marks and self._marks[0].position.epoch == dropped:
                self._marks.popleft()

    def lose(self, seq: int) -> None:
        """Note that events up to a number of the present epoch are missing."""
        self._whole_after = self._order(Position(self._epochs[-1], seq))

    def advance(self, seq: int) -> None:
        """Note an event or gap that was read."""
        self._seq = seq

    def open_mark(self, first_place: int) -> None:
        """Note the number here that the next event gets."""
        self._open_place = first_place

    def mark(self, first_place: int, last_place: int) -> None:
        """Note which numbers of the history the events have that were read since the last mark."""
        self._open_place = None
        if last_place >= first_place:
            self._marks.append(Mark(first_place, last_place, Position(self._epochs[-1], self._seq)))

    def place_before(self, position: Position) -> int | None:
        """Return the number here after which all events after a position of a known epoch are; None for no such events.

        Few marks are looked at: positions that are asked for are new ones.
        """
        wanted = self._order(position)
        found = None if self._open_place is None else self._open_place - 1
        for mark in reversed(self._marks):
            if self._order(mark.position) <= wanted:
                break
            found = mark.first_place - 1
        return found

    def drop_before(self, oldest: int) -> None:
        """Note which events the history has dropped.

        :param oldest: the oldest number of the history
        """
        while self._marks and self._marks[0].first_place < oldest:
            self._whole_after = max(self._whole_after, self._order(self._marks.popleft().position))

    def is_whole_after(self, position: Position) -> bool:
        """Return whether everything after a position of a known epoch is here."""
        return self._order(position) >= self._whole_after

    def has_reached(self, position: Position) -> bool:
        """Return whether a position of a known epoch was read."""
        return position.epoch != self._epochs[-1] or position.seq <= self._seq

    def is_before(self, epoch: str, other: str) -> bool:
        """Return whether an epoch is before another one, which is known."""
        return epoch in self._epochs and self._epochs.index(epoch) < self._epochs.index(other)

    @property
    def state(self) -> dict[str, Any]:
        """What the next process must know, as JSON."""
        index, seq = self._whole_after
        return {
            "epochs": self._epochs,
            "seq": self._seq,
            "last": self._last,
            "whole_after": [index - self._dropped, seq],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue the state of an earlier process. The marks are those of the history."""
        index, seq = state["whole_after"]
        self._epochs, self._seq, self._dropped = list(state["epochs"]), int(state["seq"]), 0
        self._last = dict(state["last"])
        self._whole_after = int(index), int(seq)

    def _order(self, position: Position) -> tuple[int, int]:
        return self._dropped + self._epochs.index(position.epoch), position.seq
