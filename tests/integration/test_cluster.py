"""Salt's own cluster of two masters: what one of them does shows on the other."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("salt")

from salt_live import AsyncClient
from salt_live.models import Event, Gap

from tests.benchmarks.steady_sender import TAG, framed
from tests.client import Client, Refused
from tests.integration.cluster import ADDRESSES, MINIONS, Cluster, clustered
from tests.integration.conftest import SECRET
from tests.support.reloading import request_reload
from tests.support.running import wait_running
from tests.support.waiting import until, until_returned, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.costly, pytest.mark.timeout(600)]

PATIENCE = 60
FIRST, SECOND = ADDRESSES


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A cluster of two masters with a minion at each."""
    with clustered() as cluster:
        yield cluster


def test_events_of_both_masters_name_their_master(cluster: Cluster) -> None:
    """Once at each, with the same data; what Salt adds to forwarded events is not part of it."""
    clients = [cluster.client(number) for number in range(2)]
    numbers = [one.ask("subscribe", subscription="event", tag="myco/")["subscription"] for one in clients]
    for client, name in zip(clients, ("first", "second"), strict=True):
        client.ask("event", tag=f"myco/{name}", body={"from": name})
    for client, number in zip(clients, numbers, strict=True):
        found = {frame["tag"]: frame for frame in _events(client, number, 2)}
        assert {tag: frame["master"] for tag, frame in found.items()} == {"myco/first": FIRST, "myco/second": SECOND}
        for name in ("first", "second"):
            data = found[f"myco/{name}"]["data"]
            assert (data["from"], "__peer_id" in data) == (name, False)


def test_minions_of_both_masters_stay_connected(cluster: Cluster) -> None:
    """Each master sends a list of its own minions every few seconds, and both lists reach both masters."""
    for number in range(2):
        client = cluster.client(number)
        minions = client.ask("subscribe", subscription="minions")["subscription"]
        lists = client.ask("subscribe", subscription="event", tag="salt/presence/present")["subscription"]
        seen: list[str] = []

        def is_last(frame: dict[str, Any], seen: list[str] = seen) -> bool:
            seen.append(frame["master"])
            return all(seen.count(address) >= 2 for address in ADDRESSES)

        client.frames(until=is_last, subscription=lists, timeout=PATIENCE)
        # The lists were applied before they were delivered, and so were the changes that they made.
        client.ask("ping")
        shown = {one["id"]: one["connected"] for one in client.ask("list_minions")}
        assert shown == dict.fromkeys(MINIONS, True)
        assert minions


def test_a_job_that_is_canceled_on_one_master_is_canceled_on_the_other(cluster: Cluster) -> None:
    """The other master's engine did not send the cancel, and reads of it on the bus."""
    one, two = (cluster.client(number) for number in range(2))
    jid = one.ask("cmd", fun="test.sleep", arg=[600], tgt=list(MINIONS))["jid"]
    wait_until(lambda: _state(two, jid) == "running", "the job on the other master", PATIENCE, 0.2)
    wait_running(two, jid, MINIONS, PATIENCE)
    one.ask("cancel", jid=jid)
    for client in (one, two):
        wait_until(lambda client=client: _state(client, jid) == "canceled", "the canceled job", PATIENCE, 0.2)


class Source:
    """Fires numbered events on the buses of both masters, in a thread."""

    def __init__(self, cluster: Cluster) -> None:
        self.sent = 0
        self._pulls = {address: socket.socket(socket.AF_UNIX) for address in ADDRESSES}
        for number, (address, pull) in enumerate(self._pulls.items()):
            pull.connect(str(cluster.sock_dir(number) / "master_event_pull.ipc"))
            assert address == ADDRESSES[number]
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._end.wait(0.02):
            for address, pull in self._pulls.items():
                pull.sendall(framed(address, self.sent))
            self.sent += 1

    def stop(self) -> int:
        """Stop, and return how many were sent to each master."""
        self._end.set()
        self._thread.join()
        for pull in self._pulls.values():
            pull.close()
        return self.sent


async def test_reloads_of_one_master_lose_no_event_of_both(cluster: Cluster) -> None:
    """Its clients get each event once, without a gap; a command that they wait for is answered."""
    other = cluster.client(1)
    numbers: dict[str, list[int]] = defaultdict(list)
    gaps: list[Gap] = []

    async def follow(client: AsyncClient) -> None:
        async with await client.events(TAG) as events:
            async for item in events:
                if isinstance(item, Event):
                    assert item.master == item.data["from"]
                    numbers[item.data["from"]].append(item.data["number"])
                else:
                    gaps.append(item)

    async with AsyncClient(f"ws://{FIRST}:{cluster.port}/", username="demo", password=SECRET) as client:
        following = asyncio.create_task(follow(client))
        await until(lambda: client.session.subscriptions.confirmed, PATIENCE)
        source = Source(cluster)
        try:
            for _ in range(2):
                before = {address: len(numbers[address]) for address in ADDRESSES}
                await until(lambda before=before: all(len(numbers[one]) > before[one] for one in ADDRESSES), PATIENCE)
                sleeping = asyncio.create_task(asyncio.to_thread(_sleep, cluster))
                await until_returned(lambda: asyncio.to_thread(_sleeps, other), "the command", PATIENCE)
                answer = await asyncio.to_thread(request_reload, cluster.sock_dir(0), cluster.port)
                assert "error" not in answer
                assert await sleeping == dict.fromkeys(MINIONS, True)
        finally:
            sent = source.stop()
        await until(lambda: all(numbers[one][-1] == sent - 1 for one in ADDRESSES) or following.done(), PATIENCE)
        assert client.session.connections > 1
        following.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await following
    whole = {address: list(range(found[0], sent)) for address, found in numbers.items()}
    assert (numbers, gaps) == (whole, [])


def _sleep(cluster: Cluster) -> dict[str, Any]:
    """Run a command on both minions from the first master, and return their returns."""
    fields = {"fun": "test.sleep", "arg": [5], "tgt": list(MINIONS), "mode": "sync", "timeout": PATIENCE}
    job = cluster.client(0).ask("cmd", patience=2 * PATIENCE, **fields)
    return {name: part["return"] for name, part in job["minions"].items()}


def _sleeps(client: Client) -> bool:
    """Return whether the command runs, as a client's master shows it."""
    return [job["state"] for job in client.ask("list_jobs", fun="test.sleep", limit=1)] == ["running"]


def test_a_master_without_quorum_says_so(cluster: Cluster) -> None:
    """Both masters stop, and one is back alone: it runs nothing, and names the reason. This ends the cluster."""
    for number in range(2):
        cluster.kill(number)
    cluster.restart(0)
    client = wait_until(lambda: _logged_in(cluster), "the engine of the first master", PATIENCE, 0.5)

    def refusal() -> Any:
        with pytest.raises(Refused) as refused:
            client.ask("cmd", fun="test.ping", tgt="*")
        # Until the master's bus and workers are there, the engine refuses commands for that reason.
        return refused.value.error if refused.value.error["details"] else None

    error = wait_until(refusal, "the master's answer", PATIENCE, 0.5)
    assert (error["code"], error["retryable"]) == ("master_unavailable", True)
    assert error["details"] == {"cluster": "no_quorum", "sent": False}
    assert "quorum" in error["message"]


def _events(client: Client, subscription: int, count: int) -> list[dict[str, Any]]:
    """Return this number of events."""
    found: list[dict[str, Any]] = []

    def is_last(frame: dict[str, Any]) -> bool:
        found.append(frame)
        return len(found) == count

    client.frames(until=is_last, subscription=subscription, timeout=PATIENCE)
    return found


def _state(client: Client, jid: str) -> str | None:
    try:
        return str(client.ask("get_job", jid=jid)["state"])
    except Refused:
        return None


def _logged_in(cluster: Cluster) -> Client | None:
    try:
        return cluster.client(0)
    except (OSError, Refused):
        return None
