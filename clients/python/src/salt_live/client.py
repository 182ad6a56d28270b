"""The blocking client: an asyncio client on a thread of its own."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, TypeVar

from salt_live.async_client import AsyncClient, Target
from salt_live.blocking import BlockingEvents, BlockingMapping, BlockingMasterFunctions
from salt_live.errors import Unknown
from salt_live.models import BatchProgress, Event, Gap, Position, Progress
from salt_live.streams import MAX_BYTES, MAX_EVENTS

T = TypeVar("T")


class Client:
    """A client of an engine that blocks. It may be used from several threads.

    It takes the arguments of ``AsyncClient``, has its methods, and connects when it is entered or first used.
    ``on_gap`` and event handlers are called on other threads.
    """

    def __init__(
        self,
        url: str | Sequence[str] = "ws://127.0.0.1:8000",
        *,
        username: str | None = None,
        password: str | None = None,
        eauth: str | None = None,
        token: str | None = None,
        ca: str | None = None,
        insecure: bool = False,
        on_gap: Callable[[Gap], None] | None = None,
    ) -> None:
        self._async = AsyncClient(
            url,
            username=username,
            password=password,
            eauth=eauth,
            token=token,
            ca=ca,
            insecure=insecure,
            on_gap=on_gap,
        )
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self.runner = BlockingMasterFunctions(self, self._async.runner)
        self.wheel = BlockingMasterFunctions(self, self._async.wheel)

    def __enter__(self) -> Client:
        self.connect()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _value: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self.close()

    # The thread

    def run(self, coroutine: Coroutine[Any, Any, T], timeout: float | None = None) -> T:
        """Run a coroutine on the client's thread and return its result. An interrupt cancels it."""
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._loop.run_forever, name="salt-live", daemon=True)
                self._thread.start()
            if threading.current_thread() is self._thread:
                coroutine.close()
                raise RuntimeError("the blocking client cannot be used on its own thread")
            future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result(timeout)
        except (KeyboardInterrupt, concurrent.futures.TimeoutError):
            future.cancel()
            raise

    def iterate(self, items: AsyncIterator[T]) -> Iterator[T]:
        """Yield what an asynchronous iterator yields, and close it at the end."""

        async def following() -> tuple[bool, Any]:
            try:
                return True, await items.__anext__()
            except StopAsyncIteration:
                return False, None

        async def close() -> None:
            closing = getattr(items, "aclose", None)
            if closing is not None:
                await closing()

        try:
            while True:
                more, item = self.run(following())
                if not more:
                    return
                yield item
        finally:
            if self._loop is not None:
                self.run(close())

    def connect(self) -> None:
        """Connect and log in.

        :raises LoginFailed: the engine refused the login
        :raises ConnectionFailed: no address can be reached
        """
        self.run(self._async.connect())

    def close(self) -> None:
        """Close the connection, end all requests and streams, and end the thread. The token stays valid."""
        if self._loop is None:
            return
        self.run(self._async.close())
        with self._lock:
            loop, thread, self._loop, self._thread = self._loop, self._thread, None, None
        loop.call_soon_threadsafe(loop.stop)
        if thread is not None:
            thread.join()
        loop.close()

    def logout(self) -> None:
        """Revoke the token, and close the connection."""
        self.run(self._async.logout())
        self.close()

    @property
    def state(self) -> str:
        """``out``, ``connecting``, ``open``, ``waiting`` (for the next attempt) or ``refused``."""
        return self._async.state

    @property
    def token(self) -> str | None:
        """The present token. It is secret."""
        return self._async.token

    @property
    def login(self) -> dict[str, Any]:
        """The result of the last login (``messages.AuthResult``)."""
        return self._async.login

    def request(self, type: str, /, **fields: Any) -> Any:
        """Send one of the engine's requests and return its result: see ``AsyncClient.request``."""
        return self.run(self._async.request(type, **fields))

    def look_up(self, unknown: Unknown) -> list[dict[str, Any]]:
        """Return what a command of unknown outcome has started: see ``AsyncClient.look_up``."""
        return self.run(self._async.look_up(unknown))

    # LocalClient's verbs

    def run_job(
        self,
        tgt: Target,
        fun: str,
        arg: Sequence[Any] = (),
        tgt_type: str = "glob",
        ret: str = "",
        timeout: float | None = None,
        jid: str = "",
        kwarg: Mapping[str, Any] | None = None,
        listen: bool = False,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """Start a job and return ``{"jid": ..., "minions": [...]}``: see ``AsyncClient.run_job``."""
        return self.run(self._async.run_job(tgt, fun, arg, tgt_type, ret, timeout, jid, kwarg, listen, **kwargs))

    def cmd_async(
        self,
        tgt: Target,
        fun: str,
        arg: Sequence[Any] = (),
        tgt_type: str = "glob",
        ret: str = "",
        jid: str = "",
        kwarg: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> str:
        """Start a job and return its id."""
        return self.run(self._async.cmd_async(tgt, fun, arg, tgt_type, ret, jid, kwarg, **kwargs))

    def cmd(
        self,
        tgt: Target,
        fun: str,
        arg: Sequence[Any] = (),
        timeout: float | None = None,
        tgt_type: str = "glob",
        ret: str = "",
        jid: str = "",
        full_return: bool = False,
        kwarg: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """Run a function on minions, and return their returns by minion id: see ``AsyncClient.cmd``."""
        return self.run(self._async.cmd(tgt, fun, arg, timeout, tgt_type, ret, jid, full_return, kwarg, **kwargs))

    def cmd_iter(
        self,
        tgt: Target,
        fun: str,
        arg: Sequence[Any] = (),
        timeout: float | None = None,
        tgt_type: str = "glob",
        ret: str = "",
        kwarg: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> Iterator[dict[str, dict[str, Any]]]:
        """Run a function on minions, and yield each return as it comes: see ``AsyncClient.cmd_iter``."""
        return self.iterate(self._async.cmd_iter(tgt, fun, arg, timeout, tgt_type, ret, kwarg, **kwargs))

    def get_iter_returns(
        self, jid: str, minions: Iterable[str] = (), timeout: float | None = None, expect_minions: bool = False
    ) -> Iterator[dict[str, dict[str, Any]]]:
        """Yield the returns of a job as ``cmd_iter`` does, those that have arrived first."""
        return self.iterate(self._async.get_iter_returns(jid, minions, timeout, expect_minions))

    def cmd_batch(
        self,
        tgt: Target,
        fun: str,
        arg: Sequence[Any] = (),
        tgt_type: str = "glob",
        ret: str = "",
        kwarg: Mapping[str, Any] | None = None,
        batch: str | int = "10%",
        **kwargs: Any,
    ) -> Iterator[dict[str, Any]]:
        """Run a function on some minions at a time: see ``AsyncClient.cmd_batch``."""
        return self.iterate(self._async.cmd_batch(tgt, fun, arg, tgt_type, ret, kwarg, batch, **kwargs))

    # Jobs, batches, minions

    def follow(self, jid: str, *, timeout: float | None = None, without_return: bool = False) -> Iterator[Progress]:
        """Yield the progress of a job until it has ended: see ``AsyncClient.follow``."""
        return self.iterate(self._async.follow(jid, timeout=timeout, without_return=without_return))

    def batch(
        self,
        batch: Sequence[Mapping[str, Any]],
        *,
        concurrency: int = 0,
        on_error: str = "continue",
        timeout: int | None = None,
    ) -> dict[str, Any]:
        """Create a batch and return it: see ``AsyncClient.batch``."""
        return self.run(self._async.batch(batch, concurrency=concurrency, on_error=on_error, timeout=timeout))

    def follow_batch(self, batch: int, *, timeout: float | None = None) -> Iterator[BatchProgress]:
        """Yield the progress of a batch until it has ended."""
        return self.iterate(self._async.follow_batch(batch, timeout=timeout))

    def get_job(self, jid: str) -> dict[str, Any]:
        """Return a job with the parts of its minions."""
        return self.run(self._async.get_job(jid))

    def list_jobs(self, **filters: Any) -> list[dict[str, Any]]:
        """Return jobs without their minions, newest first: see ``AsyncClient.list_jobs``."""
        return self.run(self._async.list_jobs(**filters))

    def cancel(self, jid: str, signal: str = "term") -> dict[str, Any]:
        """Stop a job on its minions."""
        return self.run(self._async.cancel(jid, signal))

    def match(self, tgt: Target, tgt_type: str = "glob", fun: str = "test.ping") -> list[str]:
        """Return the ids of the minions that a target matches, and on which the user may run ``fun``."""
        return self.run(self._async.match(tgt, tgt_type, fun))

    def minions(self, *, connected: bool = False, grains: bool | Sequence[str] = False) -> BlockingMapping:
        """Return a read-only mapping of minions by id, which changes as they do."""
        return BlockingMapping(self, self.run(self._async.minions(connected=connected, grains=grains)))

    def jobs(self, *, limit: int = 10_000) -> BlockingMapping:
        """Return a read-only mapping of jobs by job id, which changes as they do."""
        return BlockingMapping(self, self.run(self._async.jobs(limit=limit)))

    # Events

    def events(
        self,
        tag: str | Sequence[str] = "",
        match_type: str | None = None,
        *,
        since: Position | None = None,
        max_events: int = MAX_EVENTS,
        max_bytes: int = MAX_BYTES,
        **filters: Any,
    ) -> BlockingEvents:
        """Subscribe to events and return their stream of ``Event`` and ``Gap``: see ``AsyncClient.events``."""
        opening = self._async.events(
            tag, match_type, since=since, max_events=max_events, max_bytes=max_bytes, **filters
        )
        return BlockingEvents(self, self.run(opening))

    # SaltEvent's verbs

    def get_event(
        self,
        wait: float = 5,
        tag: str = "",
        full: bool = False,
        match_type: str | None = None,
        no_block: bool = False,
        auto_reconnect: bool = False,
    ) -> Any:
        """Return the data of the next event whose tag matches, or None: see ``AsyncClient.get_event``."""
        return self.run(self._async.get_event(wait, tag, full, match_type, no_block, auto_reconnect))

    def iter_events(
        self, tag: str = "", full: bool = False, match_type: str | None = None, auto_reconnect: bool = False
    ) -> Iterator[Any]:
        """Yield the data of each event whose tag matches, forever."""
        while True:
            found = self.get_event(0, tag, full, match_type, False, auto_reconnect)
            if found is not None:
                yield found

    def subscribe(self, tag: str | None = None, match_type: str | None = None) -> None:
        """Keep events whose tag matches for later calls of ``get_event``, when another one reads past them."""
        self.run(self._async.subscribe(tag, match_type))

    def unsubscribe(self, tag: str | None, match_type: str | None = None) -> None:
        """Undo ``subscribe``: drop the events that were kept for it."""
        self.run(self._async.unsubscribe(tag, match_type))

    def set_event_handler(self, event_handler: Callable[[Event], None]) -> None:
        """Call a function with each event from now on, one after the other, on a thread for handlers.

        The function may use this client.
        """

        async def handle(event: Event) -> None:
            await asyncio.get_running_loop().run_in_executor(None, event_handler, event)

        self.run(self._async.set_event_handler(handle))

    def fire_event(self, data: Mapping[str, Any], tag: str, timeout: float = 1000) -> bool:
        """Fire an event on the master's bus: see ``AsyncClient.fire_event``."""
        return self.run(self._async.fire_event(data, tag, timeout))

    def fire_master(self, data: Mapping[str, Any], tag: str, timeout: float = 1000) -> bool:
        """Do the same as ``fire_event``: the bus is the master's."""
        return self.run(self._async.fire_master(data, tag, timeout))
