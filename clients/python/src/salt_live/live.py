"""Live mappings, batches with LocalClient's arguments, and the look-up of commands of unknown outcome."""

from __future__ import annotations

import datetime
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any, Protocol

from salt_live import local
from salt_live.connection import Connection
from salt_live.errors import Unknown
from salt_live.streams_of_changes import TableStream

INLINE_RETURN = frozenset({"jid", "bytes", "message"})
"""The keys of a batch request's result in place of a return that is too large: the job has it."""


class _Client(Protocol):
    async def request(self, type: str, /, **fields: Any) -> Any: ...
    async def match(self, tgt: Any, tgt_type: str = ..., fun: str = ...) -> list[str]: ...
    async def batch(self, batch: Any, *, concurrency: int = ..., on_error: str = ..., timeout: Any = ...) -> Any: ...
    def follow_batch(self, batch: int, *, timeout: float | None = None) -> Any: ...
    async def get_job(self, jid: str) -> dict[str, Any]: ...
    async def list_jobs(self, **filters: Any) -> list[dict[str, Any]]: ...


class LiveMapping(Mapping[str, "dict[str, Any]"]):
    """A read-only mapping that changes as the server's data do. Close it, or use it as a context manager.

    While the connection is lost it keeps its last content; the next connection replaces that.
    """

    def __init__(self, connection: Connection, stream: TableStream) -> None:
        self._connection = connection
        self._stream = stream

    def __getitem__(self, key: str) -> dict[str, Any]:
        return self._stream.data[key]

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._stream.data))

    def __len__(self) -> int:
        return len(self._stream.data)

    @property
    def version(self) -> int:
        """A number that grows with each change."""
        return self._stream.version

    @property
    def live(self) -> bool:
        """Whether it shows the present: false while the connection is lost, and until its new snapshot is complete."""
        return self._stream.live

    async def changed(self, version: int | None = None) -> int:
        """Wait until the mapping is newer than ``version``, by default than now; return the new version.

        :raises SaltLiveError: it was closed, or the subscription ended
        """
        seen = self._stream.version if version is None else version
        while self._stream.version <= seen:
            await self._connection.changed(self._stream)
        return self._stream.version

    async def __aenter__(self) -> LiveMapping:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Stop to follow changes; the content stays."""
        self._connection.remove(self._stream)


Masters = str | Sequence[str] | None
"""The id of a master, or several; None for all."""


async def minions(
    connection: Connection, *, connected: bool, grains: bool | Sequence[str], master: Masters = None
) -> LiveMapping:
    """Return the mapping of minions when its snapshot is complete."""
    wanted = grains if isinstance(grains, bool) else list(grains)
    fields = {"subscription": "minions", "connected": connected, "grains": wanted, **_only(master)}
    return await _opened(connection, TableStream(fields, lambda frame: dict(frame["minions"])))


async def jobs(
    connection: Connection, limit: int, master: Masters = None, *, short_targets: bool = False
) -> LiveMapping:
    """Return the mapping of jobs when its snapshot is complete."""
    fields = {"subscription": "job", "jid": "*", "without_return": True, **_only(master)}
    if short_targets:  # engines of earlier releases do not know the field
        fields["short_targets"] = True
    return await _opened(connection, TableStream(fields, lambda frame: {frame["jid"]: frame["job"]}, max_rows=limit))


def _only(master: Masters) -> dict[str, Any]:
    return {} if master is None else {"master": master if isinstance(master, str) else list(master)}


async def _opened(connection: Connection, stream: TableStream) -> LiveMapping:
    mapping = LiveMapping(connection, stream)
    await connection.add(stream)
    while not stream.live:
        await connection.changed(stream)
    return mapping


async def cmd_batch(
    client: _Client,
    tgt: str | Sequence[str],
    fun: str,
    arg: Sequence[Any],
    tgt_type: str,
    ret: str,
    kwarg: Mapping[str, Any] | None,
    batch: str | int,
    *,
    failhard: bool = False,
    raw: bool = False,
    timeout: float | None = None,
) -> AsyncIterator[dict[str, Any]]:
    """Run a batch of one item and yield each return: see ``AsyncClient.cmd_batch``."""
    if ret:
        raise TypeError("a batch has no returners: leave out ret")
    matched = len(await client.match(tgt, tgt_type, fun)) if "%" in str(batch) else 0
    item: dict[str, Any] = {"fun": fun, "tgt": tgt if isinstance(tgt, str) else list(tgt)}
    item |= {"arg": [arg] if isinstance(arg, str) else list(arg), "kwarg": dict(kwarg or {})}
    if isinstance(tgt, str) or tgt_type != "glob":
        item["tgt_type"] = tgt_type
    size, on_error = local.batch_size(batch, matched), "stop" if failhard else "continue"
    created = await client.batch([item], concurrency=size, on_error=on_error)
    async for progress in client.follow_batch(created["id"], timeout=timeout):
        for request in progress.requests:
            if request["status"] in ("resolved", "error", "timeout", "canceled"):
                yield {request["minion"]: request if raw else await _return(client, request)}


async def _return(client: _Client, request: dict[str, Any]) -> Any:
    """Return the return of a batch request: False without one, as LocalClient has it."""
    result = request["result"]
    if request["retcode"] is None and request["status"] != "resolved":
        return False
    if isinstance(result, dict) and set(result) == INLINE_RETURN and result["jid"] == request["jid"]:
        job = await client.get_job(request["jid"])
        return job["minions"].get(request["minion"], {}).get("return")
    return result


async def look_up(client: _Client, unknown: Unknown) -> list[dict[str, Any]]:
    """Return what a command has started: see ``AsyncClient.look_up``."""
    request = unknown.request
    kind = request.get("type")
    if kind == "cmd" and (mark := (request.get("metadata") or {}).get(local.REQUEST)):
        return await client.list_jobs(metadata={local.REQUEST: mark})
    if kind in ("cmd", "runner", "wheel"):
        fun, since = request.get("fun") or request.get("method"), _jid_at(unknown.sent_at)
        user = (await client.request("whoami"))["user"]
        return await client.list_jobs(fun=fun, user=user, kind="job" if kind == "cmd" else kind, since=since)
    if kind == "batch":
        batches: list[dict[str, Any]] = await client.request("list_batches")
        user = (await client.request("whoami"))["user"]
        return [
            batch for batch in batches if batch["user"] == user and _time(batch["created_at"]) >= unknown.sent_at - 1
        ]
    return []


def _jid_at(seconds: float) -> str:
    """Return the job id of a second before a time, with a clock that may differ by as much."""
    return datetime.datetime.fromtimestamp(seconds - 1, datetime.timezone.utc).strftime("%Y%m%d%H%M%S%f")


def _time(text: str | None) -> float:
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() if text else 0.0
