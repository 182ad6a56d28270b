"""The asyncio client."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from salt_live import live
from salt_live.errors import Unknown
from salt_live.event_verbs import EventVerbs
from salt_live.local_verbs import LocalVerbs
from salt_live.master import MasterFunctions


class AsyncClient(LocalVerbs, EventVerbs):
    """A client of an engine, for asyncio.

    It connects when it is entered or first used, and connects again when the connection is lost: requests that only
    read are sent again, subscriptions resume, and commands are never sent twice.

    :param url: such as ``wss://master:8000``, or several, which are tried in turn: of one master, or of masters that
        share a stream
    :param username: with ``password`` and ``eauth``: how to log in, also after the token has ended
    :param eauth: the backend that checks the password; the server's default if None
    :param token: an existing Salt token, instead of a name and a password
    :param ca: a file with the certificates of the authorities to trust
    :param insecure: trust any certificate
    :param on_gap: called with each gap in ``iter_events``, ``get_event`` and event handlers, which return data only
    """

    async def __aenter__(self) -> AsyncClient:
        await self.connect()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.close()

    @cached_property
    def runner(self) -> MasterFunctions:
        """The runners of the master."""
        return MasterFunctions(self, "runner")

    @cached_property
    def wheel(self) -> MasterFunctions:
        """The wheel functions of the master."""
        return MasterFunctions(self, "wheel")

    async def look_up(self, unknown: Unknown) -> list[dict[str, Any]]:
        """Return what a command of unknown outcome has started, as far as the engine knows.

        A job on minions is found by its request, so the list has at most one job. A runner, a wheel function and a
        batch have no such mark: the list has those of this user with the same function that started since then.
        """
        return await live.look_up(self, unknown)

    async def minions(
        self, *, connected: bool = False, grains: bool | Sequence[str] = False, master: live.Masters = None
    ) -> live.LiveMapping:
        """Return a read-only mapping of minions by id, which changes as they do (``messages.Minion``).

        :param connected: only those that are connected
        :param grains: True for all grains, or the names of some
        :param master: only those of this master, or of several, where masters share a stream
        """
        return await live.minions(self._connection, connected=connected, grains=grains, master=master)

    async def jobs(
        self, *, limit: int = 10_000, master: live.Masters = None, short_targets: bool = False
    ) -> live.LiveMapping:
        """Return a read-only mapping of jobs by job id, which changes as they do (``messages.JobSummary``).

        :param limit: how many of the newest are kept
        :param master: only those of this master, or of several, where there is more than one
        :param short_targets: only the beginning of long targets; an engine that does not know this sends whole ones
        """
        return await live.jobs(self._connection, limit, master, short_targets=short_targets)
