"""What the parts of batches share: the store and what was read from it, jobs, the master and the clocks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from ...tracing import Tracing
from ..jobs.registry import JobRegistry
from ..timing import Clock, Later
from .master import SaltMaster
from .reader import BatchReader, Store
from .registry import BatchRegistry
from .remote_cancel import RemoteCancel
from .remote_pause import RemotePause
from .result_memory import ResultMemory
from .writer import BatchWriter


@dataclass(frozen=True)
class BatchContext:
    """Passed to each part, which gets the parts that it calls as further arguments."""

    store: Store
    registry: BatchRegistry
    reader: BatchReader
    writer: BatchWriter
    remote: RemoteCancel
    remote_pause: RemotePause
    results: ResultMemory
    jobs: JobRegistry
    salt: SaltMaster
    later: Later
    clock: Clock
    """Seconds, monotonic."""
    wall: Clock
    """Seconds since the epoch."""
    sleep: Callable[[float], Awaitable[Any]]
    tracing: Tracing
