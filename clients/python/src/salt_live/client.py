"""The blocking client: an asyncio client on a thread of its own."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from types import TracebackType
from typing import Any

from salt_live.blocking import BlockingMapping, BlockingMasterFunctions
from salt_live.blocking_events import BlockingEventVerbs
from salt_live.blocking_local import BlockingLocalVerbs
from salt_live.errors import Unknown
from salt_live.live import Masters


class Client(BlockingLocalVerbs, BlockingEventVerbs):
    """A client of an engine that blocks. It may be used from several threads.

    It takes the arguments of ``AsyncClient``, has its methods, and connects when it is entered or first used.
    ``on_gap`` and event handlers are called on other threads.
    """

    def __enter__(self) -> Client:
        self.connect()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _value: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self.close()

    @cached_property
    def runner(self) -> BlockingMasterFunctions:
        """The runners of the master."""
        return BlockingMasterFunctions(self, self._async.runner)

    @cached_property
    def wheel(self) -> BlockingMasterFunctions:
        """The wheel functions of the master."""
        return BlockingMasterFunctions(self, self._async.wheel)

    def look_up(self, unknown: Unknown) -> list[dict[str, Any]]:
        """Return what a command of unknown outcome has started: see ``AsyncClient.look_up``."""
        return self.run(self._async.look_up(unknown))

    def minions(
        self, *, connected: bool = False, grains: bool | Sequence[str] = False, master: Masters = None
    ) -> BlockingMapping:
        """Return a read-only mapping of minions by id, which changes as they do."""
        made = self._async.minions(connected=connected, grains=grains, master=master)
        return BlockingMapping(self, self.run(made))

    def jobs(self, *, limit: int = 10_000, master: Masters = None, short_targets: bool = False) -> BlockingMapping:
        """Return a read-only mapping of jobs by job id, which changes as they do."""
        made = self._async.jobs(limit=limit, master=master, short_targets=short_targets)
        return BlockingMapping(self, self.run(made))
