"""Turns are given in the order of asking, and none is lost."""

from __future__ import annotations

import asyncio

import pytest
from websocket_api.master.lane import Lane


async def test_who_asks_first_gets_the_next_turn() -> None:
    """A busy client must not starve the others."""
    lane, order = Lane(1), []
    assert await lane.enter(1)

    async def ask(name: int) -> None:
        assert await lane.enter(5)
        order.append(name)
        lane.leave()

    asking = [asyncio.ensure_future(ask(name)) for name in range(5)]
    await asyncio.sleep(0)
    lane.leave()
    await asyncio.gather(*asking)
    assert order == [0, 1, 2, 3, 4]
    assert lane.out == 0


async def test_a_turn_that_does_not_come_in_time_is_given_up() -> None:
    """And the place in the line with it."""
    lane = Lane(1)
    assert await lane.enter(1)
    assert not await lane.enter(0.01)
    assert not lane.waiting
    lane.leave()
    assert await lane.enter(0)


@pytest.mark.parametrize("given", [False, True])
async def test_a_canceled_asker_passes_its_turn_on(given: bool) -> None:
    """Also when the turn and the cancellation come in the same moment."""
    lane = Lane(1)
    assert await lane.enter(1)
    canceled = asyncio.ensure_future(lane.enter(5))
    patient = asyncio.ensure_future(lane.enter(5))
    await asyncio.sleep(0)
    if given:
        lane.leave()
    canceled.cancel()
    with pytest.raises(asyncio.CancelledError):
        await canceled
    if not given:
        lane.leave()
    assert await asyncio.wait_for(patient, 1)
    lane.leave()
    assert lane.out == 0
