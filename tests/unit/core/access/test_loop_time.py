"""Work is charged to its user without changing what the work sees."""

from __future__ import annotations

import asyncio

import pytest
from websocket_api.core.access.loop_time import LoopTime
from websocket_api.fair_share import Share

from tests.unit.core.support import Time

ANN, BOB = Share("ann", "pam"), Share("bob", "pam")


async def test_a_cancellation_reaches_the_work() -> None:
    """It can clean up, as without the account."""
    seen: list[str] = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            seen.append("canceled")
            raise

    task = asyncio.ensure_future(LoopTime(Time()).charged(ANN, work()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert seen == ["canceled"]


async def test_the_work_can_handle_an_error_that_it_waited_for() -> None:
    """It goes on, and its result is returned."""
    future = asyncio.get_running_loop().create_future()

    async def work() -> str:
        try:
            await future
        except ValueError:
            await asyncio.sleep(0)
        return "done"

    task = asyncio.ensure_future(LoopTime(Time()).charged(ANN, work()))
    await asyncio.sleep(0)
    future.set_exception(ValueError("no"))
    assert await task == "done"


async def test_only_the_steps_are_charged() -> None:
    """Waiting is free, however long it takes; a step that fails is charged too."""
    time = Time()
    account = LoopTime(time)
    account.note(BOB)

    async def work(seconds: float) -> None:
        await asyncio.sleep(0)
        time.now += seconds
        raise RuntimeError

    async def wait() -> None:
        await asyncio.sleep(0)

    task = asyncio.ensure_future(account.charged(ANN, wait()))
    await asyncio.sleep(0)
    time.now += 1
    account.note(BOB)
    await task
    assert account.may_run(ANN)
    with pytest.raises(RuntimeError):
        await account.charged(ANN, work(0.4))
    account.note(BOB)
    assert not account.may_run(ANN)
