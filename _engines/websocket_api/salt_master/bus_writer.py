"""Fires events on the master's bus."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import salt.transport.frame

from ..errors import ApiError
from .bus_address import bus_address
from .event_body import encode

log = logging.getLogger(__name__)

#: Seconds that a write to the bus may take.
FIRE_SECONDS = 5.0


class BusWriter:
    """The connection on which events are fired. There is one, so that they arrive in the order of the calls."""

    def __init__(self, opts: dict[str, Any]) -> None:
        self._opts = opts
        self._firing = asyncio.Lock()
        self._writer: asyncio.StreamWriter | None = None
        self._reader: asyncio.StreamReader | None = None

    async def fire(self, tag: str, data: dict[str, Any]) -> None:
        """Fire an event, with a time stamp in Salt's format. ``data`` is not changed.

        Salt trims data larger than ``max_event_size``.

        :raises ValueError: the tag has a line end that would end it early
        :raises ApiError: ``master_unavailable`` if the bus does not accept the event
        """
        event = encode(tag, data, self._opts.get("max_event_size"))
        # Salt's own framing, because patch releases differ, and silently drop frames of another form.
        frame: bytes = salt.transport.frame.frame_msg_ipc(event, raw_body=True)
        async with self._firing:
            try:
                await asyncio.wait_for(self._write(frame), FIRE_SECONDS)
            except (OSError, asyncio.TimeoutError) as error:
                self.close()
                log.warning("cannot fire on the master's event bus: %s", error or type(error).__name__)
                raise ApiError(
                    "master_unavailable", "the master's event bus does not accept the event; try again later"
                ) from None
            except asyncio.CancelledError:
                self.close()  # half a frame may be written, so the next one needs a new connection
                raise

    async def _write(self, frame: bytes) -> None:
        if self._writer is None or self._writer.is_closing() or self._reader is None or self._reader.at_eof():
            self.close()
            self._reader, self._writer = await self._open()
            # Without a buffer drain() waits until the kernel has the frame, which is what Salt itself does.
            self._writer.transport.set_write_buffer_limits(0)
        self._writer.write(frame)
        await self._writer.drain()

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        address = bus_address(self._opts, "pull")
        if isinstance(address, str):
            return await asyncio.open_unix_connection(address)
        return await asyncio.open_connection(*address)

    def close(self) -> None:
        """Close the connection. The next event opens another one."""
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None
