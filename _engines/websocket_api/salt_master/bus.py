"""The master's event bus: read events in order, and report losses. bus_writer.py fires events."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import time
from collections.abc import Callable
from typing import Any

from ..bus_line import Line
from .bus_address import bus_address
from .bus_socket import BusSocket, connect
from .bus_stream import InvalidStreamError, MaxDelay, Stream
from .bus_writer import BusWriter
from .event_body import decode

log = logging.getLogger(__name__)

#: Seconds between attempts to reach a missing publisher: first and maximum.
BACKOFF_SECONDS = (0.05, 1.0)

OnEvent = Callable[[str, dict[str, Any]], None]


class Bus:
    """Reads and fires events through the publisher's sockets (salt/transport/tcp.py and frame.py on both lines)."""

    def __init__(self, opts: dict[str, Any]) -> None:
        self._opts = opts
        #: Whether the reader is connected.
        self.connected = False
        #: The number of events since the start that could not be decoded.
        self.undecodable = 0
        self._writer = BusWriter(opts)
        self._given: Line | None = None
        """The connection of the process before this one, to be read next."""
        self._line: BusSocket | None = None
        """The connection that is read now."""
        self._detached: asyncio.Future[Line | None] | None = None
        """Set by :meth:`detach`: reading ends, and this gets the connection."""
        self._second: socket.socket | None = None
        """A further connection, for the next call of :meth:`read`."""
        self._held: asyncio.Event | None = None
        """Until this is set, the first connection is open, but not read."""

    def adopt(self, line: Line) -> None:
        """Continue to read the connection of another process, before :meth:`read` is called."""
        self._given = line

    async def open_second(self) -> None:
        """Open a further connection, which the next call of :meth:`read` reads from here on.

        Events that arrive before :meth:`detach` are then passed on twice. None is lost, unless the publisher needs
        longer to accept the connection than until then.
        """
        with contextlib.suppress(OSError):  # then the next call connects as usual
            self._second = await self._connect()

    def close_second(self) -> None:
        """Close the further connection, which nothing will read."""
        if self._second is not None:
            self._second.close()
            self._second = None

    def hold(self) -> None:
        """Connect, but pass on nothing until :meth:`release` is called; the publisher keeps what arrives meanwhile.

        Call this before :meth:`read`.
        """
        self._held = asyncio.Event()

    def release(self) -> None:
        """Pass on what was held, and what follows."""
        if self._held is not None:
            self._held.set()

    async def detach(self) -> Line | None:
        """Stop reading, and return the connection; None if there is none.

        Every event before the line's rest was passed on.
        """
        self.release()
        self._detached = asyncio.get_running_loop().create_future()
        if self._line is None:
            line, self._given = self._given, None
            self._detached.set_result(line)
        else:
            self._line.wake()
        return await self._detached

    async def read(
        self,
        on_event: OnEvent,
        on_lost: Callable[[], None],
        on_found: Callable[[], None],
        max_delay: MaxDelay = lambda events: 0.0,
    ) -> None:
        """Call ``on_event(tag, data)`` for every event, in order, until canceled.

        ``on_lost`` is called when a connection ends, and ``on_found`` when the next one is open. Events fired
        in between are lost. Nothing is logged before the first connection, because engines start before the publisher.
        A loss is logged as a warning only once the bus is back. A master that stops closes its bus too, and then stops
        the engine.

        :param max_delay: asked after each read
        """
        lost_at = 0.0
        reason = ""
        backoff = BACKOFF_SECONDS[0]
        self._detached = None  # of a call that was canceled
        while True:
            if self._detached is not None:
                await asyncio.Future()  # another process reads the bus
            line, self._given = self._given, None
            second, self._second = self._second, None
            try:
                opened = second or (await self._connect() if line is None else line.socket)
            except OSError:
                self.connected = False
                await asyncio.sleep(backoff)
                backoff = min(backoff * 2, BACKOFF_SECONDS[1])
                continue
            backoff = BACKOFF_SECONDS[0]
            self.connected = True
            if lost_at:
                seconds = time.monotonic() - lost_at
                log.warning("the master's event bus was lost for %.1f s (%s), and is back", seconds, reason)
                on_found()
            self._line = BusSocket(opened)
            try:
                if self._held is not None:
                    await self._held.wait()
                reason = await self._drain(self._line, on_event, max_delay, b"" if line is None else line.rest)
            finally:
                self._line.close()
                self._line = None
                self.connected = self._detached is not None  # the next process reads it, and nothing is wrong
            if self._detached is not None:
                if not self._detached.done():
                    self._detached.set_result(None)  # the connection ended, or was not understood
                continue
            log.info("lost the master's event bus (%s): connecting again", reason)
            lost_at = time.monotonic()
            on_lost()
            # Without this pause a publisher that accepts and closes immediately would cause a busy loop.
            await asyncio.sleep(backoff)

    async def _drain(self, line: BusSocket, on_event: OnEvent, max_delay: MaxDelay, rest: bytes) -> str:
        """Deliver events until the connection ends, and return the reason.

        :param rest: what was already read of the first event
        """
        stream = Stream(rest, lambda frame: self._deliver(frame, on_event), max_delay)
        try:
            while self._detached is None:
                await self._read_more(line, stream)
        except EOFError:
            return "the publisher closed the connection"
        except OSError as error:
            return str(error)
        except InvalidStreamError as error:
            # A new connection starts with a frame.
            return f"not understood: {error}"
        if not self._detached.done():
            self._detached.set_result(Line(line.copy(), stream.rest))
        return "the next process reads the bus"

    async def _read_more(self, line: BusSocket, stream: Stream) -> None:
        """Deliver what has arrived. If nothing has, deliver what arrives, until that takes long or a pause is due."""
        chunk = line.receive()
        if chunk is None:
            # The callback delivers without a further turn of the loop, so an event after a pause is not delayed.
            await line.read(stream)
            stream.begin_slice()
        else:
            stream.feed(chunk)
        while not stream.deliver_rest():
            await asyncio.sleep(0)
            stream.begin_slice()
        pause = stream.pause()
        if pause > 0 and self._detached is None:
            await line.pause(pause)
            stream.begin_slice()
        elif stream.is_over_time:
            await asyncio.sleep(0)  # a large event can arrive in many chunks
            stream.begin_slice()

    def _deliver(self, frame: Any, on_event: OnEvent) -> None:
        try:
            body = frame[b"body"]
            tag, data = decode(body)
        except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
            self.undecodable += 1
            log.warning("an event on the bus could not be decoded and is left out: %s", error)
            return
        try:
            on_event(tag, data)
        except Exception:
            log.exception("an event of tag %r could not be handled", tag)

    async def fire(self, tag: str, data: dict[str, Any]) -> None:
        """Fire an event on the master's bus, with a time stamp in Salt's format. ``data`` is not changed.

        Salt trims data larger than ``max_event_size``.

        :raises ValueError: the tag has a line end that would end it early
        :raises ApiError: ``master_unavailable`` if the bus does not accept the event
        """
        await self._writer.fire(tag, data)

    def close(self) -> None:
        """Close the connection for firing. The reader ends with its task."""
        self._writer.close()
        self.close_second()

    async def _connect(self) -> socket.socket:
        """Return a connection on which events are read."""
        address = bus_address(self._opts, "pub")
        if isinstance(address, str):
            return await connect(socket.AF_UNIX, address)
        return await connect(socket.AF_INET6 if ":" in address[0] else socket.AF_INET, address)
