"""Many connections whose clients do not read are written to or closed a few at a time, whatever the protocol."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

pytest.importorskip("tornado")

from websocket_api.protocols.connections import CLOSES_PER_TURN, PUMPS_PER_TURN

from tests.unit.protocols.leaving import Peer, RunningEngine, running_engine, turns

NUMBER = 3 * CLOSES_PER_TURN + 1
SLOW = 4410  # the close code


async def websocket(engine: RunningEngine) -> Peer:
    """Connect by a websocket."""
    return await engine.websocket()


async def sse(engine: RunningEngine) -> Peer:
    """Start a stream of server-sent events."""
    peer = await engine.peer()
    await peer.request("GET", "/events", token=engine.token)
    await peer.head()
    return peer


@pytest.fixture
async def engine() -> AsyncIterator[RunningEngine]:
    """An engine that listens."""
    async with running_engine() as running:
        yield running


@pytest.mark.parametrize("connect", [websocket, sse])
async def test_many_that_overflow_at_once_leave_turns_to_other_work(
    engine: RunningEngine, connect: Callable[[RunningEngine], Awaitable[Peer]]
) -> None:
    """All are closed with 4410, but one that has left before."""
    counters = engine.engine.services.hub.counters
    with contextlib.ExitStack() as stack:
        peers = [stack.enter_context(contextlib.closing(await connect(engine))) for _ in range(NUMBER)]
        await engine.until(lambda: len(engine.clients.all()) == NUMBER)
        connections = engine.clients.all()
        for connection in connections:
            connection.outbox.overflow()
        connections[-1].release()
        closed = [0]
        while closed[-1] < NUMBER - 1 and len(closed) < 100:
            await turns(1)
            closed.append(counters.closes[SLOW])
        steps = [after - before for before, after in itertools.pairwise(closed)]
        assert (sum(steps), max(steps)) == (NUMBER - 1, CLOSES_PER_TURN)
        for peer in peers[:-1]:
            await peer.gone()


@pytest.mark.parametrize("connect", [websocket, sse])
async def test_many_that_have_room_at_once_leave_turns_to_other_work(
    engine: RunningEngine, connect: Callable[[RunningEngine], Awaitable[Peer]]
) -> None:
    """The kernel frees memory of a thousand sockets together. All get what waits."""
    with contextlib.ExitStack() as stack:
        for _ in range(NUMBER):
            stack.enter_context(contextlib.closing(await connect(engine)))
        await engine.until(lambda: len(engine.clients.all()) == NUMBER)
        outboxes = [connection.outbox for connection in engine.clients.all()]
        transports = [outbox._transport for outbox in outboxes]
        for outbox, transport in zip(outboxes, transports, strict=True):
            transport.busy = lambda: True  # type: ignore[method-assign]
            outbox.put(b"first")
            outbox.put(b"second")
            del transport.busy  # type: ignore[method-assign]
        for transport in transports:
            transport.drained()  # type: ignore[attr-defined]
        left = [NUMBER]
        while left[-1] and len(left) < 100:
            await turns(1)
            left.append(sum(outbox.bytes > 0 for outbox in outboxes))
        steps = [before - after for before, after in itertools.pairwise(left)]
        assert (sum(steps), max(steps)) == (NUMBER, PUMPS_PER_TURN)


async def test_many_that_answer_no_ping_leave_turns_to_other_work(engine: RunningEngine) -> None:
    """They often connected at the same moment, such as after a reload."""
    counters = engine.engine.services.hub.counters
    with contextlib.ExitStack() as stack:
        for _ in range(NUMBER):
            stack.enter_context(contextlib.closing(await engine.websocket()))
        await engine.until(lambda: len(engine.clients.pings) == NUMBER)
        for pinged in list(engine.clients.pings._pings._ends):
            pinged.end_unanswered()
        closed = [0]
        while closed[-1] < NUMBER and len(closed) < 100:
            await turns(1)
            closed.append(counters.closes[SLOW])
        steps = [after - before for before, after in itertools.pairwise(closed)]
        assert (sum(steps), max(steps)) == (NUMBER, CLOSES_PER_TURN)
