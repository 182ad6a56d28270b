"""What clients of a killed engine have, counted: events, gaps, and commands."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from salt_live import AsyncClient, Event, Gap, Position, SaltLiveError, Unknown

from tests.benchmarks.marks import TAG

COMMAND_SECONDS = 0.5  # between two commands, of all clients together


class Follower:
    """The numbers of the events that a client has, without the events."""

    def __init__(self) -> None:
        self.delivered = 0
        self.last = -1
        self.twice = 0
        self.gaps: list[Gap] = []
        self.missing: list[tuple[range, list[Gap]]] = []
        """The numbers between two events, and the gaps that were reported there."""

    async def follow(self, client: AsyncClient, places: dict[int, Position]) -> None:
        """Count the events that the sender marks, and the gaps between them.

        :param places: gets the position of each event
        """
        here: list[Gap] = []
        async with await client.events(TAG) as events:
            async for item in events:
                if isinstance(item, Gap):
                    here.append(item)
                    self.gaps.append(item)
                    continue
                self.count(item, here, places)
                here = []

    def count(self, event: Event, gaps: list[Gap], places: dict[int, Position]) -> None:
        """Count an event and the numbers that are missing before it."""
        number = event.data["number"]
        places.setdefault(number, Position(event.epoch, event.seq))
        if number <= self.last:
            self.twice += 1
            return
        if number > self.last + 1:
            self.missing.append((range(self.last + 1, number), gaps))
        self.last = number
        self.delivered += 1


class Commands:
    """Commands with a mark each, and what became of them.

    :param clients: send them in turn
    :param tgt: where they run
    """

    def __init__(self, clients: list[AsyncClient], tgt: str) -> None:
        self._clients = clients
        self._tgt = tgt
        self.outcomes: dict[str, str] = {}
        self.unknown: dict[str, Unknown] = {}

    async def run(self) -> None:
        """Send commands until this is canceled; a lost reply is kept."""
        async with asyncio.TaskGroup() as tasks:
            for number in range(1_000_000):
                client = self._clients[number % len(self._clients)]
                tasks.create_task(self._send(client, f"mark-{number}"))
                await asyncio.sleep(COMMAND_SECONDS)

    async def _send(self, client: AsyncClient, mark: str) -> None:
        self.outcomes[mark] = "canceled"
        try:
            await client.cmd_async(self._tgt, "test.arg", [mark])
            self.outcomes[mark] = "started"
        except Unknown as unknown:
            self.outcomes[mark] = "unknown"
            self.unknown[mark] = unknown
        except SaltLiveError:
            self.outcomes[mark] = "refused"

    async def look_up(self) -> dict[str, int]:
        """Return how many jobs the client finds for each command of unknown outcome."""
        return {mark: len(await self._clients[0].look_up(unknown)) for mark, unknown in self.unknown.items()}


def order_of(places: dict[int, Position], gaps: Iterable[Gap]) -> dict[str, int]:
    """Return the place of each run of the engine among all."""
    order: dict[str, int] = {}
    for number in sorted(places):
        order.setdefault(places[number].epoch, len(order))
    for gap in gaps:  # runs that sent no event
        if gap.until:
            order.setdefault(gap.until.epoch, len(order))
    return order


def unaccounted(follower: Follower, places: dict[int, Position], order: dict[str, int]) -> int:
    """Return how many missing events no gap names: none was reported, or another client had it at a place outside.

    :param places: the position of each event that any client had
    """

    def key(place: Position) -> tuple[int, int]:
        return order.get(place.epoch, -1), place.seq

    lost = 0
    for numbers, gaps in follower.missing:
        ranges = [(key(gap.after), key(gap.until)) for gap in gaps if gap.after and gap.until]
        for number in numbers:
            place = places.get(number)
            if place is None:  # the engine did not run: no number of its own
                lost += not gaps
            else:
                lost += not any(after < key(place) <= end for after, end in ranges)
    return lost
