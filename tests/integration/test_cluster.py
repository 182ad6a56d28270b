"""Salt's own cluster of two masters: what one of them does shows on the other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("salt")

from tests.client import Client, Refused
from tests.integration.cluster import ADDRESSES, MINIONS, Cluster, clustered
from tests.support.waiting import wait_until

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
    one.ask("cancel", jid=jid)
    for client in (one, two):
        wait_until(lambda client=client: _state(client, jid) == "canceled", "the canceled job", PATIENCE, 0.2)


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
