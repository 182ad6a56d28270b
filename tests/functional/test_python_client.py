"""The Python client with a real engine: requests, events, reconnection."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

pytest.importorskip("salt")
pytest.importorskip("websockets")

from salt_live import AsyncClient, Client, ConnectionFailed, Event, LoginFailed, error_codes

from tests.functional.running import Engine
from tests.support.buses import Publisher

RunEngine = Callable[..., Engine]


class House:
    """An engine and the bus that it listens to."""

    def __init__(self, engine: Engine, bus: Publisher) -> None:
        self.engine = engine
        self.bus = bus

    def client(self, **options: Any) -> AsyncClient:
        return AsyncClient(self.engine.url, **{"username": "demo", "password": "demo", **options})


@pytest.fixture(scope="module")
def house(run_engine: RunEngine) -> Iterator[House]:
    """The engine of these tests."""
    engine = run_engine({})
    with contextlib.closing(Publisher(engine.sock_dir)) as bus:
        bus.send(("first", {}))
        yield House(engine, bus)


async def test_a_client_logs_in_and_asks(house: House) -> None:
    """The token and the user of the login can be read."""
    async with house.client() as client:
        assert client.state == "open"
        assert client.login["user"] == "demo"
        assert (await client.request("whoami"))["user"] == "demo"
        with pytest.raises(error_codes.BadMessage, match="jid"):
            await client.get_job("1")
    assert client.state == "out"


async def test_a_wrong_password_is_refused_at_once(house: House) -> None:
    """The engine's error is the cause."""
    with pytest.raises(LoginFailed) as caught:
        await house.client(password="wrong").connect()
    assert isinstance(caught.value.error, error_codes.Unauthenticated)


async def test_an_address_where_nothing_listens_is_an_error_at_once() -> None:
    """It names the address and the cause."""
    with pytest.raises(ConnectionFailed, match=r"cannot connect to ws://127\.0\.0\.1:9/ws: connection refused"):
        await AsyncClient("127.0.0.1:9", token="0" * 32).connect()


async def test_events_arrive_in_order(house: House) -> None:
    """With their tag, data and number."""
    async with house.client() as client, await client.events("my/") as events:
        house.bus.send(("my/1", {"a": 1}), ("other", {}), ("my/2", {"a": 2}))
        found = [await asyncio.wait_for(events.get(), 10) for _ in range(2)]
    assert [(item.tag, item.data) for item in found if isinstance(item, Event)] == [
        ("my/1", {"a": 1}),
        ("my/2", {"a": 2}),
    ]


def test_the_blocking_client_has_the_same_verbs(house: House) -> None:
    """Requests, events and Salt's get_event."""
    with Client(house.engine.url, username="demo", password="demo") as client:
        client.subscribe("kept/")
        house.bus.send(("kept/1", {"a": 1}), ("my/1", {"b": 2}))
        assert client.get_event(wait=10, tag="my/") == {"b": 2}
        assert client.get_event(wait=10, tag="kept/", full=True) == {"tag": "kept/1", "data": {"a": 1}}
        assert client.get_event(tag="none", no_block=True) is None
        assert len(client.minions()) == 0
