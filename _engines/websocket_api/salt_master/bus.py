"""The master's event bus: read events in order, report losses, and fire events."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import time
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import msgpack  # type: ignore[import-untyped]
import salt.transport.frame
import salt.utils.event

from ..bus_line import Line
from ..errors import ApiError
from .bus_socket import BusSocket, connect
from .bus_stream import InvalidStreamError, MaxDelay, Stream
from .salt_compat import SALT_LINE

log = logging.getLogger(__name__)

TAG_END = b"\n\n"
#: Seconds between attempts to reach a missing publisher: first and maximum.
BACKOFF_SECONDS = (0.05, 1.0)
#: Seconds that a write to the bus may take.
FIRE_SECONDS = 5.0
#: Salt's msgpack extension for dates.
_DATE = 78

OnEvent = Callable[[str, dict[str, Any]], None]


def decode(body: bytes) -> tuple[str, dict[str, Any]]:
    """Return tag and data of ``tag + "\\n\\n" + msgpack(dict)`` (salt/utils/event.py, ``unpack``).

    Values that the sender marked as bytes stay bytes. Invalid UTF-8 in strings becomes lone surrogates, which the
    encoders replace.

    :raises ValueError: the body is not an event
    """
    tag, separator, packed = body.partition(TAG_END)
    if not separator:
        raise ValueError("no tag")
    try:
        data = msgpack.unpackb(
            packed,
            raw=False,
            unicode_errors="surrogateescape",
            strict_map_key=False,
            ext_hook=_extension,
            timestamp=1,
        )
    except Exception as error:  # noqa: BLE001 - msgpack raises a dozen kinds, and a sender can provoke each
        raise ValueError(f"{type(error).__name__}: {error}") from None
    if not isinstance(data, dict):
        raise ValueError(f"the data is a {type(data).__name__}")
    return tag.decode("utf-8", "replace"), data


def _extension(code: int, data: bytes) -> Any:
    if code == _DATE:
        return datetime.strptime(data.decode(), "%Y%m%dT%H:%M:%S.%f").isoformat()  # noqa: DTZ007 - Salt sends no zone
    return data


class Bus:
    """Reads and fires events through the publisher's sockets (salt/transport/tcp.py and frame.py on both lines)."""

    def __init__(self, opts: dict[str, Any]) -> None:
        self._opts = opts
        #: Whether the reader is connected.
        self.connected = False
        #: The number of events since the start that could not be decoded.
        self.undecodable = 0
        # All events are fired on one connection, so that they arrive in the order of the calls.
        self._firing = asyncio.Lock()
        self._writer: asyncio.StreamWriter | None = None
        self._reader: asyncio.StreamReader | None = None
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
        if TAG_END.decode() in tag or tag.endswith("\n"):
            raise ValueError("a tag must not contain an empty line or end with a line end")
        stamp = datetime.now(timezone.utc)
        if SALT_LINE < 3008:
            stamp = stamp.replace(tzinfo=None)  # 3007 writes UTC without a zone
        event: bytes = salt.utils.event.SaltEvent.pack(
            tag, {**data, "_stamp": stamp.isoformat()}, max_size=self._opts.get("max_event_size")
        )
        # Salt's own framing, because patch releases differ, and silently drop frames of another form.
        frame: bytes = salt.transport.frame.frame_msg_ipc(event, raw_body=True)
        async with self._firing:
            try:
                await asyncio.wait_for(self._write(frame), FIRE_SECONDS)
            except (OSError, asyncio.TimeoutError) as error:
                self._drop_writer()
                log.warning("cannot fire on the master's event bus: %s", error or type(error).__name__)
                raise ApiError(
                    "master_unavailable", "the master's event bus does not accept the event; try again later"
                ) from None
            except asyncio.CancelledError:
                self._drop_writer()  # half a frame may be written, so the next one needs a new connection
                raise

    async def _write(self, frame: bytes) -> None:
        if self._writer is None or self._writer.is_closing() or self._reader is None or self._reader.at_eof():
            self._drop_writer()
            self._reader, self._writer = await self._open()
            # Without a buffer drain() waits until the kernel has the frame, which is what Salt itself does.
            self._writer.transport.set_write_buffer_limits(0)
        self._writer.write(frame)
        await self._writer.drain()

    def _drop_writer(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None

    def close(self) -> None:
        """Close the connection for firing. The reader ends with its task."""
        self._drop_writer()
        self.close_second()

    async def _connect(self) -> socket.socket:
        """Return a connection on which events are read."""
        if self._opts.get("ipc_mode") == "tcp":
            host, port = self._tcp_address("pub")
            return await connect(socket.AF_INET6 if ":" in host else socket.AF_INET, (host, port))
        return await connect(socket.AF_UNIX, self._path("pub"))

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Return a connection on which events are fired."""
        if self._opts.get("ipc_mode") == "tcp":
            return await asyncio.open_connection(*self._tcp_address("pull"))
        return await asyncio.open_unix_connection(self._path("pull"))

    def _tcp_address(self, side: str) -> tuple[str, int]:
        host = "::1" if SALT_LINE >= 3008 and self._opts.get("ipv6") else "127.0.0.1"
        return host, int(self._opts[f"tcp_master_{side}_port"])

    def _path(self, side: str) -> str:
        return os.path.join(self._opts["sock_dir"], f"master_event_{side}.ipc")
