"""Request channels to the master that are kept open.

A channel opened for each command costs more than half of its time (30 ms against 13 ms, measured). One channel is one
REQ socket and works in series, so there are a few, each used by one request at a time, round robin between users. A
wheel call is answered only when it has run; wheels have channels of their own, so that nothing waits behind them, and
so have long lists of minions, which take the master about a millisecond for each.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

import salt.channel.client
import salt.utils.network

from ..errors import ApiError, NotSent
from ..fair_share import Askers, FairTurns, Share, asker

log = logging.getLogger(__name__)

#: Seconds that a wheel call may take in all; key operations on many thousand keys are the slow ones.
WHEEL_SECONDS = 300.0
#: Wheel calls at once: each holds one of the master's worker threads for as long as it runs.
WHEEL_CHANNELS = 2
#: Minions from which on a list is long. The master deals requests to its workers in turn, busy or not: if long lists
#: kept several of them busy, everybody's requests would wait.
LONG_LIST = 100
#: Requests with long lists at once, one for each user.
LONG_LIST_CHANNELS = 2
#: Seconds between two looks whether the master lives while a wheel call runs.
WHEEL_PING_SECONDS = 30.0
#: Most channels opened at once for such a look.
MOST_PINGS = 16
#: Requests that may wait for a channel; one more is refused rather than served too late. Each user has a part of them.
LONGEST_QUEUE = 1000
#: Seconds that must be left for the answer: what cannot be waited for is not sent, so that it surely did not run.
LEAST_SECONDS = 1.0
#: Seconds by which Salt's own time-out comes after ours; until then 3007 keeps a task for each request given up.
SPARE_SECONDS = 5.0
#: Seconds after which Salt's transport has noticed that its request was given up (it polls every 0.3 s).
NOTICE_SECONDS = 0.5


class Channels:
    """The way to the master's request server.

    :param size: open channels for publishes and runners; the lower of it and the master's ``worker_threads`` counts
    :param seconds: how long an answer may take, from the moment of asking
    :param askers: who asks the master, in whatever way
    """

    def __init__(self, opts: dict[str, Any], size: int, seconds: float, askers: Askers | None = None) -> None:
        askers = askers or Askers(time.monotonic)
        self.seconds = seconds
        self.wheel_seconds = WHEEL_SECONDS
        # A copy: Salt's factory writes into the opts that it gets.
        self._opts = dict(opts)
        self._opts["master_uri"] = _master_uri(opts)
        self._workers = max(1, int(opts.get("worker_threads") or 1))
        self.publishes = _Lane(min(size, self._workers), askers)
        # What takes long leaves a place to the next user, who could not wait for its end.
        self.wheels = _Lane(WHEEL_CHANNELS, askers, spare=1)
        self.long_lists = _Lane(min(LONG_LIST_CHANNELS, self._workers), askers, spare=1)
        self._closed = False
        # Everything that was opened and not closed yet, and tasks that must not be collected while they run.
        self._open: set[Any] = set()
        self._tasks: set[asyncio.Task[Any]] = set()

    async def request(self, load: dict[str, Any], *, wheel: bool = False, seconds: float | None = None) -> Any:
        """The master's answer to ``load``, sent once and never again, for it may have run.

        A caller that is canceled loses only the answer, unless it still waited for its turn: then it is ``NotSent``.

        :param wheel: the answer comes when the call has run: wait for it up to :attr:`wheel_seconds`, as long as the
            master answers a ping in between
        :param seconds: in place of :attr:`seconds`
        :raises ApiError: ``master_unavailable`` without an answer (``details.sent`` tells whether the request may have
            run), ``timeout`` when a wheel call runs for too long, ``too_many`` when too many wait
        """
        if self._closed:
            raise ApiError("master_unavailable", "the engine is stopping; try again soon", {"sent": False})
        limit = self.seconds if seconds is None else seconds
        lane, share = self._lane(load, wheel), asker()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + limit
        try:
            entered = await lane.enter(share, limit)
        except asyncio.CancelledError:
            raise NotSent from None
        if entered is None:
            raise ApiError(
                "too_many", "too many requests are waiting for the master; try again later", {"limit": "channels"}
            )
        if entered and (self._closed or deadline - loop.time() < min(LEAST_SECONDS, limit / 4)):
            lane.leave(share)
            entered = False
        if not entered:
            raise ApiError("master_unavailable", "the master is too busy; try again later", {"sent": False})
        # From here the exchange owns the turn: it ends by itself, whether or not somebody still waits for it.
        exchange = self._spawn(self._exchange(lane, share, load, deadline, limit if wheel else None))
        return await asyncio.shield(exchange)

    def close(self) -> None:
        """Close every channel; whoever waits for an answer gets ``master_unavailable``."""
        self._closed = True
        for task in list(self._tasks):
            task.cancel()
        for lane in (self.publishes, self.wheels, self.long_lists):
            lane.idle.clear()
            lane.close()
        for channel in list(self._open):
            self._shut(channel)

    def _spawn(self, coroutine: Any) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(_look_at)
        return task

    def _lane(self, load: dict[str, Any], wheel: bool) -> _Lane:
        if wheel:
            return self.wheels
        tgt = load.get("tgt", "")
        named = len(tgt) if isinstance(tgt, list) else str(tgt).count(",")  # in a compound target behind L@
        return self.long_lists if named > LONG_LIST else self.publishes

    async def _exchange(
        self, lane: _Lane, share: Share, load: dict[str, Any], deadline: float, wheel: float | None
    ) -> Any:
        channel = lane.idle.pop() if lane.idle else self._new()
        answered = False
        try:
            answer = await self._ask(channel, load, deadline, wheel)
            answered = True
            return answer
        except asyncio.CancelledError:
            raise ApiError("master_unavailable", "the engine is stopping; try again soon", {"sent": True}) from None
        finally:
            if answered and not self._closed:
                lane.idle.append(channel)
            else:
                # An answer may still come: on this channel it would be taken for that of the next request.
                self._discard(channel)
            lane.leave(share)

    async def _ask(self, channel: Any, load: dict[str, Any], deadline: float, wheel: float | None) -> Any:
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
        except Exception as exc:  # noqa: BLE001 - SaltReqTimeoutError, ZMQError, StreamClosedError ...
            log.warning("a request to the master failed: %s", type(exc).__name__)
            raise _no_answer() from None
        finally:
            _give_up(sending)

    async def _wait_for_wheel(self, sending: asyncio.Future[Any], seconds: float, end: float) -> None:
        loop = asyncio.get_running_loop()
        pause = patience = seconds / 2  # a master that is gone is told within ``seconds``, the look at it included
        while True:
            await asyncio.wait({sending}, timeout=min(pause, end - loop.time()))
            if sending.done():
                return
            if loop.time() >= end:
                raise ApiError(
                    "timeout",
                    f"the wheel call runs for more than {self.wheel_seconds:g} s and may go on; look at its job later",
                )
            if not await self._alive(patience):
                return
            pause = max(seconds, WHEEL_PING_SECONDS)

    async def _alive(self, seconds: float) -> bool:
        """Whether the master answers a ping within ``seconds``.

        Salt deals requests to its workers in turn, busy or not (a ZeroMQ DEALER): a single ping may land behind the
        very call that is asked about. So there is one for each worker, and one answer is enough.
        """
        loop = asyncio.get_running_loop()
        channels = [self._new() for _ in range(min(self._workers, MOST_PINGS))]
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
        # Salt's own time-out makes its transport reconnect and log an error; ours comes first and closes the channel.
        # 3008 gives a coroutine, 3007 a future.
        sending: asyncio.Future[Any] = asyncio.ensure_future(
            channel.send(load, tries=1, timeout=seconds + SPARE_SECONDS)
        )
        return sending

    def _new(self) -> Any:
        channel = salt.channel.client.AsyncReqChannel.factory(
            self._opts, crypt="clear", master_uri=self._opts["master_uri"]
        )
        self._open.add(channel)
        return channel

    def _discard(self, channel: Any) -> None:
        if self._closed:
            self._shut(channel)
        else:
            self._spawn(self._shut_later(channel))

    async def _shut_later(self, channel: Any) -> None:
        # The transport is given time to notice that its request was given up. On 3007 noticing makes it connect again,
        # closed or not: what came back to life is closed once more, or its socket would stay open for ever.
        try:
            for _ in range(3):
                await asyncio.sleep(NOTICE_SECONDS)
                self._shut(channel)
                await asyncio.sleep(NOTICE_SECONDS)
                if getattr(channel.transport, "socket", None) is None:
                    return
        finally:
            self._shut(channel)

    def _shut(self, channel: Any) -> None:
        self._open.discard(channel)
        try:
            channel.transport.close()
            channel._closing = True
        except Exception:
            log.debug("closing a request channel failed", exc_info=True)


class _Lane(FairTurns):
    """Turns at open channels of one kind."""

    def __init__(self, size: int, askers: Askers, *, spare: int = 0) -> None:
        super().__init__(size, LONGEST_QUEUE, askers, spare=spare)
        # Kept channels that nobody uses; the one used last goes first, it is the surest to be alive.
        self.idle: list[Any] = []


def _give_up(sending: asyncio.Future[Any]) -> None:
    sending.add_done_callback(_look_at)
    # Canceling 3008's coroutine tells its transport. 3007's future leads nowhere; there closing the channel ends it.
    if isinstance(sending, asyncio.Task):
        sending.cancel()


def _look_at(future: asyncio.Future[Any]) -> None:
    """Take notice of how a request ended that nobody waits for any more, or asyncio complains in the log."""
    if not future.cancelled():
        future.exception()


def _no_answer() -> ApiError:
    return ApiError("master_unavailable", "the master does not answer; the request may still run", {"sent": True})


def _master_uri(opts: dict[str, Any]) -> str:
    interface = opts.get("interface") or "127.0.0.1"
    # Where the master listens everywhere, it is asked on loopback.
    interface = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(interface, interface)  # noqa: S104 - nothing is bound here
    return f"tcp://{salt.utils.network.ip_bracket(interface)}:{opts['ret_port']}"
