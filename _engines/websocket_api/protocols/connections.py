"""All clients of all protocols: counted against the limits, and asked to reconnect when the engine stops."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

from ..core.access.message_turns import MessageTurns
from ..core.access.session import Session
from ..core.access.throttle import Pace
from ..core.delivery.caller import Caller
from ..core.delivery.connection import Connection
from ..core.delivery.pings import Pings
from ..core.few_at_once import FewAtOnce
from ..errors import RESTART, ApiError
from ..fair_share import FairTurns, RecentUsers, Share
from ..operations.dispatcher import Dispatcher
from ..operations.services import Services

RETRY_SECONDS = 2  # after which clients should reconnect to a restarted engine; after a reload at once
SETTLE_SECONDS = 5.0  # at a reload, for requests that do not only wait for jobs; new connections wait meanwhile
ANSWER_SECONDS = 60.0  # after a reload, for requests in flight: until then the process stays
LOOK_SECONDS = 0.05  # between two looks which connections have got all their answers
FINISH_SECONDS = 0.5  # for work that clients started before they left, such as revoking a token
CLOSING_SECONDS = 1.5  # maximum time over which close frames are spread, so that clients do not all return at once
APART_SECONDS = 0.01  # maximum between two close frames, because the stop waits until all are sent
RELOAD_CLOSING_SECONDS = 5.0  # the same at a reload, where clients return at once
RELOAD_APART_SECONDS = 0.003  # about the CPU time that a login takes: clients return as fast as they can be served
MIN_SLEEP_SECONDS = 0.02  # shorter pauses between close frames are added up, because each sleep costs a loop turn
LATE_SECONDS = 0.3  # for clients that were in their handshake when the stop began, so that they get a close frame too
BURST_SECONDS = 10  # seconds; a connection may send the small frames of this time at once
MAX_BODIES = 10_000  # that wait to be parsed, of all users
CLOSES_PER_TURN = 8  # of connections whose clients do not read, in one turn of the loop: each takes 0.1 ms
PUMPS_PER_TURN = 8  # of waiting frames, in one turn of the loop: each writes up to 64 KiB in up to 0.15 ms
REQUEST_SECONDS = 0.0005  # loop time of HTTP itself for a request: to parse its head and to write the answer


def later(seconds: float, call: Callable[[], None]) -> None:
    """Call once after this many seconds; without any, in the next turn of the loop."""
    loop = asyncio.get_running_loop()
    if seconds > 0:
        loop.call_later(seconds, call)
    else:
        loop.call_soon(call)


class Connections:
    """The connected clients.

    :param max_callers: maximum number of callers at once, at most what the system allows
    """

    def __init__(self, services: Services, dispatcher: Dispatcher, max_callers: int) -> None:
        self.services = services
        self.dispatcher = dispatcher
        self._max_callers = max_callers
        self.retry_seconds = RETRY_SECONDS
        """After which clients should reconnect."""
        self._asked: set[Connection] = set()
        """Connections that were asked to reconnect."""
        self._callers: dict[Caller, bool] = {}
        """All callers, HTTP requests included, and whether each has logged in."""
        self._unauthenticated: Counter[str] = Counter()
        """Number of callers that have not logged in, by address."""
        self._paces: WeakValueDictionary[tuple[str, str], Pace] = WeakValueDictionary()
        """The rate of small frames by user and eauth, kept while one of the user's connections sends some."""
        self.bodies = FairTurns(1, MAX_BODIES, RecentUsers(time.monotonic))
        """Turns for the thread that parses bodies which take long."""
        self.messages = MessageTurns(later, services.loop_time)
        limits = services.settings.limits
        self.slow_closes: FewAtOnce[Callable[[], None]] = FewAtOnce(CLOSES_PER_TURN, lambda close: close(), later)
        """Closes connections whose clients do not read: often there are many at once."""
        self.pumps: FewAtOnce[Callable[[], None]] = FewAtOnce(PUMPS_PER_TURN, lambda pump: pump(), later)
        """Writes what waits for connections that have room again: many have at once when the kernel frees memory."""
        self.pings = Pings(limits.ping_seconds, limits.pong_seconds, later, time.monotonic)

    def __len__(self) -> int:
        return len(self._callers)

    @property
    def closing(self) -> bool:
        """Whether the engine stops: new clients are refused at once."""
        return self.dispatcher.stopping

    @property
    def restart_reason(self) -> str:
        """The reason of a close, for clients that should reconnect."""
        return f"the engine stops: retry in {self.retry_seconds} s"

    @property
    def finishing(self) -> bool:
        """Whether requests over HTTP are served although the engine stops: at a reload, on open connections."""
        return self.dispatcher.finishing

    def exceeded(self, address: str, session: Session | None) -> str | None:
        """Return the name of the limit that forbids another caller; None if none does.

        :param session: the caller's login; None before it
        """
        limits = self.services.settings.limits
        if len(self._callers) >= self._max_callers:
            return "connections"
        if session is not None and session.holdings.connections >= limits.connections_per_user:
            return "connections_per_user"
        if session is None and self._unauthenticated[address] >= limits.unauthenticated_per_address:
            return "unauthenticated_per_address"
        return None

    def add(self, caller: Caller) -> None:
        """Count a caller."""
        self._callers[caller] = False
        self._unauthenticated[caller.address] += 1

    def note_login(self, caller: Caller) -> None:
        """Note that a caller has logged in: it no longer counts as unauthenticated."""
        if self._callers.get(caller) is False:
            self._callers[caller] = True
            self._discount(caller.address)

    def remove(self, caller: Caller) -> None:
        """Forget a caller."""
        if self._callers.pop(caller, True) is False:
            self._discount(caller.address)
        if isinstance(caller, Connection):
            self._asked.discard(caller)

    def callers(self) -> list[Caller]:
        """Return all callers, HTTP requests included."""
        return list(self._callers)

    def all(self) -> list[Connection]:
        """Return the connections that can be pushed to."""
        return [caller for caller in self._callers if isinstance(caller, Connection)]

    def small_frame(self, connection: Connection) -> float:
        """Count a frame that ends no message.

        Each connection also has its own limit, so that it cannot use up the limit that its user's connections share.

        :return: seconds until the connection's next frame may be read
        """
        limits = self.services.settings.limits
        if connection.pace is None:
            rate = limits.control_frames_per_second
            connection.pace = Pace(rate, BURST_SECONDS * rate, time.monotonic)
        waits = [connection.pace.wait()]
        if connection.session is not None:
            user = (connection.session.user, connection.session.eauth)
            rate = limits.control_frames_per_second_per_user
            shared = self._paces.get(user) or Pace(rate, rate, time.monotonic)
            self._paces[user] = connection.shared_pace = shared
            waits.append(shared.wait())
        return max(waits)

    @asynccontextmanager
    async def body_turn(self, share: Share) -> AsyncIterator[None]:
        """Wait for the user's turn to have a body parsed that takes long.

        :raises ApiError: too_many
        """
        if not await self.bodies.enter(share, self.services.settings.limits.master_seconds):
            raise ApiError("too_many", "too many of your large bodies wait to be read")
        try:
            yield
        finally:
            self.bodies.leave(share)

    async def request_turn(self, share: Share) -> None:
        """Wait for a user's turn for an HTTP request or handshake. Websocket messages share these turns."""
        waits = self.messages.submit(share, lambda: None)
        self.services.loop_time.charge(share, REQUEST_SECONDS)
        if waits is not None:
            await waits

    async def settle(self) -> None:
        """At a reload, wait until the requests in flight change nothing any more that is passed on."""
        self.retry_seconds = 0
        await self.dispatcher.settle(SETTLE_SECONDS)

    async def finish(self, stop: asyncio.Event) -> None:
        """After a reload, close each connection as soon as its requests are answered; end when all clients have left.

        :param stop: ends this earlier
        """
        for connection in self.all():
            for number in list(connection.subscriptions):
                connection.remove(number)  # the next process has the events, and the client resumes there
        loop = asyncio.get_running_loop()
        end = loop.time() + ANSWER_SECONDS
        while self._callers and loop.time() < end and not stop.is_set():
            idle = [connection for connection in self.all() if not connection.commands]
            await self._ask_to_reconnect(idle, RELOAD_CLOSING_SECONDS, RELOAD_APART_SECONDS)
            await asyncio.sleep(LOOK_SECONDS)

    async def close(self) -> None:
        """Answer the requests in flight, then close all connections with a code that asks clients to reconnect."""
        await self.dispatcher.stop()
        await self._ask_to_reconnect(self.all())
        await asyncio.sleep(LATE_SECONDS)
        await self.dispatcher.drain(FINISH_SECONDS)

    async def _ask_to_reconnect(
        self, connections: list[Connection], seconds: float = CLOSING_SECONDS, apart: float = APART_SECONDS
    ) -> None:
        """Close connections that were not asked before, ``apart`` seconds apart, within ``seconds``."""
        connections = [connection for connection in connections if connection not in self._asked]
        self._asked.update(connections)
        pause = min(apart, seconds / max(1, len(connections)))
        behind = 0.0
        for connection in connections:
            connection.close(RESTART, self.restart_reason)
            behind += pause
            if behind >= MIN_SLEEP_SECONDS:
                await asyncio.sleep(behind)
                behind = 0.0

    def _discount(self, address: str) -> None:
        self._unauthenticated[address] -= 1
        if self._unauthenticated[address] <= 0:
            del self._unauthenticated[address]
