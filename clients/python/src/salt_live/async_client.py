"""The asyncio client."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any

from salt_live import live, local
from salt_live.connection import Connection
from salt_live.errors import Unknown
from salt_live.event_bus import EventBus
from salt_live.events import EventStreamReader
from salt_live.master import MasterFunctions
from salt_live.models import BatchProgress, Event, Gap, Position, Progress
from salt_live.session import Credentials, Session
from salt_live.streams import MAX_BYTES, MAX_EVENTS, BatchStream, EventStream, JobStream
from salt_live.wire import address

Target = str | Sequence[str]

FIRE_SECONDS = 10.0  # at least, for an event on its way to a far engine


def tls_context(ca: str | None = None, insecure: bool = False) -> ssl.SSLContext | None:
    """Return a context that trusts the authorities in the file ``ca``, or any certificate; None is Python's default."""
    if insecure:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context
    return ssl.create_default_context(cafile=ca) if ca else None


class AsyncClient:
    """A client of an engine, for asyncio.

    It connects when it is entered or first used, and connects again when the connection is lost: requests that only
    read are sent again, subscriptions resume, and commands are never sent twice.

    :param url: such as ``wss://master:8000``, or several of engines that serve the same master: tried in turn
    :param username: with ``password`` and ``eauth``: how to log in, also after the token has ended
    :param eauth: the backend that checks the password; the server's default if None
    :param token: an existing Salt token, instead of a name and a password
    :param ca: a file with the certificates of the authorities to trust
    :param insecure: trust any certificate
    :param on_gap: called with each gap in ``iter_events``, ``get_event`` and event handlers, which return data only
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
        if not (token or (username and password)):
            raise TypeError("pass a token, or a username and a password")
        addresses = [address(item) for item in ([url] if isinstance(url, str) else url)]
        self.session = Session(Credentials(username, password, eauth, token))
        self._connection = Connection(self.session, addresses, tls_context(ca, insecure))
        self._bus = EventBus(self._connection, on_gap)
        self.runner = MasterFunctions(self, "runner")
        self.wheel = MasterFunctions(self, "wheel")

    async def __aenter__(self) -> AsyncClient:
        await self.connect()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.close()

    async def connect(self) -> None:
        """Connect and log in.

        :raises LoginFailed: the engine refused the login
        :raises ConnectionFailed: no address can be reached
        """
        await self._connection.open()

    async def close(self) -> None:
        """Close the connection, and end all requests and streams. The token stays valid."""
        await self._bus.close()
        await self._connection.close()

    async def logout(self) -> None:
        """Revoke the token, and close the connection."""
        await self.request("logout")
        await self.close()

    @property
    def state(self) -> str:
        """``out``, ``connecting``, ``open``, ``waiting`` (for the next attempt) or ``refused``."""
        return self.session.state.value

    @property
    def token(self) -> str | None:
        """The present token. It is secret."""
        return self.session.credentials.token

    @property
    def login(self) -> dict[str, Any]:
        """The result of the last login (``messages.AuthResult``)."""
        return self.session.login

    async def request(self, type: str, /, **fields: Any) -> Any:
        """Send one of the engine's requests, and return its result.

        :param type: the operation, such as ``get_job``; the docs of the engine describe all
        :raises ApiError: the engine answered with an error
        :raises Unknown: a command whose reply was lost; requests that only read are sent again instead
        """
        return await self._connection.request({"type": type, **fields})

    async def look_up(self, unknown: Unknown) -> list[dict[str, Any]]:
        """Return what a command of unknown outcome has started, as far as the engine knows.

        A job on minions is found by its request, so the list has at most one job. A runner, a wheel function and a
        batch have no such mark: the list has those of this user with the same function that started since then.
        """
        return await live.look_up(self, unknown)

    # LocalClient's verbs

    async def run_job(
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
        """Start a job and return ``{"jid": ..., "minions": [...]}``.

        :param kwargs: ``metadata``, ``progress``, ``delimiter``, ``parse`` and ``token`` of the message ``cmd``
        """
        if jid:
            raise TypeError("the engine chooses the job id: leave out jid")
        del timeout, listen  # they do not change how a job starts
        started: dict[str, Any] = await self._connection.request(
            local.command(tgt, fun, arg, tgt_type, ret, kwarg, kwargs)
        )
        return started

    async def cmd_async(
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
        return str((await self.run_job(tgt, fun, arg, tgt_type, ret, None, jid, kwarg, **kwargs))["jid"])

    async def cmd(
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
        """Run a function on minions, and return their returns by minion id: False for a minion without a return.

        :param timeout: seconds to wait since the last news of the job; by default until the job has ended
        :param full_return: whether each return is an object with ``ret``, ``retcode``, ``success``, ``jid`` and ``out``
        """
        found: dict[str, Any] = {}
        started = await self.run_job(tgt, fun, arg, tgt_type, ret, timeout, jid, kwarg, **kwargs)
        async for returned in self.get_iter_returns(started["jid"], timeout=timeout, expect_minions=True):
            for minion, part in returned.items():
                found[minion] = False if part.get("failed") is True else part if full_return else part["ret"]
        return {**dict.fromkeys(started["minions"], False), **found}

    async def cmd_iter(
        self,
        tgt: Target,
        fun: str,
        arg: Sequence[Any] = (),
        timeout: float | None = None,
        tgt_type: str = "glob",
        ret: str = "",
        kwarg: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[dict[str, dict[str, Any]]]:
        """Run a function on minions, and yield ``{minion: {"ret": ..., "retcode": ...}}`` for each return as it comes.

        :param kwargs: ``expect_minions=True`` also yields ``{minion: {"failed": True}}`` for minions without a return,
            and ``yield_pub_data=True`` yields the result of ``run_job`` first
        """
        expect_minions, first = kwargs.pop("expect_minions", False), kwargs.pop("yield_pub_data", False)
        started = await self.run_job(tgt, fun, arg, tgt_type, ret, timeout, "", kwarg, **kwargs)
        if first:
            yield started
        async for returned in self.get_iter_returns(started["jid"], timeout=timeout, expect_minions=expect_minions):
            yield returned

    async def get_iter_returns(
        self, jid: str, minions: Iterable[str] = (), timeout: float | None = None, expect_minions: bool = False
    ) -> AsyncIterator[dict[str, dict[str, Any]]]:
        """Yield the returns of a job as ``cmd_iter`` does, those that have arrived first.

        :param minions: only these; by default all
        """
        wanted = set(minions)
        async for progress in self.follow(jid, timeout=timeout):
            for minion, part in progress.minions.items():
                if wanted and minion not in wanted:
                    continue
                if part["state"] in ("returned", "failed"):
                    yield {minion: local.returned(jid, part)}
                elif expect_minions and part["state"] in local.ENDED:
                    yield {minion: {"failed": True}}

    async def cmd_batch(
        self,
        tgt: Target,
        fun: str,
        arg: Sequence[Any] = (),
        tgt_type: str = "glob",
        ret: str = "",
        kwarg: Mapping[str, Any] | None = None,
        batch: str | int = "10%",
        **kwargs: Any,
    ) -> AsyncIterator[dict[str, Any]]:
        """Run a function on some minions at a time, and yield ``{minion: return}`` as they come.

        :param batch: how many minions at a time: a number, or a part such as ``10%``
        :param kwargs: ``failhard=True`` stops after the first failure; ``raw=True`` yields requests of the batch
        """
        async for item in live.cmd_batch(self, tgt, fun, arg, tgt_type, ret, kwarg, batch, **kwargs):
            yield item

    # Jobs, batches, minions

    async def follow(
        self, jid: str, *, timeout: float | None = None, without_return: bool = False
    ) -> AsyncIterator[Progress]:
        """Yield the progress of a job until it has ended, also across lost connections.

        A slow reader gets fewer objects, each with all changes since the last one.

        :param timeout: seconds without news after which it stops; by default it never does
        """
        async for progress in self._read(JobStream(jid, without_return=without_return), timeout):
            yield progress
            if progress.ended:
                return

    async def batch(
        self,
        batch: Sequence[Mapping[str, Any]],
        *,
        concurrency: int = 0,
        on_error: str = "continue",
        timeout: int | None = None,
    ) -> dict[str, Any]:
        """Create a batch and return it (``messages.Batch``): ``follow_batch`` shows its progress.

        :param batch: its items, such as ``{"fun": "service.restart", "arg": ["nginx"], "tgt": "web-*"}``
        :param concurrency: how many requests run at once; 0: no limit
        :param on_error: ``continue`` or ``stop``
        :param timeout: seconds after which it ends
        """
        fields = {"batch": list(batch), "concurrency": concurrency, "on_error": on_error, "timeout": timeout}
        created: dict[str, Any] = await self.request("batch", **fields)
        return created

    async def follow_batch(self, batch: int, *, timeout: float | None = None) -> AsyncIterator[BatchProgress]:
        """Yield the progress of a batch until it has ended, also across lost connections."""
        async for progress in self._read(BatchStream(batch), timeout):
            yield progress
            if progress.ended:
                return

    async def get_job(self, jid: str) -> dict[str, Any]:
        """Return a job with the parts of its minions (``messages.Job``)."""
        job: dict[str, Any] = await self.request("get_job", jid=jid)
        return job

    async def list_jobs(self, **filters: Any) -> list[dict[str, Any]]:
        """Return jobs without their minions, newest first.

        :param filters: ``fun``, ``user``, ``state``, ``kind``, ``metadata``, ``since``, ``before``, ``limit``
        """
        jobs: list[dict[str, Any]] = await self.request("list_jobs", **filters)
        return jobs

    async def cancel(self, jid: str, signal: str = "term") -> dict[str, Any]:
        """Stop a job on its minions, and return the job id and the minions.

        :param signal: ``term`` or ``kill``
        """
        canceled: dict[str, Any] = await self.request("cancel", jid=jid, signal=signal)
        return canceled

    async def match(self, tgt: Target, tgt_type: str = "glob", fun: str = "test.ping") -> list[str]:
        """Return the ids of the minions that a target matches, and on which the user may run ``fun``."""
        fields: dict[str, Any] = {"tgt": tgt if isinstance(tgt, str) else list(tgt), "fun": fun}
        if isinstance(tgt, str) or tgt_type != "glob":
            fields["tgt_type"] = tgt_type
        ids: list[str] = await self.request("match", **fields)
        return ids

    async def minions(self, *, connected: bool = False, grains: bool | Sequence[str] = False) -> live.LiveMapping:
        """Return a read-only mapping of minions by id, which changes as they do (``messages.Minion``).

        :param connected: only those that are connected
        :param grains: True for all grains, or the names of some
        """
        return await live.minions(self._connection, connected=connected, grains=grains)

    async def jobs(self, *, limit: int = 10_000) -> live.LiveMapping:
        """Return a read-only mapping of jobs by job id, which changes as they do (``messages.JobSummary``).

        :param limit: how many of the newest are kept
        """
        return await live.jobs(self._connection, limit)

    # Events

    async def events(
        self,
        tag: str | Sequence[str] = "",
        match_type: str | None = None,
        *,
        since: Position | None = None,
        max_events: int = MAX_EVENTS,
        max_bytes: int = MAX_BYTES,
        **filters: Any,
    ) -> EventStreamReader:
        """Subscribe to events, and return their stream: iterate over it to get ``Event`` and ``Gap`` objects.

        :param tag: what tags are compared with, on the server; several in a list
        :param match_type: ``startswith`` (the default), ``endswith``, ``find``, ``fnmatch`` or ``regex``
        :param since: start after this position, if the history still has it
        :param max_events: how many events wait for a slow reader, in memory here; then the subscription pauses
        :param max_bytes: the same in bytes of JSON
        :param filters: ``minions``, ``fun``, ``jid`` and ``without_return`` of the message ``subscribe``
        """
        fields = {**filters, **({"tag": tag if isinstance(tag, str) else list(tag)} if tag else {})}
        if match_type is not None:
            fields["match_type"] = match_type
        stream = EventStream(fields, since, max_events=max_events, max_bytes=max_bytes)
        await self._connection.add(stream)
        return EventStreamReader(self._connection, stream)

    # SaltEvent's verbs

    async def get_event(
        self,
        wait: float = 5,
        tag: str = "",
        full: bool = False,
        match_type: str | None = None,
        no_block: bool = False,
        auto_reconnect: bool = False,
    ) -> Any:
        """Return the data of the next event whose tag matches; None if none arrived in time.

        Other events are dropped, except those that ``subscribe`` keeps. Events count from the first call of
        ``get_event`` or ``subscribe``.

        :param wait: seconds to wait; 0 waits forever
        :param full: whether to return ``{"tag": ..., "data": ...}``
        :param no_block: return only an event that has already arrived
        """
        return await self._bus.get_event(wait, tag, full, match_type, no_block)

    async def iter_events(
        self, tag: str = "", full: bool = False, match_type: str | None = None, auto_reconnect: bool = False
    ) -> AsyncIterator[Any]:
        """Yield the data of each event whose tag matches, forever."""
        while True:
            found = await self._bus.get_event(0, tag, full, match_type, False)
            if found is not None:
                yield found

    async def subscribe(self, tag: str | None = None, match_type: str | None = None) -> None:
        """Keep events whose tag matches for later calls of ``get_event``, when another one reads past them."""
        await self._bus.subscribe(tag, match_type)

    async def unsubscribe(self, tag: str | None, match_type: str | None = None) -> None:
        """Undo ``subscribe``: drop the events that were kept for it."""
        self._bus.unsubscribe(tag, match_type)

    async def set_event_handler(self, event_handler: Callable[[Event], Awaitable[None] | None]) -> None:
        """Call a function, or await a coroutine function, with each event from now on."""
        await self._bus.set_handler(event_handler)

    async def fire_event(self, data: Mapping[str, Any], tag: str, timeout: float = 1000) -> bool:
        """Fire an event on the master's bus.

        :param timeout: milliseconds to wait, as for SaltEvent, but at least ten seconds
        :return: whether the engine has answered
        :raises ValueError: the data is no dict
        """
        if not isinstance(data, Mapping):
            raise ValueError(f"Dict object expected, not '{data}'.")
        try:
            return bool(
                await asyncio.wait_for(
                    self.request("event", tag=tag, body=dict(data)), max(timeout / 1000, FIRE_SECONDS)
                )
            )
        except asyncio.TimeoutError:
            return False

    async def fire_master(self, data: Mapping[str, Any], tag: str, timeout: float = 1000) -> bool:
        """Do the same as ``fire_event``: the bus is the master's."""
        return await self.fire_event(data, tag, timeout)

    async def _read(self, stream: Any, timeout: float | None) -> AsyncIterator[Any]:
        """Yield what a stream has, as it comes."""
        await self._connection.add(stream)
        try:
            while True:
                while (item := stream.pop()) is not None:
                    yield item
                try:
                    await asyncio.wait_for(self._connection.changed(stream), timeout)
                except asyncio.TimeoutError:
                    return
        finally:
            self._connection.remove(stream)
