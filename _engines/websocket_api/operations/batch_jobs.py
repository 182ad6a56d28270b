"""The Salt master for batches: jobs in an owner's name, each with a line in the audit log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from ..core.access.session import Session
from ..core.batches.request import Call
from ..core.jobs.job import Job
from ..core.subscriptions.job_watcher import JobWatcher
from ..errors import ApiError
from .audit import audit
from .batch_items import with_progress
from .services import Commands, JobCache
from .stored_jobs import from_store


class MarkedJobs(JobCache, Protocol):
    """A job cache that finds jobs by their metadata."""

    async def marked(self, metadata: Mapping[str, Any], at: float) -> str | None:
        """Return the id of the job that has these metadata and was published at about this time."""
        ...


class BatchJobs:
    """Publishes, stops and finds jobs for batches (core/batches/master.py)."""

    def __init__(self, commands: Commands, store: MarkedJobs, watcher: JobWatcher) -> None:
        self._commands = commands
        self._store = store
        self._watcher = watcher

    async def publish(
        self, session: Session, call: Call, minions: list[str], metadata: dict[str, Any]
    ) -> Mapping[str, Any]:
        """Start a job with the owner's token; return ``{jid, minions, missing}``.

        :raises ApiError: Salt's answer; for ``master_unavailable``, ``details.sent`` says whether it may run
        """
        audited = {"fun": call.fun, "tgt": minions, "batch": metadata["batch"]}
        outcome = "internal"
        try:
            started = await self._commands.publish(
                session.token,
                session.user,
                call.fun,
                call.arg,
                with_progress(call),
                minions,
                "list",
                {"metadata": metadata},
            )
            outcome, audited["jid"] = "ok", started["jid"]
            return started
        except ApiError as error:
            outcome = error.code
            raise
        finally:
            audit(session, "engine", "batch", outcome, audited)

    async def stop(self, job: Job, minions: list[str]) -> None:
        """Stop a job on these minions with the master's own key, as the operation ``cancel`` does for an owner."""
        try:
            published = await self._commands.publish_as_master("saltutil.term_job", [job.jid], {}, minions)
        except ApiError as error:
            if error.code != "no_minions":
                raise
            return  # no minion is left that could run it
        self._watcher.watch_cancel(published["jid"], job.jid)

    async def job(self, jid: str) -> Job | None:
        """Return a job from the job cache."""
        stored = await self._store.job(jid)
        return None if stored is None else from_store(jid, stored)

    async def marked(self, metadata: Mapping[str, Any], at: float) -> str | None:
        """Return the id of the job that has these metadata and was published at about this time."""
        return await self._store.marked(metadata, at)
