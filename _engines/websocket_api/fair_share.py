"""Fair shares: hand out a limited number of places round robin between users.

A single user may have every place. If others hold or want places, each user has at most an equal part. Users who only
made a request within :data:`RECENT_SECONDS` have one part together. Running work is never interrupted, so without that
free part their next request would wait for the long ones of another user.

The engine's own work takes turns like a user, but has no limit, because all users need it.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")

RECENT_SECONDS = 10.0  # after its last request a user still counts as active; people and programs pause less


class Share(NamedTuple):
    """The account that work is charged to: a user over all connections, an unknown client by address, or the engine."""

    user: str
    where: str
    """The user's ``eauth``, or the unknown client's address."""

    @classmethod
    def unauthenticated(cls, address: str) -> Share:
        """Return the share of a client that has not logged in."""
        return cls("", address or "?")


ENGINE = Share("", "")
UNAUTHENTICATED = Share("", "*")
"""All clients without a login. They count as one user, because addresses cost nothing."""

_current_share: ContextVar[Share] = ContextVar("current_share", default=ENGINE)


def current_share() -> Share:
    """Return the share that the present task is charged to."""
    return _current_share.get()


@contextmanager
def on_behalf_of(share: Share) -> Iterator[None]:
    """Charge the work of a block, and of the tasks that it starts, to this share."""
    before = _current_share.set(share)
    try:
        yield
    finally:
        _current_share.reset(before)


class FairQueue(Generic[T]):
    """A queue that is first in, first out for each user, and round robin between users."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[Share, OrderedDict[T, int]] = OrderedDict()
        """Things of each user, and how often each waits: to remove one of thousands takes no search."""
        self._counts: Counter[Share] = Counter()
        self._length = 0

    def __len__(self) -> int:
        return self._length

    @property
    def shares(self) -> list[Share]:
        """The waiting shares, in the order of their turns."""
        return list(self._waiting)

    @property
    def users(self) -> int:
        """The number of users that wait."""
        return len(self._waiting)

    def count(self, share: Share) -> int:
        """Return the number of a user's things that wait."""
        return self._counts[share]

    def put(self, share: Share, thing: T) -> None:
        """Append a thing to the user's queue. An equal one that waits already is taken twice in a row."""
        waiting = self._waiting.setdefault(share, OrderedDict())
        waiting[thing] = waiting.get(thing, 0) + 1
        self._counts[share] += 1
        self._length += 1

    def pop(self, allowed: Callable[[Share], bool] = lambda share: True) -> tuple[Share, T] | None:
        """Remove and return the next thing and its share, or None.

        :param allowed: returns whether a user may have a turn now; the others keep their position
        """
        share = next((one for one in self._waiting if allowed(one)), None)
        if share is None:
            return None
        thing = next(iter(self._waiting[share]))
        self._waiting.move_to_end(share)  # behind the others
        self.remove(share, thing)
        return share, thing

    def remove(self, share: Share, thing: T) -> bool:
        """Remove a thing, and return whether it was there."""
        waiting = self._waiting.get(share)
        if waiting is None or thing not in waiting:
            return False
        waiting[thing] -= 1
        self._counts[share] -= 1
        if not waiting[thing]:
            del waiting[thing]
        if not waiting:
            del self._waiting[share], self._counts[share]
        self._length -= 1
        return True

    def clear(self) -> list[T]:
        """Remove and return everything."""
        things = [thing for waiting in self._waiting.values() for thing in waiting]
        self._waiting.clear()
        self._counts.clear()
        self._length = 0
        return things


def in_turns(things: Iterable[T], share_of: Callable[[T], Share]) -> Iterator[T]:
    """Yield things round robin between their users."""
    waiting: dict[Share, deque[T]] = {}
    for thing in things:
        waiting.setdefault(share_of(thing), deque()).append(thing)
    while waiting:
        yield from [queue.popleft() for queue in waiting.values()]
        waiting = {share: queue for share, queue in waiting.items() if queue}


class RecentUsers:
    """The users with recent requests of any kind. A user who runs commands also wants the minions free of batches.

    :param clock: seconds, monotonic
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._requested_at: OrderedDict[Share, float] = OrderedDict()
        """The time of each user's last request, the latest last."""

    def note(self, share: Share) -> None:
        """Note a request of a user."""
        self._requested_at[share] = self._clock()
        self._requested_at.move_to_end(share)

    def others(self, than: Collection[Share]) -> bool:
        """Return whether any other user had a recent request."""
        until = self._clock() - RECENT_SECONDS
        while self._requested_at and next(iter(self._requested_at.values())) < until:
            self._requested_at.popitem(last=False)
        return any(share not in than for share in self._requested_at)


class FairShare(Generic[T]):
    """Assigns places, and queues what waits for one. Its methods never block.

    :param size: the number of places
    :param max_waiting: the maximum of things that wait; each of several users has an equal part
    :param recent_users: the users with recent requests for these places or related ones
    :param spare: places that no single user gets, if work takes too long for the next user to wait
    """

    def __init__(self, size: int, max_waiting: int, recent_users: RecentUsers, *, spare: int = 0) -> None:
        self.size = max(1, size)
        self._max_per_user = max(1, size - spare)
        self.waiting: FairQueue[T] = FairQueue()
        self._max_waiting = max_waiting
        self._recent_users = recent_users
        self._held: Counter[Share] = Counter()
        self._out = 0

    @property
    def held(self) -> int:
        """The number of places in use."""
        return self._out

    def put(self, share: Share, thing: T) -> bool:
        """Queue a thing, and return False if the queue is full."""
        if share.user:
            self._recent_users.note(share)
        max_waiting = self._max_waiting if share == ENGINE else self.part(self._max_waiting)
        if self._wait(share) >= max_waiting + self.size - self._out:
            return False
        self.waiting.put(share, thing)
        return True

    def assign(self) -> tuple[Share, T] | None:
        """Assign a free place to the next thing that may have one, and return it with its share."""
        if self._out >= self.size or not len(self.waiting):
            return None
        part = min(self._max_per_user, self.part(self.size))
        taken = self.waiting.pop(lambda share: share == ENGINE or self._held[as_one_user(share)] < part)
        if taken is not None:
            self._held[as_one_user(taken[0])] += 1
            self._out += 1
        return taken

    def leave(self, share: Share) -> None:
        """Release a place."""
        one = as_one_user(share)
        self._out -= 1
        self._held[one] -= 1
        if not self._held[one]:
            del self._held[one]

    def part(self, whole: int) -> int:
        """Return one user's part of a whole."""
        asking = {*self._held, *map(as_one_user, self.waiting.shares)} - {ENGINE}
        return max(1, whole // max(1, len(asking) + self._recent_users.others(asking)))

    def _wait(self, share: Share) -> int:
        if as_one_user(share) == share:
            return self.waiting.count(share)
        return sum(self.waiting.count(one) for one in self.waiting.shares if as_one_user(one) == UNAUTHENTICATED)


def as_one_user(share: Share) -> Share:
    """Return the share that limits apply to: all clients without a login have one together."""
    return share if share.user or share == ENGINE else UNAUTHENTICATED


class FairTurns:
    """Places that tasks wait for. At most ``size`` tasks hold one at the same time.

    :param size: the number of places
    :param max_waiting: the maximum of tasks that wait
    :param recent_users: the users with recent requests for these places or related ones
    :param spare: places that no single user gets
    """

    def __init__(self, size: int, max_waiting: int, recent_users: RecentUsers, *, spare: int = 0) -> None:
        self.shares: FairShare[asyncio.Future[None]] = FairShare(size, max_waiting, recent_users, spare=spare)

    async def enter(self, share: Share, seconds: float | None = None) -> bool | None:
        """Wait for a place.

        :return: True with a place, False after ``seconds`` without one, None if the queue is full
        """
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if not self.shares.put(share, turn):
            return None
        self._assign_free()
        try:
            if not turn.done():
                await asyncio.wait({turn}, timeout=None if seconds is None else max(0.0, seconds))
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.leave(share)  # the place was assigned at the same moment, so pass it on
            raise
        finally:
            if not turn.done():
                turn.cancel()
                self.shares.waiting.remove(share, turn)
        return not turn.cancelled()

    def leave(self, share: Share) -> None:
        """Release a place, and assign it to the next task."""
        self.shares.leave(share)
        self._assign_free()

    def close(self) -> None:
        """End all waiting, without a place."""
        for turn in self.shares.waiting.clear():
            turn.cancel()

    def _assign_free(self) -> None:
        while (taken := self.shares.assign()) is not None:
            share, turn = taken
            if turn.done():
                self.shares.leave(share)
            else:
                turn.set_result(None)
