"""Fair shares: a few places that all users want, handed out round robin between users.

Whoever asks alone may have every place. As soon as others have or want places, each user has at most an equal part.
Those who only asked within :data:`RECENT_SECONDS` have one part together: nothing that has begun is interrupted, so
without a free place each of their next requests would wait for the long ones of the first.

The engine's own work has a turn like a user, but is not held to a part: what it does is needed by all.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")

RECENT_SECONDS = 10.0  # for which a user counts as one who asks: longer than people and programs pause between requests


class Share(NamedTuple):
    """Who asks: a user, with all connections together. Without a user, a stranger by address, or the engine itself."""

    user: str
    where: str
    """The user's ``eauth``, or the stranger's address."""

    @classmethod
    def of_stranger(cls, address: str) -> Share:
        """Return the share of somebody of whom only the address is known yet."""
        return cls("", address or "?")


ENGINE = Share("", "")
STRANGERS = Share("", "*")
"""All strangers together, who count as one user: addresses cost nothing, and must not take the users' parts."""

_asker: ContextVar[Share] = ContextVar("asker", default=ENGINE)


def asker() -> Share:
    """Return for whom the present task works."""
    return _asker.get()


@contextmanager
def on_behalf_of(share: Share) -> Iterator[None]:
    """Let what is done meanwhile, and what is begun meanwhile, count for this share."""
    before = _asker.set(share)
    try:
        yield
    finally:
        _asker.reset(before)


class FairQueue(Generic[T]):
    """Things that wait, first come first served for each user, and round robin between users."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[Share, deque[T]] = OrderedDict()
        self._length = 0

    def __len__(self) -> int:
        return self._length

    @property
    def shares(self) -> list[Share]:
        """Who waits, in the order of their turns."""
        return list(self._waiting)

    @property
    def users(self) -> int:
        """How many users wait."""
        return len(self._waiting)

    def count(self, share: Share) -> int:
        """Return how many things of one user wait."""
        return len(self._waiting.get(share, ()))

    def put(self, share: Share, thing: T) -> None:
        """Have something wait."""
        self._waiting.setdefault(share, deque()).append(thing)
        self._length += 1

    def take(self, may: Callable[[Share], bool] = lambda share: True) -> tuple[Share, T] | None:
        """Return what is next, or None where nothing is.

        :param may: whether somebody may have a turn now; who may not keeps the place in the order
        """
        share = next((one for one in self._waiting if may(one)), None)
        if share is None:
            return None
        waiting = self._waiting.pop(share)
        thing = waiting.popleft()
        if waiting:
            self._waiting[share] = waiting  # behind the others
        self._length -= 1
        return share, thing

    def remove(self, share: Share, thing: T) -> bool:
        """Take out something that need not wait any more; return whether it was there."""
        waiting = self._waiting.get(share)
        if waiting is None or thing not in waiting:
            return False
        waiting.remove(thing)
        if not waiting:
            del self._waiting[share]
        self._length -= 1
        return True

    def clear(self) -> list[T]:
        """Take out everything, and return it."""
        things = [thing for waiting in self._waiting.values() for thing in waiting]
        self._waiting.clear()
        self._length = 0
        return things


def in_turns(things: Iterable[T], share_of: Callable[[T], Share]) -> Iterator[T]:
    """Yield things that are looked at one after the other, round robin between the users whose they are."""
    queue: FairQueue[T] = FairQueue()
    for thing in things:
        queue.put(share_of(thing), thing)
    while (taken := queue.take()) is not None:
        yield taken[1]


class Askers:
    """Who asked lately, whatever for: somebody who runs commands now wants the minions free of others' batches, too.

    :param clock: seconds, monotonic
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._asked: OrderedDict[Share, float] = OrderedDict()
        """When each user asked last, the latest last."""

    def note(self, share: Share) -> None:
        """Note that somebody asks."""
        self._asked[share] = self._clock()
        self._asked.move_to_end(share)

    def others(self, than: Collection[Share]) -> bool:
        """Tell whether somebody else asked lately."""
        until = self._clock() - RECENT_SECONDS
        while self._asked and next(iter(self._asked.values())) < until:
            self._asked.popitem(last=False)
        return any(share not in than for share in self._asked)


class FairShare(Generic[T]):
    """Places, who has them, and what waits for one. Neither waits nor blocks itself.

    :param size: places
    :param longest: things that may wait; of several users as many as their part
    :param askers: who asks for these places, or for others that belong to them
    :param spare: places that no single user gets: for what takes so long that the next user cannot wait for its end
    """

    def __init__(self, size: int, longest: int, askers: Askers, *, spare: int = 0) -> None:
        self.size = max(1, size)
        self._most = max(1, size - spare)
        self.waiting: FairQueue[T] = FairQueue()
        self._longest = longest
        self._askers = askers
        self._held: Counter[Share] = Counter()
        self._out = 0

    @property
    def held(self) -> int:
        """How many places are taken."""
        return self._out

    def put(self, share: Share, thing: T) -> bool:
        """Have something wait for a place; return False where as much waits as may."""
        if share.user:
            self._askers.note(share)
        longest = self._longest if share == ENGINE else self.part(self._longest)
        if self._wait(share) >= longest + self.size - self._out:
            return False
        self.waiting.put(share, thing)
        return True

    def take(self) -> tuple[Share, T] | None:
        """Give the next one a place, if one is free and somebody may have it."""
        if self._out >= self.size or not len(self.waiting):
            return None
        part = min(self._most, self.part(self.size))
        taken = self.waiting.take(lambda share: share == ENGINE or self._held[_one(share)] < part)
        if taken is not None:
            self._held[_one(taken[0])] += 1
            self._out += 1
        return taken

    def leave(self, share: Share) -> None:
        """Give back a place."""
        one = _one(share)
        self._out -= 1
        self._held[one] -= 1
        if not self._held[one]:
            del self._held[one]

    def part(self, whole: int) -> int:
        """Return one user's part of so many."""
        asking = {*self._held, *map(_one, self.waiting.shares)} - {ENGINE}
        return max(1, whole // max(1, len(asking) + self._askers.others(asking)))

    def _wait(self, share: Share) -> int:
        if _one(share) == share:
            return self.waiting.count(share)
        return sum(self.waiting.count(one) for one in self.waiting.shares if _one(one) == STRANGERS)


def _one(share: Share) -> Share:
    return share if share.user or share == ENGINE else STRANGERS


class FairTurns:
    """Places to wait for: at most ``size`` tasks have one at the same time.

    :param size: places
    :param longest: tasks that may wait
    :param askers: who asks for these places, or for others that belong to them
    :param spare: places that no single user gets
    """

    def __init__(self, size: int, longest: int, askers: Askers, *, spare: int = 0) -> None:
        self.shares: FairShare[asyncio.Future[None]] = FairShare(size, longest, askers, spare=spare)

    async def enter(self, share: Share, seconds: float | None = None) -> bool | None:
        """Wait for a place; False when none came within ``seconds``, None where too many wait."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if not self.shares.put(share, turn):
            return None
        self._go_on()
        try:
            if not turn.done():
                await asyncio.wait({turn}, timeout=None if seconds is None else max(0.0, seconds))
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.leave(share)  # the turn came in the same moment: it belongs to the next one now
            raise
        finally:
            if not turn.done():
                turn.cancel()
                self.shares.waiting.remove(share, turn)
        return not turn.cancelled()

    def leave(self, share: Share) -> None:
        """Give back a place, to who is next."""
        self.shares.leave(share)
        self._go_on()

    def close(self) -> None:
        """Let nobody wait any more: who does gets no place."""
        for turn in self.shares.waiting.clear():
            turn.cancel()

    def _go_on(self) -> None:
        while (taken := self.shares.take()) is not None:
            share, turn = taken
            if turn.done():
                self.shares.leave(share)
            else:
                turn.set_result(None)
