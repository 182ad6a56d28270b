"""The Python client with a real engine: requests, events, reconnection."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

pytest.importorskip("salt")
pytest.importorskip("websockets")

from salt_live import AsyncClient, Client, ConnectionFailed, Event, LoginFailed, error_codes

from tests.functional.running import CHECKOUT, Engine
from tests.support.buses import Publisher

RunEngine = Callable[..., Engine]
SECONDS = 60  # limit on a loaded machine


class RunningEngine:
    """An engine and the bus that it listens to."""

    def __init__(self, engine: Engine, bus: Publisher) -> None:
        self.engine = engine
        self.bus = bus

    def client(self, **options: Any) -> AsyncClient:
        return AsyncClient(self.engine.url, **{"username": "demo", "password": "demo", **options})


@pytest.fixture(scope="module")
def running(run_engine: RunEngine) -> Iterator[RunningEngine]:
    """The engine of these tests."""
    engine = run_engine({})
    with contextlib.closing(Publisher(engine.sock_dir)) as bus:
        bus.send(("first", {}))
        yield RunningEngine(engine, bus)


async def test_a_client_logs_in_and_asks(running: RunningEngine) -> None:
    """The token and the user of the login can be read."""
    async with running.client() as client:
        assert client.state == "open"
        assert client.login["user"] == "demo"
        assert (await client.request("whoami"))["user"] == "demo"
        with pytest.raises(error_codes.BadMessage, match="jid"):
            await client.get_job("1")
    assert client.state == "out"


async def test_a_wrong_password_is_refused_at_once(running: RunningEngine) -> None:
    """The engine's error is the cause."""
    with pytest.raises(LoginFailed) as caught:
        await running.client(password="wrong").connect()
    assert isinstance(caught.value.error, error_codes.Unauthenticated)


async def test_an_address_where_nothing_listens_is_an_error_at_once() -> None:
    """It names the address and the cause."""
    with pytest.raises(ConnectionFailed, match=r"cannot connect to ws://127\.0\.0\.1:9/ws: connection refused"):
        await AsyncClient("127.0.0.1:9", token="0" * 32).connect()


async def test_events_arrive_in_order(running: RunningEngine) -> None:
    """With their tag, data and number."""
    async with running.client() as client, await client.events("my/") as events:
        running.bus.send(("my/1", {"a": 1}), ("other", {}), ("my/2", {"a": 2}))
        found = [await asyncio.wait_for(events.get(), SECONDS) for _ in range(2)]
    assert [(item.tag, item.data) for item in found if isinstance(item, Event)] == [
        ("my/1", {"a": 1}),
        ("my/2", {"a": 2}),
    ]


def test_the_blocking_client_has_the_same_verbs(running: RunningEngine) -> None:
    """Requests, events and Salt's get_event."""
    with Client(running.engine.url, username="demo", password="demo") as client:
        client.subscribe("kept/")
        running.bus.send(("kept/1", {"a": 1}), ("my/1", {"b": 2}))
        assert client.get_event(wait=SECONDS, tag="my/") == {"b": 2}
        assert client.get_event(wait=SECONDS, tag="kept/", full=True) == {"tag": "kept/1", "data": {"a": 1}}
        assert client.get_event(tag="none", no_block=True) is None
        assert len(client.minions()) == 0


# The programs of Salt's page "Salt Event System", with their import line changed

ONE_EVENT = """
from salt_live import salt

event = salt.utils.event.MasterEvent('/var/run/salt/master')

print("listens", flush=True)
data = event.get_event(wait=10, tag='auth')
print(data)
"""
MANY_EVENTS = """
from salt_live import salt

event = salt.utils.event.MasterEvent('/var/run/salt/master')

print("listens", flush=True)
for data in event.iter_events(tag='auth'):
    print(data)
    break
"""


@pytest.mark.parametrize("program", [ONE_EVENT, MANY_EVENTS], ids=["get_event", "iter_events"])
def test_salts_documented_programs_run_with_their_import_line_changed(running: RunningEngine, program: str) -> None:
    """The address and the login are in the environment."""
    environment = os.environ | {
        "PYTHONPATH": str(CHECKOUT / "clients" / "python" / "src"),
        "SALT_LIVE_URL": running.engine.url,
        "SALT_LIVE_USERNAME": "demo",
        "SALT_LIVE_PASSWORD": "demo",
    }
    with subprocess.Popen([sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, text=True) as ran:
        assert ran.stdout is not None
        assert ran.stdout.readline() == "listens\n"
        running.bus.send(("other", {"a": 1}), ("auth", {"act": "accept"}))
        assert ran.stdout.readline() == "{'act': 'accept'}\n"
        assert ran.wait(SECONDS) == 0
