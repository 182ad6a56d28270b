"""The I/O of the asyncio client: one task that keeps a websocket open, and passes messages to and from a session."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from collections.abc import Sequence
from typing import Any

from salt_live import features
from salt_live.backoff import Backoff, requested_seconds
from salt_live.error_codes import BadMessage, UnknownType
from salt_live.errors import ConnectionFailed, SaltLiveError
from salt_live.session import Session, State
from salt_live.streams import Stream
from salt_live.tls import failure_of
from salt_live.version import __version__
from salt_live.wire import SUBPROTOCOL

log = logging.getLogger("salt_live")

OPEN_SECONDS = 10.0  # for the handshake and the TLS handshake
CLOSE_SECONDS = 2.0
RETRY_SECONDS = 2.0  # before a subscription that was refused for now is requested again
MAX_MESSAGE_BYTES = 256 * 1024 * 1024  # a return of 50 MB and more fits; a broken server cannot fill the memory


class Connection:
    """A websocket that is opened again when it is lost.

    :param session: what is said over it
    :param addresses: of engines of one master, or of masters that share a stream; tried in turn
    :param tls: the context for addresses that begin with ``wss``; Python's default one if None
    """

    def __init__(self, session: Session, addresses: Sequence[str], tls: ssl.SSLContext | None = None) -> None:
        self.session = session
        self._backoff = Backoff(addresses)
        self._addresses = addresses
        self._tls = tls
        self._futures: dict[int, asyncio.Future[Any]] = {}
        self._waiting: dict[Stream, asyncio.Event] = {}
        self._opened = asyncio.Event()  # also set when all attempts have ended
        self._output = asyncio.Event()
        self.websocket: Any = None  # the present one
        self._task: asyncio.Task[None] | None = None
        self._timers: set[asyncio.TimerHandle] = set()

    async def open(self) -> None:
        """Connect and log in. Each address is tried once, unless the connection was open before.

        :raises ConnectionFailed: no address can be reached, or the engine refused the connection or the login
        """
        if self._task is None or self._task.done():
            self._opened.clear()
            self.session.connecting()
            self._task = asyncio.create_task(self._run(), name="salt-live")
        await self._opened.wait()
        if self.session.failure is not None and self.session.refused:
            raise self.session.failure.with_traceback(None)

    async def close(self) -> None:
        """Close the websocket, and end all requests and streams."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        self.session.disconnected()
        self.session.refuse(ConnectionFailed("the client is closed"))
        self._dispatch()
        self.session.state = State.OUT

    async def request(self, message: dict[str, Any]) -> Any:
        """Send a request and return its result.

        If this is canceled before the request was sent, it is not sent.

        :raises SaltLiveError: an error of the engine, ``Unknown``, or no connection
        """
        try:
            return await self._request(message)
        except (UnknownType, BadMessage) as error:
            raise await features.explained(error, message, self._describe) from None

    async def _request(self, message: dict[str, Any]) -> Any:
        await self.open()
        number = self.session.request(message)
        future = self._futures[number] = asyncio.get_running_loop().create_future()
        self._output.set()
        try:
            return await future
        finally:
            self._futures.pop(number, None)
            self.session.requests.forget(number)

    async def add(self, stream: Stream) -> None:
        """Subscribe a stream, and return when the engine has confirmed it.

        :raises SaltLiveError: the engine refused the subscription, or no connection
        """
        await self.open()
        self._waiting[stream] = asyncio.Event()
        self.session.add(stream)
        self._output.set()
        try:
            while not stream.confirmed:
                await self.changed(stream)
        except (UnknownType, BadMessage) as error:
            self.remove(stream)
            raise await features.explained(error, {"type": "subscribe", **stream.message}, self._describe) from None
        except BaseException:
            self.remove(stream)
            raise

    async def _describe(self) -> Any:
        return await self._request({"type": "describe"})

    def remove(self, stream: Stream) -> None:
        """End a stream."""
        self._waiting.pop(stream, None)
        self.session.subscriptions.remove(stream)
        self._output.set()

    async def changed(self, stream: Stream) -> None:
        """Wait until a stream has changed.

        :raises SaltLiveError: the stream has ended
        """
        if stream.error is not None:
            raise stream.error
        event = self._waiting.get(stream)
        if event is None:
            raise ConnectionFailed("the stream is closed")
        await event.wait()
        event.clear()

    def flush(self) -> None:
        """Send what the session has to send."""
        self._output.set()

    # The task

    async def _run(self) -> None:
        failures = 0
        while not self.session.refused:
            address = self._backoff.address
            self.session.connecting()
            try:
                code, reason = await self._connected(address)
                failure: ConnectionFailed = self.session.failure or ConnectionFailed(
                    f"the connection to {address} was lost (code {code}{f', {reason}' if reason else ''})", code
                )
            except (OSError, SaltLiveError, asyncio.TimeoutError) as error:
                code, reason, failure = 1006, "", failure_of(address, error, OPEN_SECONDS)
            self.session.disconnected(code, reason)
            failures += 1
            tried = failures >= len(self._addresses)
            if tried and not self.session.connections and not self.session.refused:
                self.session.refuse(failure)
            if self.session.connections:
                self._opened.set()
            self._dispatch()
            if self.session.refused:
                break
            wait = self._backoff.failed(requested_seconds(reason) if code == 1012 else None)
            if self.session.connections:
                log.warning("%s; trying again in %.1f s", failure, wait)
                await asyncio.sleep(wait)
        self._opened.set()

    async def _connected(self, address: str) -> tuple[int, str]:
        """Serve one websocket until it ends; return the close code and the reason."""
        from websockets.asyncio.client import connect
        from websockets.exceptions import ConnectionClosed, InvalidHandshake
        from websockets.typing import Subprotocol

        options: dict[str, Any] = {"ssl": self._tls} if self._tls is not None and address.startswith("wss:") else {}
        try:
            websocket = await connect(
                address,
                subprotocols=[Subprotocol(SUBPROTOCOL)],
                user_agent_header=f"salt-live/{__version__}",
                compression=None,
                open_timeout=OPEN_SECONDS,
                close_timeout=CLOSE_SECONDS,
                max_size=MAX_MESSAGE_BYTES,
                **options,
            )
        except InvalidHandshake as error:
            raise ConnectionFailed(f"cannot connect to {address}: {error}") from error
        self.websocket = websocket
        writing = asyncio.create_task(self._write(websocket))
        try:
            self.session.connected(address)
            self._output.set()
            async for text in websocket:
                self.session.receive(text)
                self._after_message()
                if self.session.failure is not None:
                    break
        except ConnectionClosed:
            pass
        finally:
            await websocket.close()
            writing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await writing
        return websocket.close_code or 1006, websocket.close_reason or ""

    async def _write(self, websocket: Any) -> None:
        from websockets.exceptions import ConnectionClosed

        with contextlib.suppress(ConnectionClosed):
            while True:
                await self._output.wait()
                self._output.clear()
                for text in self.session.take_output():
                    await websocket.send(text)

    def _after_message(self) -> None:
        if self.session.state is State.OPEN and not self._opened.is_set():
            self._opened.set()
        if self.session.state is State.OPEN:
            self._backoff.succeeded()
        self._output.set()
        self._dispatch()

    def _dispatch(self) -> None:
        """Pass on replies and changes."""
        for reply in self.session.requests.take_replies():
            future = self._futures.get(reply.number)
            if future is not None and not future.done():
                if reply.error is None:
                    future.set_result(reply.result)
                else:
                    future.set_exception(reply.error)
        for stream in self.session.subscriptions.take_changed():
            if stream in self._waiting:
                self._waiting[stream].set()
        for stream in self.session.subscriptions.take_retries():
            self._timers.add(asyncio.get_running_loop().call_later(RETRY_SECONDS, self._retry, stream))

    def _retry(self, stream: Stream) -> None:
        now = asyncio.get_running_loop().time()
        self._timers = {timer for timer in self._timers if not timer.cancelled() and timer.when() > now}
        self.session.resubscribe(stream)
        self._output.set()
