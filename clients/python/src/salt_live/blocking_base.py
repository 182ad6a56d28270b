"""What all parts of the blocking client share: the asyncio client, and the thread that it runs on."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from typing import Any, TypeVar

from salt_live.async_client import AsyncClient
from salt_live.models import Gap

T = TypeVar("T")


class BlockingBase:
    """An asyncio client on a thread of its own. It takes the arguments of ``AsyncClient``."""

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
        except KeyboardInterrupt:
            future.cancel()
            raise
        except concurrent.futures.TimeoutError:
            if future.done():  # the coroutine itself raised it
                raise
            future.cancel()
            raise TimeoutError from None  # in Python 3.10 the other one is none

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
    def address(self) -> str | None:
        """The address of the present or last connection; None before the first one."""
        return self._async.address

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
