"""What is known here of one master's numbering: its epochs, and the positions from which everything is here."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any, NamedTuple

MAX_EPOCHS = 1000
"""How many epochs of one master are known: a position in an older one is unknown. A process that takes over reads the
log again, so it must know the epochs of all starts that are in the log."""


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
    :param present: of the own master: the epoch of this engine, which is not read from the log
    """

    def __init__(self, master: str, *, is_backlog: bool = False, present: str | None = None) -> None:
        self.master = master
        self.is_backlog = is_backlog
        self.present = present
        self.is_starting = False
        """Of the own master: whether the present epoch has not begun, because the log is read first."""
        self._epochs: dict[str, int] = {}
        """Oldest first, with numbers that go on counting when old ones are dropped."""
        self._epoch = ""
        """The newest."""
        self._seq = 0
        self._last: dict[str, int] = {}
        """The newest number of each epoch before the present one."""
        self._marks: deque[Mark] = deque()
        self._open_place: int | None = None
        """The first number here of a chunk that is being read."""
        self._whole_after: tuple[int, int] = (0, 0)
        """Number of the epoch and number in it after which nothing is missing here."""
        self._reported_after: tuple[int, int] = (0, 0)
        """The same for what is missing, and has no gap in the history."""

    @property
    def position(self) -> Position | None:
        """The newest position; None if nothing was read yet."""
        return Position(self._epoch, self._seq) if self._epochs else None

    def knows(self, epoch: str) -> bool:
        """Return whether an epoch is known."""
        return epoch in self._epochs

    def is_new(self, position: Position) -> bool:
        """Return whether a position is after everything that was read."""
        if position.epoch not in self._epochs:
            return True
        newest = self._seq if position.epoch == self._epoch else self._last.get(position.epoch, 0)
        return position.seq > newest

    def begin_epoch(self, epoch: str) -> None:
        """Note that the master's engine has started again."""
        number = self._epochs[self._epoch] + 1 if self._epochs else 0
        if self._epochs:
            self._last[self._epoch] = self._seq
        if epoch in self._epochs:
            # Two engines write with one id, by mistake: no earlier position can be continued.
            del self._epochs[epoch]
            self._marks.clear()
        self._epochs[epoch] = number
        self._epoch, self._seq = epoch, 0
        if len(self._epochs) > MAX_EPOCHS:
            dropped = next(iter(self._epochs))
            del self._epochs[dropped]
            self._last.pop(dropped, None)
            while self._marks and self._marks[0].position.epoch == dropped:
                self._marks.popleft()

    def lose(self, seq: int, *, is_reported: bool = False) -> None:
        """Note that events up to a number of the present epoch are missing.

        :param is_reported: the history has a gap for them
        """
        self._whole_after = self._order(Position(self._epoch, seq))
        if not is_reported:
            self._reported_after = self._whole_after

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
            self._marks.append(Mark(first_place, last_place, Position(self._epoch, self._seq)))

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
            self._reported_after = max(self._reported_after, self._order(self._marks.popleft().position))
        self._whole_after = max(self._whole_after, self._reported_after)

    @property
    def is_empty(self) -> bool:
        """Whether none of its events is here."""
        return not self._marks and self._open_place is None

    def is_whole_after(self, position: Position) -> bool:
        """Return whether everything after a position of a known epoch is here."""
        return self._order(position) >= self._whole_after

    def is_reported_after(self, position: Position) -> bool:
        """Return whether everything that is missing after a position of a known epoch is a gap in the history."""
        return self._order(position) >= self._reported_after

    def has_reached(self, position: Position) -> bool:
        """Return whether a position of a known epoch was read."""
        return position.epoch != self._epoch or position.seq <= self._seq

    def is_before(self, epoch: str, other: str) -> bool:
        """Return whether an epoch of an event that was read is before another one, which is known."""
        number = self._epochs.get(epoch)
        return number is None or number < self._epochs[other]  # the history may have events of dropped epochs

    @property
    def state(self) -> dict[str, Any]:
        """What the next process must know, as JSON."""
        known = {"epochs": list(self._epochs), "seq": self._seq, "last": self._last, "backlog": self.is_backlog}
        places = {"whole_after": self._whole_after, "reported_after": self._reported_after}
        return {**known, **{name: self._passed_on(place) for name, place in places.items()}}

    def _passed_on(self, place: tuple[int, int]) -> list[int]:
        number, seq = place
        return [sum(1 for known in self._epochs.values() if known <= number) - 1, seq]  # -1: that epoch was dropped

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue the state of an earlier process. The marks are those of the history."""
        number, seq = state["whole_after"]
        self._epochs = {epoch: index for index, epoch in enumerate(state["epochs"])}
        self._epoch, self._seq = next(reversed(self._epochs), ""), int(state["seq"])
        self._last = dict(state["last"])
        self._whole_after = int(number), int(seq)
        number, seq = state.get("reported_after", (number, seq))  # an earlier release did not pass it on
        self._reported_after = int(number), int(seq)
        self.is_backlog = bool(state.get("backlog"))  # an earlier release did not pass it on
        while self._marks and self._marks[0].position.epoch not in self._epochs:
            self._marks.popleft()

    def _order(self, position: Position) -> tuple[int, int]:
        return self._epochs[position.epoch], position.seq
