"""Ctrl-C while a job runs: once detaches, twice asks whether to terminate the job."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, TypeVar

from salt_live.cli.login import prompt

SECOND_SECONDS = 1.5  # how long a second Ctrl-C is waited for
TICK_SECONDS = 0.25  # how often the bar is drawn
Item = TypeVar("Item")


class Detached(Exception):
    """The user left. The message says how to come back."""


class Interrupts:
    """Counts Ctrl-C, without breaking what is in work."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    @contextlib.contextmanager
    def caught(self) -> Iterator[Interrupts]:
        """Catch Ctrl-C inside this block."""
        loop = asyncio.get_running_loop()
        try:
            loop.add_signal_handler(signal.SIGINT, self._event.set)
        except (NotImplementedError, RuntimeError, ValueError):  # Windows, or not the main thread
            yield self
            return
        try:
            yield self
        finally:
            loop.remove_signal_handler(signal.SIGINT)

    async def watch(self, items: AsyncIterator[Item], tick: Callable[[], None]) -> AsyncIterator[Item]:
        """Yield items as they come; call `tick` between them, also when none comes. Ctrl-C ends it.

        :raises Detached: after Ctrl-C
        """
        stop = asyncio.ensure_future(self._event.wait())
        following: asyncio.Future[Any] = asyncio.ensure_future(_next(items))
        try:
            while True:
                await asyncio.wait({stop, following}, timeout=TICK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
                if stop.done():
                    raise Detached
                if following.done():
                    try:
                        item = following.result()
                    except StopAsyncIteration:
                        return
                    following = asyncio.ensure_future(_next(items))
                    yield item
                tick()
        finally:
            for task in (stop, following):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError, StopAsyncIteration, Exception):
                    await task

    async def second(self) -> bool:
        """Return whether another Ctrl-C arrives soon. Without a terminal nobody is waited for."""
        if not sys.stdin.isatty():
            return False
        self._event.clear()
        try:
            await asyncio.wait_for(self._event.wait(), SECOND_SECONDS)
        except asyncio.TimeoutError:
            return False
        return True


async def _next(items: AsyncIterator[Item]) -> Item:
    return await items.__anext__()


def confirmed(question: str) -> bool:
    """Ask a question whose usual answer is no."""
    try:
        return prompt(f"{question} [y/N] ").lower().startswith("y")
    except (EOFError, KeyboardInterrupt):
        return False
