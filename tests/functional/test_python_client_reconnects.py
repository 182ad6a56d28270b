"""The Python client when its engine is killed: every event or a gap that names the missing ones, no command twice."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest

pytest.importorskip("salt")
pytest.importorskip("websockets")

from salt_live import AsyncClient, Event, Gap, LoginFailed, Position, Unknown

from tests.functional.running import Engine
from tests.support.buses import Publisher
from tests.support.waiting import until

SECONDS = 60.0
FOLLOWERS = 20
EVENTS = 200  # before and after the engine is killed


@pytest.fixture
def store() -> str:
    """Where the engine keeps its history."""
    return "memory"


@pytest.fixture
def engine(make_engine: Callable[..., Engine], store: str) -> Engine:
    """Run an engine that the test can restart."""
    engine = make_engine({"history": {"store": store}})
    engine.start()
    engine.wait()
    return engine


@pytest.fixture
def bus(engine: Engine) -> Iterator[Publisher]:
    """Open the bus of the engine."""
    with contextlib.closing(Publisher(engine.sock_dir)) as bus:
        bus.send(("first", {}))
        yield bus


def client_of(engine: Engine) -> AsyncClient:
    return AsyncClient(engine.url, username="demo", password="demo")


async def kill(engine: Engine) -> None:
    """Kill the engine without a chance to close its connections."""
    await asyncio.to_thread(engine.kill)


async def restart(engine: Engine) -> None:
    """Start the engine again on its port."""
    engine.start()
    await asyncio.to_thread(engine.wait)


class Follower:
    """A client that collects its events and gaps."""

    def __init__(self, client: AsyncClient) -> None:
        self.client = client
        self.items: list[Event | Gap] = []

    async def follow(self) -> None:
        async with await self.client.events("n/") as events:
            async for item in events:
                self.items.append(item)

    @property
    def numbers(self) -> list[int]:
        """The numbers in the data of the events, in order."""
        return [item.data["n"] for item in self.items if isinstance(item, Event)]

    @property
    def gaps(self) -> list[Gap]:
        return [item for item in self.items if isinstance(item, Gap)]


@pytest.fixture
async def followers(engine: Engine) -> Any:
    """Run clients that follow events."""
    async with contextlib.AsyncExitStack() as stack:
        found = []
        for _ in range(FOLLOWERS):
            follower = Follower(await stack.enter_async_context(client_of(engine)))
            task = asyncio.create_task(follower.follow())
            stack.callback(task.cancel)
            found.append(follower)
        yield found


@pytest.mark.parametrize("store", ["memory", "disk"])
async def test_a_killed_engine_is_one_gap_with_its_exact_range(
    engine: Engine, bus: Publisher, followers: list[Follower], store: str
) -> None:
    """Every follower has each event of both runs, and between them a gap from the last event to the new run's start.

    With a journal the epoch goes on, and events that were delivered and not written are not delivered again.
    """
    await until(lambda: all(follower.client.session.subscriptions.confirmed for follower in followers), SECONDS)
    for n in range(EVENTS):
        bus.send((f"n/{n}", {"n": n}))
    await until(lambda: all(len(follower.numbers) == EVENTS for follower in followers), SECONDS)
    await kill(engine)
    await restart(engine)
    await until(lambda: bus.connections == 2, SECONDS)
    for n in range(EVENTS, 2 * EVENTS):
        bus.send((f"n/{n}", {"n": n}))
    await until(lambda: all(len(follower.numbers) >= 2 * EVENTS for follower in followers), SECONDS)
    for follower in followers:
        assert follower.numbers == list(range(2 * EVENTS))
        last, first = (follower.items[place] for place in (EVENTS - 1, EVENTS + 1))
        assert isinstance(last, Event)
        assert isinstance(first, Event)
        (gap,) = follower.gaps
        assert follower.items[EVENTS] is gap
        assert gap.after is not None
        assert gap.until is not None
        assert gap.after.epoch == last.epoch
        assert gap.after.seq >= last.seq
        if store == "memory":
            assert (gap.reason, gap.count, gap.until) == ("epoch", None, Position(first.epoch, 0))
            assert last.epoch != first.epoch
        else:
            assert (gap.reason, gap.count) == ("restart", None)
            assert last.epoch == gap.until.epoch == first.epoch
            assert last.seq < gap.until.seq < first.seq
            assert (gap.from_time or "") < (gap.to_time or "")


async def test_a_lost_connection_is_resumed_without_a_gap(engine: Engine, bus: Publisher) -> None:
    """What was sent in the meantime is replayed."""
    async with client_of(engine) as client, await client.events("n/") as events:
        bus.send(("n/0", {"n": 0}))
        assert await asyncio.wait_for(events.get(), SECONDS)
        break_connection(client)
        bus.send(*((f"n/{n}", {"n": n}) for n in range(1, 20)))
        found = [await asyncio.wait_for(events.get(), SECONDS) for _ in range(1, 20)]
        assert [item.data["n"] for item in found if isinstance(item, Event)] == list(range(1, 20))
        assert client.session.connections == 2


def break_connection(client: AsyncClient) -> None:
    """Abort the socket below the websocket, as a network does."""
    websocket = client._connection.websocket
    assert websocket is not None
    websocket.transport.abort()


async def test_a_command_whose_reply_is_lost_is_unknown_and_never_sent_again(engine: Engine, bus: Publisher) -> None:
    """Here the engine stops with the command in hand; the next run does not get it."""
    async with client_of(engine) as client:
        os.kill(engine.pid, signal.SIGSTOP)
        command = asyncio.create_task(client.cmd_async("*", "test.ping"))
        await until(lambda: client.session.requests.in_flight)
        await asyncio.to_thread(engine.kill)
        with pytest.raises(Unknown) as caught:
            await asyncio.wait_for(command, SECONDS)
        assert caught.value.request["fun"] == "test.ping"
        await restart(engine)
        assert await asyncio.wait_for(client.look_up(caught.value), SECONDS) == []
        assert client.state == "open"


async def test_a_read_is_answered_by_the_next_run(engine: Engine) -> None:
    """It waits for the connection."""
    async with client_of(engine) as client:
        await kill(engine)
        reading = asyncio.create_task(client.request("whoami"))
        await restart(engine)
        assert (await asyncio.wait_for(reading, SECONDS))["user"] == "demo"


async def test_a_revoked_token_is_replaced_if_there_is_a_password(engine: Engine) -> None:
    """Without one, the client ends with a clear error."""
    async with client_of(engine) as client:
        token = client.token
        other = AsyncClient(engine.url, token=token)
        await other.connect()
        events = await other.events()
        await client.request("logout")
        with pytest.raises(LoginFailed, match="the login has ended"):
            await asyncio.wait_for(events.get(), SECONDS)
        await other.close()
        assert (await asyncio.wait_for(client.request("whoami"), SECONDS))["user"] == "demo"
        assert client.token != token


async def test_an_address_that_does_not_answer_is_passed_over(engine: Engine) -> None:
    """The next one of the list is used."""
    async with AsyncClient(["127.0.0.1:9", engine.url], username="demo", password="demo") as client:
        assert (await client.request("whoami"))["user"] == "demo"
