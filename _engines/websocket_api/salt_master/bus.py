"""The master's event bus: read in order and without loss that goes untold, and fired on."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import msgpack  # type: ignore[import-untyped]
import salt.transport.frame
import salt.utils.event

from ..errors import ApiError
from .salt_compat import SALT_LINE

log = logging.getLogger(__name__)

TAG_END = b"\n\n"
#: Bytes taken from the socket at once. Large chunks halve the cost of an event against Salt's own 4 KiB reads.
CHUNK = 1 << 18
#: Seconds of decoding after which the loop gets its turn, so that a burst of events delays no client noticeably.
SLICE_SECONDS = 0.005
#: Seconds between two events below which they are read together, and between two reads then: to wake up costs far more
#: than to handle what woke us (measured: about 120 us against 15). Slower ones are each read at once.
QUICK_SECONDS = 0.003
GATHER_SECONDS = 0.008
#: Seconds between attempts to reach a publisher that is away: the first and the longest.
BACKOFF_SECONDS = (0.05, 1.0)
#: Seconds that a write to the bus may take.
FIRE_SECONDS = 5.0
#: Largest frame on the wire, in bytes: ``max_event_size`` is 1 MiB by default, but an operator may raise it.
FRAME_BYTES = 1 << 28
#: Salt's msgpack extension for dates.
_DATE = 78

OnEvent = Callable[[str, dict[str, Any]], None]


def decode(body: bytes) -> tuple[str, dict[str, Any]]:
    """Tag and data of one event as it travels: ``tag + "\\n\\n" + msgpack(dict)`` (salt/utils/event.py, ``unpack``).

    Bytes that are no UTF-8 stay bytes where the sender marked them as such; in strings they become lone surrogates,
    which the encoders replace.

    :raises ValueError: when it is none
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
    except Exception as exc:  # noqa: BLE001 - msgpack raises a dozen kinds, a sender can provoke each
        raise ValueError(f"{type(exc).__name__}: {exc}") from None
    if not isinstance(data, dict):
        raise ValueError(f"the data is a {type(data).__name__}")
    return tag.decode("utf-8", "replace"), data


def _extension(code: int, data: bytes) -> Any:
    if code == _DATE:
        return datetime.strptime(data.decode(), "%Y%m%dT%H:%M:%S.%f").isoformat()  # noqa: DTZ007 - Salt sends no zone
    return data


class Bus:
    """The bus of this master, by its publisher's sockets (salt/transport/tcp.py and frame.py on both lines)."""

    def __init__(self, opts: dict[str, Any]) -> None:
        self._opts = opts
        #: Whether the reader is connected now.
        self.connected = False
        #: Events that could not be decoded since the start.
        self.undecodable = 0
        # One connection for all that is fired, so that events arrive in the order of the calls.
        self._firing = asyncio.Lock()
        self._writer: asyncio.StreamWriter | None = None
        self._reader: asyncio.StreamReader | None = None

    async def read(self, on_event: OnEvent, on_lost: Callable[[], None], on_found: Callable[[], None]) -> None:
        """Call ``on_event(tag, data)`` for every event, in order, until canceled.

        ``on_lost`` is called when a connection that worked went, ``on_found`` when the next one stands: events fired
        in between are gone. The first connection is waited for in silence: engines start before the publisher is up.
        """
        lost = False
        backoff = BACKOFF_SECONDS[0]
        while True:
            try:
                reader, writer = await self._open("pub")
            except OSError:
                await asyncio.sleep(backoff)
                backoff = min(backoff * 2, BACKOFF_SECONDS[1])
                continue
            backoff = BACKOFF_SECONDS[0]
            self.connected = True
            if lost:
                log.info("the master's event bus is back")
                on_found()
            try:
                reason = await self._drain(reader, writer, on_event)
            finally:
                self.connected = False
                writer.close()
            log.warning("lost the master's event bus (%s): connecting again", reason)
            lost = True
            on_lost()
            # A publisher that accepts and closes at once must not turn this into a busy loop.
            await asyncio.sleep(backoff)

    async def _drain(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, on_event: OnEvent) -> str:
        """Hand on events until the connection ends; returns why it did."""
        transport: Any = writer.transport  # of both directions, whatever its type says
        # raw: frames are {b"head", b"body"}; each body is decoded by itself, so that one bad event stays one.
        unpacker = msgpack.Unpacker(raw=True, strict_map_key=False, max_buffer_size=FRAME_BYTES)
        turn = time.monotonic() + SLICE_SECONDS
        woken = 0.0
        while True:
            try:
                chunk = await reader.read(CHUNK)
            except OSError as exc:
                return str(exc)
            if not chunk:
                return "the publisher closed the connection"
            before, woken, events = woken, time.monotonic(), 0
            try:
                unpacker.feed(chunk)
                for frame in unpacker:
                    self._hand_on(frame, on_event)
                    events += 1
                    # read() returns without a pause while bytes are there, so turns are counted across chunks.
                    if time.monotonic() >= turn:
                        await asyncio.sleep(0)
                        turn = time.monotonic() + SLICE_SECONDS
            except (ValueError, msgpack.exceptions.UnpackException, msgpack.exceptions.BufferFull) as exc:
                # The stream is out of step, there is no way to find the next frame: a new connection starts with one.
                return f"not understood: {type(exc).__name__}"
            rest = woken + GATHER_SECONDS - time.monotonic()
            if rest > 0 and woken - before < events * QUICK_SECONDS:
                transport.pause_reading()
                await asyncio.sleep(rest)
                transport.resume_reading()

    def _hand_on(self, frame: Any, on_event: OnEvent) -> None:
        try:
            body = frame[b"body"]
            tag, data = decode(body)
        except (ValueError, TypeError, KeyError, IndexError, AttributeError) as exc:
            self.undecodable += 1
            log.warning("an event on the bus could not be decoded and is left out: %s", exc)
            return
        try:
            on_event(tag, data)
        except Exception:
            log.exception("an event of tag %r could not be handled", tag)

    async def fire(self, tag: str, data: dict[str, Any]) -> None:
        """Fire an event on the master's bus, stamped as Salt stamps its own; ``data`` is not changed.

        Data over ``max_event_size`` is trimmed as Salt trims it.

        :raises ValueError: for a tag that would end early on the wire
        :raises ApiError: ``master_unavailable`` when the bus does not take it
        """
        if TAG_END.decode() in tag or tag.endswith("\n"):
            raise ValueError("what follows an empty line in a tag would be taken for the event's data")
        stamp = datetime.now(timezone.utc)
        if SALT_LINE < 3008:
            stamp = stamp.replace(tzinfo=None)  # 3007 stamps UTC without saying so
        event: bytes = salt.utils.event.SaltEvent.pack(
            tag, {**data, "_stamp": stamp.isoformat()}, max_size=self._opts.get("max_event_size")
        )
        # Framed by the Salt that reads it: what is framed otherwise is dropped in silence, and patch releases differ.
        frame: bytes = salt.transport.frame.frame_msg_ipc(event, raw_body=True)
        async with self._firing:
            try:
                await asyncio.wait_for(self._write(frame), FIRE_SECONDS)
            except (OSError, asyncio.TimeoutError) as exc:
                self._drop_writer()
                log.warning("cannot fire on the master's event bus: %s", exc or type(exc).__name__)
                raise ApiError(
                    "master_unavailable", "the master's event bus does not accept the event; try again later"
                ) from None
            except asyncio.CancelledError:
                self._drop_writer()  # half a frame may have gone: the next one needs a fresh connection
                raise

    async def _write(self, frame: bytes) -> None:
        if self._writer is None or self._writer.is_closing() or self._reader is None or self._reader.at_eof():
            self._drop_writer()
            self._reader, self._writer = await self._open("pull")
            # No buffer of ours: drain() then means that the kernel has it, which is as far as Salt itself goes.
            self._writer.transport.set_write_buffer_limits(0)
        self._writer.write(frame)
        await self._writer.drain()

    def _drop_writer(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None

    def close(self) -> None:
        """Close the connection that events are fired on; the reader ends with its task."""
        self._drop_writer()

    async def _open(self, side: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._opts.get("ipc_mode") == "tcp":
            host = "::1" if SALT_LINE >= 3008 and self._opts.get("ipv6") else "127.0.0.1"
            return await asyncio.open_connection(host, int(self._opts[f"tcp_master_{side}_port"]), limit=CHUNK)
        path = os.path.join(self._opts["sock_dir"], f"master_event_{side}.ipc")
        return await asyncio.open_unix_connection(path, limit=CHUNK)
