"""The Salt master as batches need it; operations/batch_jobs.py implements it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from ..access.session import Session
from ..jobs.job import Job
from .request import Call


class SaltMaster(Protocol):
    """Publishes, stops and finds jobs."""

    async def publish(
        self, session: Session, call: Call, minions: list[str], metadata: dict[str, Any]
    ) -> Mapping[str, Any]:
        """Start a job with the owner's token; return ``{jid, minions, missing}``.

        :raises NotSent: canceled before the master received it
        """
        ...

    async def stop(self, job: Job, minions: list[str]) -> None:
        """Stop a job on these minions, on behalf of its owner."""
        ...

    async def job(self, jid: str) -> Job | None:
        """Return a job from the job cache."""
        ...

    async def marked(self, metadata: Mapping[str, Any], at: float) -> str | None:
        """Return the id of the job that has these metadata and was published at about this time."""
        ...
