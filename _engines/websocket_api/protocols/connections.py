"""All connections of all doors: counted, run for, and ended together."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Coroutine
from typing import Any
from weakref import WeakValueDictionary

from ..core.access.message_turns import MessageTurns
from ..core.access.sessions import Session
from ..core.access.throttle import Pace
from ..core.delivery.caller import Caller
from ..core.delivery.connection import Connection
from ..errors import RESTART
from ..operations.dispatcher import Dispatcher
from ..operations.services import Services

log = logging.getLogger(__name__)

RETRY_SECONDS = 2  # after which clients are asked to come again when the engine restarts
GOODBYE = f"the engine stops: retry in {RETRY_SECONDS} s"
FINISH_SECONDS = 0.5  # for what clients leave to be done when they go
FAREWELL_SECONDS = 1.5  # over which the close frames are spread at most, so that not all come back at once
LATE_SECONDS = 0.3  # for who was shaking hands when the stop began, to be told as well
BURST_SECONDS = 10  # of small frames that one connection may send at once
APART_SECONDS = 0.01  # between two at most: a few that come back together are no load, and everybody waits for the end


class Connections:
    """Who is connected.

    :param most: connections at once, already lowered to what the system allows
    """

    def __init__(self, services: Services, dispatcher: Dispatcher, most: int) -> None:
        self.services = services
        self.dispatcher = dispatcher
        self._most = most
        self._callers: dict[Caller, bool] = {}
        """All callers, HTTP requests included, and whether each has logged in."""
        self._strangers: Counter[str] = Counter()
        """Connections by address on which nobody has logged in yet."""
        self._paces: WeakValueDictionary[tuple[str, str], Pace] = WeakValueDictionary()
        """Of small frames, by user and eauth, as long as one of the user's connections sends some."""
        self._tasks: set[asyncio.Task[Any]] = set()
        self.messages = MessageTurns(
            lambda seconds, call: asyncio.get_running_loop().call_later(seconds, call), services.loop_time
        )
        """Turns to read messages of websockets."""
        self.closing = False
        """Whether the engine stops: who comes now is sent away at once."""

    def __len__(self) -> int:
        return len(self._callers)

    def admit(self, address: str, session: Session | None) -> str | None:
        """Count a connection in, or return the name of the limit that forbids it.

        :param session: who has logged in already
        """
        limits = self.services.settings.limits
        if len(self._callers) >= self._most:
            return "connections"
        if session is not None and session.holdings.connections >= limits.connections_per_user:
            return "connections_per_user"
        if session is None and self._strangers[address] >= limits.unauthenticated_per_address:
            return "unauthenticated_per_address"
        return None

    def add(self, caller: Caller) -> None:
        """Count a caller in."""
        self._callers[caller] = False
        self._strangers[caller.address] += 1

    def note_login(self, caller: Caller) -> None:
        """Note that a caller has logged in: the limit for unauthenticated ones counts it no more."""
        if self._callers.get(caller) is False:
            self._callers[caller] = True
            self._one_stranger_less(caller.address)

    def remove(self, caller: Caller) -> None:
        """Forget a caller."""
        if self._callers.pop(caller, True) is False:
            self._one_stranger_less(caller.address)

    def small_frame(self, connection: Connection) -> float:
        """Count a frame that ends no message; return the seconds until the connection's next one may be read.

        A connection has a bound of its own, so that one of a user's does not use up what all of them share.
        """
        limits = self.services.settings.limits
        if connection.pace is None:
            most = limits.control_frames_per_second
            connection.pace = Pace(most, BURST_SECONDS * most, time.monotonic)
        waits = [connection.pace.wait()]
        if connection.session is not None:
            user = (connection.session.user, connection.session.eauth)
            most = limits.control_frames_per_second_per_user
            shared = self._paces.get(user) or Pace(most, most, time.monotonic)
            self._paces[user] = connection.shared_pace = shared
            waits.append(shared.wait())
        return max(waits)

    def callers(self) -> list[Caller]:
        """Return all callers, HTTP requests included."""
        return list(self._callers)

    def all(self) -> list[Connection]:
        """Return the connections that can be pushed to; HTTP requests are none of them."""
        return [caller for caller in self._callers if isinstance(caller, Connection)]

    def run(self, connection: Connection, message: dict[str, Any]) -> asyncio.Task[None]:
        """Run one message beside the others."""
        task = asyncio.ensure_future(self.dispatcher.run(connection, message))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def ask(self, caller: Caller, message: dict[str, Any]) -> Any:
        """Run one message of a door that words its replies itself; see :meth:`Dispatcher.ask`."""
        task = asyncio.ensure_future(self.dispatcher.ask(caller, message))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            return await task
        finally:
            del task  # it holds its error, which holds this frame

    def finish(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Do something though its client may have gone, and be done with it before the engine is."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def farewell(self) -> None:
        """Answer what is in flight, and end all connections: come again."""
        self.closing = True
        self.dispatcher.close()
        running = list(self._tasks)
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running, timeout=1.0)
        connections = self.all()
        pause = min(APART_SECONDS, FAREWELL_SECONDS / max(1, len(connections)))
        behind = 0.0
        for connection in connections:
            connection.close(RESTART, GOODBYE)
            behind += pause
            if behind >= 0.02:
                await asyncio.sleep(behind)
                behind = 0.0
        await asyncio.sleep(LATE_SECONDS)
        if self._tasks:
            await asyncio.wait(list(self._tasks), timeout=FINISH_SECONDS)

    def _one_stranger_less(self, address: str) -> None:
        self._strangers[address] -= 1
        if self._strangers[address] <= 0:
            del self._strangers[address]
