"""Batches: many requests to many minions, tracked as one, stored, and taken over when their master is gone.

:func:`build` connects the parts. Calls flow down; two kinds of listeners report changes upwards, and ``build`` adds
all of them, in the order in which they run.

How a batch runs: ``operations.batches.batch`` -> ``BatchWriter.create`` stores it -> ``BatchRunner.start`` chooses
requests -> ``BatchPublisher.send`` stores them as sent and publishes the job -> ``Returns.apply_job`` ends requests ->
``DrivenBatches.apply_change`` marks the change for the writer, calls the listeners, and sends the next requests.

How this master cancels a batch:

1. ``operations.batches.cancel_batch`` checks the user
2. ``BatchCanceler.cancel`` cancels what was not sent, and waits
3. ``BatchCanceler._stop_jobs`` goes through the jobs that run
4. ``BatchJobs.stop`` publishes ``saltutil.term_job``

If another master drives the batch, ``BatchCanceler.cancel`` writes a cancel request into the store (``RemoteCancel``).
The driver reads it within a second (``BatchCanceler.handle_remote``) and starts at step 2. A pause takes the same way
(``BatchPauser``, ``RemotePause``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from ...tracing import NoTracing, Tracing
from ..access.in_flight import JobsInFlight
from ..access.sessions import Sessions
from ..access.turns import Turns
from ..delivery.positions import Revisions
from ..events.history import History
from ..health import Part
from ..jobs.registry import JobRegistry
from ..timing import Later
from .canceler import BatchCanceler
from .context import BatchContext
from .driven import DrivenBatches
from .lookup import BatchLookup
from .maintenance import BatchMaintenance
from .master import SaltMaster
from .pauser import BatchPauser
from .publisher import BatchPublisher
from .reader import BatchReader, Store
from .recovery import JobRecovery
from .registry import BatchRegistry
from .remote_cancel import RemoteCancel
from .remote_pause import RemotePause
from .remover import BatchRemover
from .result_memory import ResultMemory
from .returns import Returns
from .runner import BatchRunner
from .subscriptions import BatchFeed
from .takeover import Takeover
from .writer import BatchWriter


@dataclass(frozen=True)
class Batches:
    """The parts of batches that operations, protocols and background tasks use."""

    registry: BatchRegistry
    lookup: BatchLookup
    feed: BatchFeed
    driven: DrivenBatches
    returns: Returns
    writer: BatchWriter
    runner: BatchRunner
    canceler: BatchCanceler
    pauser: BatchPauser
    maintenance: BatchMaintenance

    @property
    def master(self) -> str | None:
        """The own master's id, as batches have it; None without others."""
        return self.writer.master

    async def tick(self) -> None:
        """Do the work that needs no store; called every second."""
        self.canceler.retry()
        await self.runner.tick()

    async def stop(self) -> None:
        """Cancel all tasks, then write all changes for the next run."""
        self.canceler.close()
        await self.driven.wait_closed()
        await self.writer.close()


def build(
    *,
    store: Store,
    salt: SaltMaster,
    jobs: JobRegistry,
    sessions: Sessions,
    history: History,
    in_flight: JobsInFlight,
    turns: Turns,
    revisions: Revisions,
    run: str,
    keep_seconds: float,
    master: str | None = None,
    max_result_bytes: int | None = None,
    later: Later,
    clock: Callable[[], float],
    wall: Callable[[], float],
    sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
    tracing: Tracing | None = None,
    health: Part | None = None,
) -> Batches:
    """Create the parts of batches and connect them.

    :param in_flight: slots for the jobs of batches
    :param revisions: numbers the changes
    :param run: names this run of the engine
    :param keep_seconds: how long batches that have ended are kept
    :param master: the own master's id, where there may be others; None without others
    :param max_result_bytes: the maximum memory of the results of one user's batches; None for no limit
    :param later: ``later(seconds, call)``
    :param clock: seconds, monotonic
    :param wall: seconds since the epoch
    :param tracing: records the jobs of batches
    :param health: the state of the store
    """
    registry = BatchRegistry()
    reader = BatchReader(store, registry)
    writer = BatchWriter(store=store, registry=registry, reader=reader, clock=clock, master=master)
    results = ResultMemory(registry, max_result_bytes)
    context = BatchContext(
        store=store,
        registry=registry,
        reader=reader,
        writer=writer,
        remote=RemoteCancel(store),
        remote_pause=RemotePause(store),
        results=results,
        jobs=jobs,
        salt=salt,
        later=later,
        clock=clock,
        wall=wall,
        sleep=sleep,
        tracing=tracing or NoTracing(),
    )
    lookup = BatchLookup(registry, reader, results)
    feed = BatchFeed(
        registry=registry,
        lookup=lookup,
        history=history,
        later=later,
        clock=clock,
        turns=turns,
        revisions=revisions,
    )
    driven = DrivenBatches(context)
    returns = Returns(context, driven=driven)
    recovery = JobRecovery(context, returns=returns, driven=driven)
    publisher = BatchPublisher(context, sessions=sessions, returns=returns, recovery=recovery, driven=driven)
    runner = BatchRunner(context, driven=driven, publisher=publisher, recovery=recovery, in_flight=in_flight)
    remover = BatchRemover(context, keep_seconds=keep_seconds)
    canceler = BatchCanceler(context, remover=remover, recovery=recovery, driven=driven)
    pauser = BatchPauser(context, driven=driven)
    takeover = Takeover(context, runner=runner)
    maintenance = BatchMaintenance(
        context,
        remover=remover,
        canceler=canceler,
        pauser=pauser,
        takeover=takeover,
        run=run,
        health=health or Part("store"),
    )
    # The listeners, in the order in which they run. Other protocols may add theirs to the registry, behind the feed.
    registry.on_change(feed.apply_change)
    jobs.on_change(returns.apply_job)
    jobs.needed_by(returns.awaits)
    sessions.on_end(runner.end_session)
    writer.on_lost(driven.drop)
    driven.on_drop(returns.forget)
    driven.on_drop(canceler.forget)
    return Batches(registry, lookup, feed, driven, returns, writer, runner, canceler, pauser, maintenance)
