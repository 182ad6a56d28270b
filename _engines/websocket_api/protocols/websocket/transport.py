"""Writes frames to the stream of one client."""

from __future__ import annotations

import asyncio
import fcntl
from collections.abc import Callable

from tornado.iostream import IOStream, StreamClosedError

from ...errors import forget_frames

CHUNK = 65536
"""Bytes read from a stream at once."""
SIOCOUTQNSD, NONE_UNSENT = 0x894B, bytes(4)  # Linux' request for the number of bytes not sent yet, and its answer 0


class StreamTransport:
    """Writes an outbox's frames to one client's stream.

    :attr:`drained` is called when the socket has accepted all written bytes.
    """

    def __init__(self, stream: IOStream) -> None:
        self._stream = stream
        self._awaited = False
        """Whether :attr:`drained` is going to be called."""
        self.drained: Callable[[], None] = lambda: None

    def forget(self) -> None:
        """Stop calling :attr:`drained`: the stream is gone."""
        self.drained = lambda: None

    def busy(self) -> bool:
        """Return whether bytes still wait in the stream's buffer. If so, :attr:`drained` is called later.

        They may be tornado's own pings and pongs. A waiting outbox must be called after those too.
        """
        if not self._stream.writing():
            return False
        if not self._awaited and not self._stream.closed():
            self._await(self._stream.write(b""))
        return True

    def write(self, data: bytes) -> None:
        """Write to the socket at once, and pass the rest to the stream if the socket does not accept everything.

        The socket nearly always does. Then this saves the future that the stream creates for every write.
        """
        sent = 0 if self._stream.writing() or self._stream.closed() else self._send(data)
        if sent == len(data):
            return
        try:
            # A view, so that all slow clients share one copy of the frame.
            future = self._stream.write(memoryview(data)[sent:])
        except StreamClosedError:
            return  # tornado calls the handler, which releases everything
        if self._stream.writing() and not self._awaited:
            self._await(future)

    def unsent(self) -> bool:
        """Return whether the kernel keeps bytes that it could not send: the peer's window is closed.

        It takes megabytes for a peer that does not read, before the socket accepts no more.
        """
        if self._stream.closed():
            return False
        try:
            return fcntl.ioctl(self._stream.fileno(), SIOCOUTQNSD, NONE_UNSENT) != NONE_UNSENT
        except OSError:
            return False  # no TCP

    def _await(self, future: asyncio.Future[None]) -> None:
        self._awaited = True
        future.add_done_callback(self._written)

    def _send(self, data: bytes) -> int:
        """Return how many bytes the socket accepted."""
        try:
            return self._stream.write_to_fd(memoryview(data))
        except OSError:
            return 0  # full or closed: the stream gets the same error, and handles it

    def _written(self, future: asyncio.Future[None]) -> None:
        self._awaited = False
        if not future.cancelled() and future.exception() is None:
            self.drained()


def forget_error(stream: IOStream) -> None:
    """Break the reference cycle of a stream that ended with an error, such as a reset by its peer.

    The error refers to the stack frames that read from the stream, and they refer to the stream.
    """
    if stream.error is not None:
        forget_frames(stream.error)
