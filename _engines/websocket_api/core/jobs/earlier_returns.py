"""What minions of other masters returned before this start: only the history may have it, not the own job cache."""

from __future__ import annotations

import asyncio
import time

from ..events.event import Event
from ..events.history import History
from .registry import JobRegistry

SLICE_SECONDS = 0.005
"""Seconds of work after which other tasks run: the history may have thousands of returns."""


async def apply_earlier_returns(history: History, jobs: JobRegistry) -> None:
    """Apply the returns in the history to the restored jobs of other masters.

    A job cache that several masters share has them too: it is read later, and changes nothing then.

    :param history: may have events of other masters
    :param jobs: as they were restored from the last process or the journal
    """
    restored = jobs.restored()
    end = time.monotonic() + SLICE_SECONDS
    for entry in list(history.after(0)):
        if not isinstance(entry, Event) or entry.origin is None:
            continue
        if entry.topic.action == "ret" and entry.topic.jid in restored:
            data = entry.decoded()["data"]
            if isinstance(data, dict):
                jobs.apply(entry, data)
        if time.monotonic() >= end:
            await asyncio.sleep(0)
            end = time.monotonic() + SLICE_SECONDS
