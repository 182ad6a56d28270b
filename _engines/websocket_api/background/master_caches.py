"""Reads what the master keeps: keys, grains and the job cache."""

from __future__ import annotations

from ..core.jobs.earlier_returns import apply_earlier_returns
from ..core.jobs.job import Job
from ..operations.stored_jobs import apply_cancels, from_store
from ..wiring import Parts

RECENT_JOBS = 200  # jobs read from the job cache at the start, and after a loss of the bus


class MasterCaches:
    """Reads the master's caches into the registries."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._services = parts.services

    async def read_changes(self) -> None:
        """Read keys and grains that may have changed.

        :raises ApiError: ``master_unavailable``; then they are read again next time
        """
        minions = self._services.minions
        if minions.keys_stale:
            await self.read_keys()
        if minions.stale:
            stale = sorted(minions.stale)
            minions.stale.clear()
            try:
                minions.read_grains(await self._parts.master.minions.grains(stale))
            except Exception:
                minions.stale.update(stale)  # read them again next time
                raise
            self._parts.targets.invalidate()  # pillar may have changed too

    async def read_keys(self) -> None:
        """Read the state of all keys.

        :raises ApiError: ``master_unavailable``
        """
        minions = self._services.minions
        before = set(minions.all())
        store = self._parts.master.minions
        minions.read_keys(
            await store.keys(), await store.syndics() if minions.has_syndics else (), await store.resources()
        )
        minions.stale |= set(minions.all()) - before

    async def read_recent_jobs(self) -> None:
        """Register jobs from before this start. Jobs that the bus reported in the meantime are newer and stay."""
        jobs = self._services.jobs
        await apply_earlier_returns(self._services.history, jobs)
        cancels: list[Job] = []  # newer than the jobs that they canceled, so they are read first
        recent = {str(load["jid"]) for load in await self._parts.master.job_cache.recent(RECENT_JOBS)}
        for jid in sorted(recent | jobs.restored(), reverse=True):
            known = jobs.get(jid)
            if known is None or known.restored:
                stored = await self._parts.master.job_cache.job(jid)
                if stored is not None:
                    job = from_store(jid, stored)
                    apply_cancels(job, cancels)
                    cancels += [job] if job.cancels else []
                    jobs.add_cached(job)
                elif known is not None:
                    known.restored = False
