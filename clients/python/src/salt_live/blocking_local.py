"""LocalClient's verbs for the blocking client, and following what they start."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from salt_live.blocking_base import BlockingBase
from salt_live.client_base import Target
from salt_live.models import BatchProgress, Progress


class BlockingLocalVerbs(BlockingBase):
    """LocalClient's verbs, blocking."""

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
        self,
        jid: str,
        minions: str | Iterable[str] = (),
        timeout: float | None = None,
        tgt: Target = "*",
        tgt_type: str = "glob",
        expect_minions: bool = False,
        block: bool = True,
        **kwargs: Any,
    ) -> Iterator[dict[str, dict[str, Any]]]:
        """Yield the returns of a job as ``cmd_iter`` does: see ``AsyncClient.get_iter_returns``."""
        return self.iterate(
            self._async.get_iter_returns(jid, minions, timeout, tgt, tgt_type, expect_minions, block, **kwargs)
        )

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

    def follow(
        self, jid: str, *, timeout: float | None = None, without_return: bool = False, short_targets: bool = False
    ) -> Iterator[Progress]:
        """Yield the progress of a job until it has ended: see ``AsyncClient.follow``."""
        made = self._async.follow(jid, timeout=timeout, without_return=without_return, short_targets=short_targets)
        return self.iterate(made)

    def batch(
        self,
        batch: Sequence[Mapping[str, Any]],
        *,
        concurrency: int = 0,
        on_error: str = "continue",
        timeout: int | None = None,
        name: str | None = None,
    ) -> dict[str, Any]:
        """Create a batch and return it: see ``AsyncClient.batch``."""
        return self.run(
            self._async.batch(batch, concurrency=concurrency, on_error=on_error, timeout=timeout, name=name)
        )

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
