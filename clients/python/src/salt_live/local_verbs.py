"""LocalClient's verbs, and following what they start."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping, Sequence
from contextlib import aclosing
from typing import Any

from salt_live import live, local
from salt_live.client_base import ClientBase, Target
from salt_live.error_codes import TooLarge
from salt_live.models import BatchProgress, Progress
from salt_live.streams_of_changes import BatchStream, JobStream


class LocalVerbs(ClientBase):
    """LocalClient's verbs for asyncio."""

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
        self,
        jid: str,
        minions: str | Iterable[str] = (),
        timeout: float | None = None,
        tgt: Target = "*",
        tgt_type: str = "glob",
        expect_minions: bool = False,
        block: bool = True,
        **kwargs: Any,
    ) -> AsyncIterator[dict[str, dict[str, Any]]]:
        """Yield the returns of a job as ``cmd_iter`` does, those that have arrived first.

        ``tgt``, ``tgt_type``, ``block`` and others are ignored: the engine knows the minions of the job.

        :param minions: only these; by default all
        """
        del tgt, tgt_type, block, kwargs
        wanted = {minions} if isinstance(minions, str) else set(minions)
        async for progress in self.follow(jid, timeout=timeout, short_targets=True):
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

    async def follow(
        self, jid: str, *, timeout: float | None = None, without_return: bool = False, short_targets: bool = False
    ) -> AsyncGenerator[Progress, None]:
        """Yield the progress of a job until it has ended, also across lost connections.

        A slow reader gets fewer objects, each with all changes since the last one.

        :param timeout: seconds without news after which it stops; by default it never does
        :param without_return: leave out what the minions returned
        :param short_targets: only the beginning of a long target, which saves its bytes in each message; an engine that
            does not know this sends the whole one
        """
        stream = JobStream(jid, without_return=without_return, short_targets=short_targets)
        async for progress in self._read(stream, timeout):
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
        name: str | None = None,
    ) -> dict[str, Any]:
        """Create a batch and return it (``messages.Batch``): ``follow_batch`` shows its progress.

        :param batch: its items, such as ``{"fun": "service.restart", "arg": ["nginx"], "tgt": "web-*"}``
        :param concurrency: how many requests run at once; 0: no limit
        :param on_error: ``continue`` or ``stop``
        :param timeout: seconds after which it ends
        :param name: its name, for people
        """
        fields = {"batch": list(batch), "concurrency": concurrency, "on_error": on_error, "timeout": timeout}
        if name is not None:  # engines of earlier releases do not know the field
            fields["name"] = name
        created: dict[str, Any] = await self.request("batch", **fields)
        return created

    async def follow_batch(self, batch: int, *, timeout: float | None = None) -> AsyncIterator[BatchProgress]:
        """Yield the progress of a batch until it has ended, also across lost connections."""
        async for progress in self._read(BatchStream(batch), timeout):
            yield progress
            if progress.ended:
                return

    async def get_job(self, jid: str) -> dict[str, Any]:
        """Return a job with the parts of its minions (``messages.Job``).

        If one answer cannot hold it, it is read in parts.
        """
        try:
            job: dict[str, Any] = await self.request("get_job", jid=jid)
        except TooLarge:
            async with aclosing(self.follow(jid)) as news:
                first = await anext(news)
            job = {**first.job, "minions": first.minions}
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
