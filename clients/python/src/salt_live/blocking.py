"""What the blocking client returns in place of asyncio objects."""

from __future__ import annotations

from collections.abc import Coroutine, Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from salt_live.events import EventStreamReader
from salt_live.live import LiveMapping
from salt_live.master import MasterFunctions
from salt_live.models import Event, Gap, Position

T = TypeVar("T")


class _Runner(Protocol):
    def run(self, coroutine: Coroutine[Any, Any, T], timeout: float | None = None) -> T: ...


class BlockingEvents:
    """A stream of ``Event`` and ``Gap`` objects. Iterate over it, and close it or use it as a context manager."""

    def __init__(self, client: _Runner, reader: EventStreamReader) -> None:
        self._client = client
        self._reader = reader

    def __enter__(self) -> BlockingEvents:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[Event | Gap]:
        """Yield events and gaps in order, until the stream is closed."""
        while True:
            yield from self._client.run(self._some())

    async def _some(self) -> list[Event | Gap]:
        """Return all that have arrived, at least one."""
        found = []
        item = await self._reader.get()
        while item is not None:
            found.append(item)
            item = self._reader.pop() if len(found) < MAX_AT_ONCE else None
        return found

    def get(self, timeout: float | None = None) -> Event | Gap | None:
        """Return the next event or gap; None if none arrived within ``timeout`` seconds."""
        return self._client.run(self._reader.get(timeout))

    @property
    def position(self) -> Position | None:
        """The position of the newest event that has arrived: ``since`` of a later stream continues there."""
        return self._reader.position

    @property
    def waiting(self) -> int:
        """How many events have arrived and were not read."""
        return self._reader.waiting

    @property
    def pauses(self) -> int:
        """How often the reader was too slow, so that the subscription had to pause."""
        return self._reader.pauses

    def close(self) -> None:
        """End the subscription."""
        self._client.run(self._reader.close())


MAX_AT_ONCE = 256  # events that one call to the client's thread returns


class BlockingMapping(Mapping[str, "dict[str, Any]"]):
    """A read-only mapping that changes as the server's data do: see ``LiveMapping``."""

    def __init__(self, client: _Runner, mapping: LiveMapping) -> None:
        self._client = client
        self._mapping = mapping

    def __getitem__(self, key: str) -> dict[str, Any]:
        return self._mapping[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._mapping)

    def __len__(self) -> int:
        return len(self._mapping)

    def __enter__(self) -> BlockingMapping:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    @property
    def version(self) -> int:
        """A number that grows with each change."""
        return self._mapping.version

    @property
    def live(self) -> bool:
        """Whether it shows the present."""
        return self._mapping.live

    def changed(self, version: int | None = None, timeout: float | None = None) -> int:
        """Wait until the mapping is newer than ``version``, by default than now; return the new version.

        :raises TimeoutError: it did not change within ``timeout`` seconds
        """
        return self._client.run(self._mapping.changed(version), timeout)

    def close(self) -> None:
        """Stop to follow changes; the content stays."""

        async def close() -> None:
            await self._mapping.close()

        self._client.run(close())


class BlockingMasterFunctions:
    """``client.runner`` and ``client.wheel``: functions that run on the master."""

    def __init__(self, client: _Runner, functions: MasterFunctions) -> None:
        self._client = client
        self._functions = functions

    def cmd(
        self,
        fun: str,
        arg: Sequence[Any] | None = None,
        pub_data: Mapping[str, Any] | None = None,
        kwarg: Mapping[str, Any] | None = None,
        print_event: bool = True,
        full_return: bool = False,
        timeout: float | None = None,
    ) -> Any:
        """Run a function, wait until it has ended, and return its return: see ``MasterFunctions.cmd``."""
        return self._client.run(self._functions.cmd(fun, arg, pub_data, kwarg, print_event, full_return, timeout))

    def cmd_async(
        self, fun: str, arg: Sequence[Any] | None = None, kwarg: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Start a function and return ``{"jid": ..., "tag": ...}``."""
        return self._client.run(self._functions.cmd_async(fun, arg, kwarg))
