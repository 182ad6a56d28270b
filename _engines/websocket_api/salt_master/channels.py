"""Request channels to the master that stay open.

Opening a channel for each command takes more than half of its time (30 ms instead of 13 ms, measured). A channel is one
REQ socket, which handles one request at a time. So there are a few, and users get them round robin.

The master answers a wheel call only after it ran, so wheels have their own channels and delay nothing else. Long lists
of minions have their own channels too, because the master needs about 1 ms for each minion.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from typing import Any

import salt.channel.client
import salt.utils.network

from ..errors import ApiError, NotSent
from ..fair_share import FairTurns, RecentUsers, Share, current_share

log = logging.getLogger(__name__)

#: Seconds that a wheel call may take. Calls on many thousands of keys are the slow ones.
WHEEL_SECONDS = 300.0
#: Wheel calls at the same time. Each occupies one of the master's workers while it runs.
WHEEL_CHANNELS = 2
#: Lists of more minions than this are long. The master assigns requests to its workers in turn, even to busy ones. So
#: all requests would wait if long lists occupied several workers.
LONG_LIST = 100
#: Requests with long lists at the same time, one for each user.
LONG_LIST_CHANNELS = 2
#: Seconds between two pings of the master while a wheel call runs.
WHEEL_PING_SECONDS = 30.0
#: Maximum number of channels that one such check opens.
MAX_PINGS = 16
#: Requests that may wait for a channel, shared between users. Further ones are refused.
MAX_QUEUE = 1000
#: Seconds that must be left for the answer. With less the request is not sent: then it certainly did not run.
MIN_SECONDS = 1.0
#: Seconds by which Salt's time-out is later than ours. Until then 3007 keeps a task for each abandoned request.
SPARE_SECONDS = 5.0
#: Seconds after which Salt's transport has noticed an abandoned request. It polls every 0.3 s.
NOTICE_SECONDS = 0.5


class Channels:
    """Sends requests to the master's request server.

    :param size: number of channels for publishes and runners, limited to the master's ``worker_threads``
    :param seconds: maximum time from the call of :meth:`request` to the answer
    :param recent_users: the users with recent requests to the master
    """

    def __init__(
        self, opts: dict[str, Any], size: int, seconds: float, recent_users: RecentUsers | None = None
    ) -> None:
        recent_users = recent_users or RecentUsers(time.monotonic)
        self.seconds = seconds
        self.wheel_seconds = WHEEL_SECONDS
        # A copy, because Salt's factory changes its opts.
        self._opts = dict(opts)
        self._opts["master_uri"] = _master_uri(opts)
        self._workers = max(1, int(opts.get("worker_threads") or 1))
        self.publishes = _SerialQueue(min(size, self._workers), recent_users)
        # Slow requests of one user leave one channel free for the next user, who could not wait for their end.
        self.wheels = _SerialQueue(WHEEL_CHANNELS, recent_users, spare=1)
        self.long_lists = _SerialQueue(min(LONG_LIST_CHANNELS, self._workers), recent_users, spare=1)
        self._closed = False
        # All open channels, and the running tasks, which must not be garbage collected.
        self._open: set[Any] = set()
        self._tasks: set[asyncio.Task[Any]] = set()

    async def request(self, load: dict[str, Any], *, wheel: bool = False, seconds: float | None = None) -> Any:
        """Send a load to the master and return the answer. Never send it twice, because it may have run.

        Canceling the caller after the load was sent drops only the answer.

        :param wheel: wait up to :attr:`wheel_seconds`, while the master answers pings
        :param seconds: replaces :attr:`seconds`
        :raises NotSent: the caller was canceled before the load was sent
        :raises ApiError: ``master_unavailable`` without an answer (``details.sent`` is true if the load may have run);
            ``timeout`` if a wheel call takes too long; ``too_many`` if too many requests wait
        """
        if self._closed:
            raise ApiError("master_unavailable", "the engine is stopping; try again soon", {"sent": False})
        limit = self.seconds if seconds is None else seconds
        queue, share = self._queue_for(load, wheel), current_share()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + limit
        try:
            entered = await queue.enter(share, limit)
        except asyncio.CancelledError:
            raise NotSent from None
        if entered is None:
            raise ApiError(
                "too_many", "too many requests are waiting for the master; try again later", {"limit": "channels"}
            )
        if entered and (self._closed or deadline - loop.time() < min(MIN_SECONDS, limit / 4)):
            queue.leave(share)
            entered = False
        if not entered:
            raise ApiError("master_unavailable", "the master is too busy; try again later", {"sent": False})
        # From here the exchange owns the channel. It ends by itself, even if nobody waits for it.
        exchange = self._spawn(self._exchange(queue, share, load, deadline, limit if wheel else None))
        return await asyncio.shield(exchange)

    def close(self) -> None:
        """Close every channel. Requests that wait for an answer fail with ``master_unavailable``."""
        self._closed = True
        for task in list(self._tasks):
            task.cancel()
        for queue in (self.publishes, self.wheels, self.long_lists):
            queue.idle.clear()
            queue.close()
        for channel in list(self._open):
            self._close_channel(channel)

    def _spawn(self, coroutine: Any) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(_retrieve_exception)
        return task

    def _queue_for(self, load: dict[str, Any], wheel: bool) -> _SerialQueue:
        if wheel:
            return self.wheels
        tgt = load.get("tgt", "")
        named = len(tgt) if isinstance(tgt, list) else str(tgt).count(",")  # a compound target has lists after L@
        return self.long_lists if named > LONG_LIST else self.publishes

    async def _exchange(
        self, queue: _SerialQueue, share: Share, load: dict[str, Any], deadline: float, wheel: float | None
    ) -> Any:
        channel, answered = None, False
        try:
            channel = queue.idle.pop() if queue.idle else self._open_channel()
            answer = await self._wait_for_answer(channel, load, deadline, wheel)
            answered = True
            return answer
        except asyncio.CancelledError:
            raise ApiError("master_unavailable", "the engine is stopping; try again soon", {"sent": True}) from None
        finally:
            if answered and not self._closed:
                queue.idle.append(channel)
            elif channel is not None:
                # A late answer on this channel would look like the answer to the next request.
                self._discard(channel)
            queue.leave(share)

    async def _wait_for_answer(self, channel: Any, load: dict[str, Any], deadline: float, wheel: float | None) -> Any:
        loop = asyncio.get_running_loop()
        total = self.wheel_seconds if wheel is not None else deadline - loop.time()
        sending = self._send(channel, load, total)
        try:
            if wheel is None:
                await asyncio.wait({sending}, timeout=deadline - loop.time())
            else:
                await self._wait_for_wheel(sending, wheel, loop.time() + total)
            if not sending.done():
                raise _no_answer()
            return sending.result()
        except (ApiError, asyncio.CancelledError):
            raise
        except Exception as error:  # noqa: BLE001 - SaltReqTimeoutError, ZMQError, StreamClosedError ...
            log.warning("a request to the master failed: %s", type(error).__name__)
            raise _no_answer() from None
        finally:
            _give_up(sending)

    async def _wait_for_wheel(self, sending: asyncio.Future[Any], seconds: float, end: float) -> None:
        loop = asyncio.get_running_loop()
        pause = patience = seconds / 2  # a dead master is reported within ``seconds``, the ping included
        while True:
            await asyncio.wait({sending}, timeout=min(pause, end - loop.time()))
            if sending.done():
                return
            if loop.time() >= end:
                raise ApiError(
                    "timeout",
                    f"the wheel call runs for more than {self.wheel_seconds:g} s and may go on; look at its job later",
                    {"sent": True},
                )
            if not await self._alive(patience):
                return
            pause = max(seconds, WHEEL_PING_SECONDS)

    async def _alive(self, seconds: float) -> bool:
        """Return whether the master answers a ping within ``seconds``.

        Salt assigns requests to its workers in turn, even to busy ones (a ZeroMQ DEALER). A single ping could wait
        behind the wheel call itself. So each worker gets a ping, and one answer is enough.
        """
        loop = asyncio.get_running_loop()
        channels = [self._new() for _ in range(min(self._workers, MAX_PINGS))]
        pings = {self._send(channel, {"cmd": "ping"}, seconds) for channel in channels}
        end = loop.time() + seconds
        answered = False
        try:
            waiting = set(pings)
            while waiting and not answered and loop.time() < end:
                done, waiting = await asyncio.wait(waiting, timeout=end - loop.time(), return_when="FIRST_COMPLETED")
                answered = any(not ping.cancelled() and ping.exception() is None for ping in done)
        finally:
            for ping, channel in zip(pings, channels, strict=True):
                _give_up(ping)
                self._discard(channel)
        return answered

    @staticmethod
    def _send(channel: Any, load: dict[str, Any], seconds: float) -> asyncio.Future[Any]:
        # Salt's own time-out makes its transport reconnect and log an error, so ours is earlier and closes the channel.
        # 3008 returns a coroutine, 3007 a future.
        sending: asyncio.Future[Any] = asyncio.ensure_future(
            channel.send(load, tries=1, timeout=seconds + SPARE_SECONDS)
        )
        return sending

    def _open_channel(self) -> Any:
        """Return a new channel.

        :raises ApiError: ``master_unavailable`` if the system has no socket left
        """
        try:
            return self._new()
        except Exception as error:  # noqa: BLE001 - ZMQError, OSError ...
            log.warning("a request to the master failed: %s", type(error).__name__)
            raise ApiError(
                "master_unavailable", "cannot open a channel to the master; try again later", {"sent": False}
            ) from None

    def _new(self) -> Any:
        loop: Any = asyncio.get_running_loop()
        if getattr(loop, "_thread_id", None) is None:
            # uvloop has none: Salt would take this thread for another one, and close() would block it for 6 s.
            loop._thread_id = threading.get_ident()
        channel = salt.channel.client.AsyncReqChannel.factory(
            self._opts, crypt="clear", master_uri=self._opts["master_uri"]
        )
        self._open.add(channel)
        return channel

    def _discard(self, channel: Any) -> None:
        if self._closed:
            self._close_channel(channel)
        else:
            self._spawn(self._close_later(channel))

    async def _close_later(self, channel: Any) -> None:
        # The transport needs time to notice an abandoned request. On 3007 it then reconnects, even if closed: so close
        # it again, or its socket stays open forever.
        try:
            for _ in range(3):
                await asyncio.sleep(NOTICE_SECONDS)
                self._close_channel(channel)
                await asyncio.sleep(NOTICE_SECONDS)
                if getattr(channel.transport, "socket", None) is None:
                    return
        finally:
            self._close_channel(channel)

    def _close_channel(self, channel: Any) -> None:
        self._open.discard(channel)
        try:
            channel.transport.close()
            channel._closing = True
        except Exception:
            log.debug("closing a request channel failed", exc_info=True)


class _SerialQueue(FairTurns):
    """The open channels of one kind, and the requests that wait for one."""

    def __init__(self, size: int, recent_users: RecentUsers, *, spare: int = 0) -> None:
        super().__init__(size, MAX_QUEUE, recent_users, spare=spare)
        # The idle channel that was used last is reused first, because it is most likely alive.
        self.idle: list[Any] = []


def _give_up(sending: asyncio.Future[Any]) -> None:
    sending.add_done_callback(_retrieve_exception)
    # Canceling 3008's coroutine stops its transport. On 3007 only closing the channel ends the request.
    if isinstance(sending, asyncio.Task):
        sending.cancel()


def _retrieve_exception(future: asyncio.Future[Any]) -> None:
    """Read the result of an abandoned request; otherwise asyncio logs an error."""
    if not future.cancelled():
        future.exception()


def _no_answer() -> ApiError:
    return ApiError("master_unavailable", "the master does not answer; the request may still run", {"sent": True})


def _master_uri(opts: dict[str, Any]) -> str:
    interface = opts.get("interface") or "127.0.0.1"
    # A master that listens on all addresses is reached on loopback.
    interface = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(interface, interface)  # noqa: S104 - nothing is bound here
    return f"tcp://{salt.utils.network.ip_bracket(interface)}:{opts['ret_port']}"
