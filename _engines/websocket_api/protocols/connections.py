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
        self._connections: dict[Connection, bool] = {}
        """With whether somebody has logged in there."""
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
        return len(self._connections)

    def admit(self, address: str, session: Session | None) -> str | None:
        """Count a connection in, or return the name of the limit that forbids it.

        :param session: who has logged in already
        """
        limits = self.services.settings.limits
        if len(self._connections) >= self._most:
            return "connections"
        if session is not None and session.holdings.connections >= limits.connections_per_user:
            return "connections_per_user"
        if session is None and self._strangers[address] >= limits.unauthenticated_per_address:
            return "unauthenticated_per_address"
        return None

    def add(self, connection: Connection) -> None:
        """Keep a connection."""
        self._connections[connection] = False
        self._strangers[connection.address] += 1

    def proved(self, connection: Connection) -> None:
        """Note that somebody has logged in on it."""
        if self._connections.get(connection) is False:
            self._connections[connection] = True
            self._one_stranger_less(connection.address)

    def remove(self, connection: Connection) -> None:
        """Forget a connection."""
        if self._connections.pop(connection, True) is False:
            self._one_stranger_less(connection.address)

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

    def all(self) -> list[Connection]:
        """Return the connections."""
        return list(self._connections)

    def run(self, connection: Connection, message: dict[str, Any]) -> asyncio.Task[None]:
        """Run one message beside the others."""
        task = asyncio.ensure_future(self.dispatcher.run(connection, message))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def ask(self, connection: Connection, message: dict[str, Any]) -> Any:
        """Run one message of a door that words its replies itself; see :meth:`Dispatcher.ask`."""
        task = asyncio.ensure_future(self.dispatcher.ask(connection, message))
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
