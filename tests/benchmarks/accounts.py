"""What one client of a stream got, counted from the numbers of the senders.

Nothing here knows a client library or a protocol. Each sender numbers its events, 0, 1, 2 ... An event is delivered
once or twice, in order or late, or it is missing. A missing event is named only if a gap was reported between the
event before it and the one after it of the same sender, and if the range of that gap holds it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

EXAMPLES = 10
"""Kept of events that came twice."""


class Place(NamedTuple):
    """The position of an event in the numbering of its own master's engine."""

    epoch: str
    seq: int


@dataclass(frozen=True)
class Claim:
    """That events of one sender are missing, as a gap reports.

    :param after: the position before the first of them; None if the gap does not name it
    :param until: the position of the last of them; None if the gap does not name it
    """

    source: str
    after: Place | None = None
    until: Place | None = None


class Places:
    """Where any client had the events of one sender."""

    def __init__(self) -> None:
        self._places: dict[int, Place] = {}

    def __contains__(self, number: int) -> bool:
        """Return whether any client had the event."""
        return number in self._places

    def note(self, number: int, place: Place) -> bool:
        """Keep the place of an event; return whether no client had it at another one."""
        return self._places.setdefault(number, place) == place

    def order(self) -> dict[str, int]:
        """Return the order of the epochs."""
        order: dict[str, int] = {}
        for number in sorted(self._places):
            order.setdefault(self._places[number].epoch, len(order))
        return order

    def is_named(self, number: int, claims: Iterable[Claim], order: Mapping[str, int]) -> bool:
        """Return whether one of these claims names an event.

        :param order: that of the epochs
        """
        place = self._places.get(number)
        if place is None:  # no engine read it, so it has no position
            return any(True for _ in claims)
        return any(_holds(claim, place, order) for claim in claims)


def _holds(claim: Claim, place: Place, order: Mapping[str, int]) -> bool:
    def key(at: Place) -> tuple[int, int]:
        return order.get(at.epoch, -1), at.seq

    if claim.after is not None and key(place) <= key(claim.after):
        return False
    if claim.until is None:
        return True
    if claim.until.epoch in order:
        return key(place) <= key(claim.until)
    # No event of that epoch is known: the claim ends somewhere after the epoch in which it starts.
    return claim.after is not None and place.epoch == claim.after.epoch


@dataclass
class Sum:
    """The counts of one or more clients."""

    delivered: int = 0
    twice: int = 0
    late: int = 0
    """Events that came after a later one of the same sender."""
    named: int = 0
    """Missing events that a gap names."""
    hidden: int = 0
    """Named events that another client got."""
    lost: int = 0
    """Missing events that no gap names."""
    gaps: int = 0
    strayed: int = 0
    """Events that another client had at another position."""

    def __add__(self, other: Sum) -> Sum:
        """Return the sum of both."""
        return Sum(*(mine + its for mine, its in zip(vars(self).values(), vars(other).values(), strict=True)))


class Account:
    """What one client got.

    :param places: for each sender, where any client had its events; shared by the clients
    """

    def __init__(self, places: Mapping[str, Places]) -> None:
        self.last = dict.fromkeys(places, -1)
        """The highest number of each sender."""
        self.sum = Sum()
        self.lost: list[tuple[str, int]] = []
        """Sender and number of events that no gap names, after :meth:`close`."""
        self.twice: list[tuple[str, int]] = []
        """The first of the events that came twice."""
        self._places = places
        self._seen = {source: bytearray() for source in places}
        self._claims: dict[str, list[Claim]] = {source: [] for source in places}
        self._missing: list[tuple[str, range, list[Claim]]] = []

    def event(self, source: str, number: int, place: Place | None = None) -> None:
        """Count an event."""
        seen = self._seen[source]
        if number >= len(seen):
            seen.extend(bytes(number + 1 - len(seen)))
        if place is not None and not self._places[source].note(number, place):
            self.sum.strayed += 1
        if seen[number]:
            self.sum.twice += 1
            if len(self.twice) < EXAMPLES:
                self.twice.append((source, number))
            return
        seen[number] = 1
        self.sum.delivered += 1
        last = self.last[source]
        if number < last:
            self.sum.late += 1
            return
        if number > last + 1:
            self._missing.append((source, range(last + 1, number), self._claims[source]))
        self.last[source] = number
        self._claims[source] = []

    def gap(self, claims: Iterable[Claim]) -> None:
        """Count a gap."""
        self.sum.gaps += 1
        for claim in claims:
            self._claims[claim.source].append(claim)

    def close(self, sent: Mapping[str, int]) -> Sum:
        """Return the counts, when nothing more comes.

        :param sent: how many events each sender sent
        """
        for source, count in sent.items():
            self._missing.append((source, range(self.last[source] + 1, count), self._claims[source]))
        orders = {source: places.order() for source, places in self._places.items()}
        for source, numbers, claims in self._missing:
            places, seen = self._places[source], self._seen[source]
            for number in numbers:
                if number < len(seen) and seen[number]:
                    continue  # it came late
                if places.is_named(number, claims, orders[source]):
                    self.sum.named += 1
                    self.sum.hidden += number in places
                else:
                    self.sum.lost += 1
                    self.lost.append((source, number))
        self._missing = []
        return self.sum
