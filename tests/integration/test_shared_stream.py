"""One stream of two real masters: with minions that both have ("hot-hot"), and in Salt's own cluster."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("salt")
pytest.importorskip("redis")

from salt_live import AsyncClient
from salt_live.models import Event, Gap

from tests.client import Client, Refused
from tests.integration.cluster import MINIONS, Cluster
from tests.integration.conftest import SECRET
from tests.integration.pair import ADDRESSES, Pair
from tests.support.redis_server import RedisServer
from tests.support.running import wait_running
from tests.support.waiting import until, wait_until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.costly,
    pytest.mark.timeout(600),
    pytest.mark.skipif(shutil.which("redis-server") is None, reason="redis-server is not installed"),
]

PATIENCE = 90


@pytest.fixture(scope="module", params=["hot-hot", "cluster"])
def masters(request: pytest.FixtureRequest) -> Iterator[Pair]:
    """Two masters with a common log."""
    with contextlib.ExitStack() as stack:
        server = RedisServer(Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="wsr-"))))
        stack.callback(server.kill)
        server.start()
        share = {"history": {"share": server.url}}
        pair = Pair("local_cache", ["m1"], **share) if request.param == "hot-hot" else Cluster(**share)
        stack.callback(pair.close)
        pair.start()
        for reader, writer in ((0, 1), (1, 0)):
            wait_shared(pair, reader, writer)
        yield pair


def wait_shared(masters: Pair, reader: int, writer: int) -> None:
    """Wait until one engine sends the events of the other: after its start it first reads what the log has."""
    source, client = masters.client(writer), masters.client(reader)
    number = client.ask("subscribe", subscription="event", tag="ready/")["subscription"]

    def has_arrived() -> bool:
        source.ask("event", tag="ready/now", body={})
        with contextlib.suppress(TimeoutError):
            client.frames(until=lambda frame: frame["type"] == "event", subscription=number, timeout=1)
            return True
        return False

    wait_until(has_arrived, "an event of the other master", PATIENCE)


def ids(masters: Pair) -> list[str]:
    """Return the masters' ids: in a cluster these are their addresses."""
    return list(ADDRESSES) if isinstance(masters, Cluster) else [f"master-{address}" for address in ADDRESSES]


def test_each_engine_sends_the_events_of_both_once(masters: Pair) -> None:
    """Those of the other master come by the log only: copies that a cluster forwards are left out."""
    clients = [masters.client(number) for number in range(2)]
    numbers = [one.ask("subscribe", subscription="event", tag="myco/")["subscription"] for one in clients]
    for number, client in enumerate(clients):
        for count in range(5):
            client.ask("event", tag=f"myco/{number}/{count}", body={"from": number})
    expected = {f"myco/{number}/{count}" for number in range(2) for count in range(5)}
    for number, client in enumerate(clients):
        found: list[dict[str, Any]] = []

        def is_last(frame: dict[str, Any], found: list[dict[str, Any]] = found) -> bool:
            found.append(frame)
            return {one.get("tag") for one in found} >= expected

        client.frames(until=is_last, subscription=numbers[number], timeout=PATIENCE)
        client.ask("event", tag="myco/end", body={})
        client.frames(
            until=lambda frame, found=found: found.append(frame) or frame.get("tag") == "myco/end",
            subscription=numbers[number],
            timeout=PATIENCE,
        )
        events = [frame for frame in found if frame["type"] == "event" and frame["tag"] != "myco/end"]
        assert sorted(frame["tag"] for frame in events) == sorted(expected)
        for frame in events:
            own = frame["data"]["from"] == number
            assert frame["master"] == ids(masters)[frame["data"]["from"]]
            assert ("origin" in frame, "__peer_id" in frame["data"]) == (not own, False)


def test_a_job_of_one_master_is_shown_by_the_other(masters: Pair) -> None:
    """With its master, and the returns of all its minions."""
    one, two = (masters.client(number) for number in range(2))
    minions = list(MINIONS) if isinstance(masters, Cluster) else ["m1"]
    jid = one.ask("cmd", fun="test.ping", tgt=minions)["jid"]

    def ended() -> dict[str, Any] | None:
        with contextlib.suppress(Refused):
            job: dict[str, Any] = two.ask("get_job", jid=jid)
            return job if job["state"] == "complete" else None
        return None

    job = wait_until(ended, "the end of the job at the other master", PATIENCE, 0.2)
    assert (job["master"], job["done"], set(job["minions"])) == (ids(masters)[0], len(minions), set(minions))
    assert jid in {listed["jid"] for listed in two.ask("list_jobs", master=ids(masters)[0])}


def test_a_job_is_canceled_where_its_minions_are(masters: Pair) -> None:
    """At each master of a cluster; else at the job's own master. Then it is canceled everywhere."""
    clients = [masters.client(number) for number in range(2)]
    jid = clients[0].ask("cmd", fun="test.sleep", arg=[600], tgt="m1")["jid"]

    def state(client: Client) -> Any:
        with contextlib.suppress(Refused):
            return client.ask("get_job", jid=jid)["state"]
        return None

    wait_until(lambda: state(clients[1]) == "running", "the job at the other master", PATIENCE, 0.2)
    wait_running(clients[0], jid, ["m1"], PATIENCE)
    if isinstance(masters, Cluster):
        clients[1].ask("cancel", jid=jid)
    else:
        with pytest.raises(Refused, match=f"cancel it there.*{ids(masters)[0]}"):
            clients[1].ask("cancel", jid=jid)
        clients[0].ask("cancel", jid=jid)
    for client in clients:
        wait_until(lambda client=client: state(client) == "canceled", "the canceled job", PATIENCE, 0.2)


class Collector:
    """Reads the events of a client."""

    def __init__(self, client: AsyncClient) -> None:
        self.client = client
        self.tags: list[str] = []
        self.gaps: list[Gap] = []

    async def run(self) -> None:
        """Read until it is canceled."""
        async with await self.client.events("myco/") as events:
            async for item in events:
                if isinstance(item, Event):
                    self.tags.append(item.tag)
                else:
                    self.gaps.append(item)


@contextlib.asynccontextmanager
async def collecting(client: AsyncClient) -> AsyncIterator[Collector]:
    """Follow the events from now on."""
    async with client:
        collector = Collector(client)
        task = asyncio.create_task(collector.run())
        try:
            await until(lambda: client.session.subscriptions.confirmed, PATIENCE)
            yield collector
        finally:
            task.cancel()


async def test_a_client_that_loses_a_master_goes_on_at_the_other(masters: Pair) -> None:
    """The first master is killed with all its processes. Each event comes once. This ends the masters."""
    one, two = (masters.client(number) for number in range(2))
    urls = [f"ws://{address}:{masters.port}/" for address in ADDRESSES]

    def client(*addresses: str) -> AsyncClient:
        return AsyncClient(addresses, username="demo", password=SECRET)

    async with collecting(client(*urls)) as mover, collecting(client(urls[1])) as stayer:
        expected = [f"myco/{name}/{count}" for name in "ab" for count in range(10)]
        for tag in expected:
            await asyncio.to_thread((one if "/a/" in tag else two).ask, "event", tag=tag, body={})
        # What the first engine has read, and the client too, is in the log when the second one has it.
        for collector in (mover, stayer):
            await until(lambda collector=collector: set(expected) <= set(collector.tags), PATIENCE)
        await asyncio.to_thread(masters.kill, 0)
        for count in range(10):
            expected.append(f"myco/c/{count}")
            await asyncio.to_thread(two.ask, "event", tag=expected[-1], body={})
        for collector in (mover, stayer):
            await until(lambda collector=collector: set(expected) <= set(collector.tags), PATIENCE)
        assert sorted(mover.tags) == sorted(stayer.tags) == sorted(expected)
        assert (mover.gaps, stayer.gaps) == ([], [])
