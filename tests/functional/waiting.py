"""Waiting for a condition inside a test's own loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

SECONDS = 10.0  # that what must come at once may take on a loaded machine


async def until(condition: Callable[[], object], seconds: float = SECONDS) -> None:
    """Return when ``condition()`` is true; raise TimeoutError when the deadline passes."""

    async def wait() -> None:
        while not condition():  # noqa: ASYNC110 - what is waited for sets no event
            await asyncio.sleep(0.001)

    await asyncio.wait_for(wait(), seconds)
