"""Pings all websockets, and ends those that do not answer.

Tornado has a task and a timer for each connection, which cost memory, and time when thousands connect at once.
"""

from __future__ import annotations

from typing import Protocol

from ..timeouts import Timeouts
from ..timing import Clock, Later


class Pinged(Protocol):
    """A connection."""

    @property
    def awaits_pong(self) -> bool:
        """Whether the last ping was not answered."""
        ...

    def ping(self) -> None:
        """Send a ping."""
        ...

    def end_unanswered(self) -> None:
        """Close the connection, because its peer did not answer."""
        ...


class Pings:
    """The pings of all connections.

    :param ping_seconds: between two pings of a connection
    :param pong_seconds: maximum until the answer, at most ``ping_seconds``
    :param later: ``later(seconds, call)``
    :param clock: seconds, monotonic
    """

    def __init__(self, ping_seconds: float, pong_seconds: float, later: Later, clock: Clock) -> None:
        self._pings: Timeouts[Pinged] = Timeouts(ping_seconds, self._ping, later, clock)
        self._pongs: Timeouts[Pinged] = Timeouts(min(ping_seconds, pong_seconds), self._check, later, clock)

    def __len__(self) -> int:
        return len(self._pings)

    def add(self, connection: Pinged) -> None:
        """Ping a connection from now on."""
        self._pings.start(connection)

    def remove(self, connection: Pinged) -> None:
        """Stop pinging a connection. Further calls do nothing."""
        self._pings.stop(connection)
        self._pongs.stop(connection)

    def _ping(self, connection: Pinged) -> None:
        if connection.awaits_pong:
            self._check(connection)  # pong_seconds is as long as ping_seconds
            return
        self._pings.start(connection)
        self._pongs.start(connection)
        connection.ping()

    def _check(self, connection: Pinged) -> None:
        if connection.awaits_pong:
            self.remove(connection)
            connection.end_unanswered()
