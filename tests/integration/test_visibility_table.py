"""Each row of the table in docs/security.md, with real users on a real master: live, replayed, and in snapshots.

Each user of conftest.TABLE_USERS has one permission. Events are real if a test can cause them. Others, which only
large or broken installations have, are fired on the master's bus with Salt's own functions.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime, timezone
from typing import Any

import pytest
import salt.utils.event

from tests.client import Client, Refused
from tests.integration.checked import CheckedClient
from tests.integration.conftest import TABLE_USERS
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.both_lines]

EVERYBODY = set(TABLE_USERS)
M1, M2 = "minion-1", "minion-2"
BOTH = [M1, M2]
TARGET_SECONDS = 40.0  # until targets by grains are known, which are expanded at most every 30 s

SEES_JOBS = {"all", "runners", "jobs"}
SEES_CALLS = {"runners", "jobs"}
"""``.*`` is for functions on minions only. Users who may look up any job see runners and wheels too."""


Row = tuple[str, set[str]]
"""A tag, and the users who see an event with this tag."""


class Observers:
    """Clients of all users, one that runs commands, and the master's own bus."""

    def __init__(self, clients: dict[str, Client], acting: Client, fire: Callable[[str, dict[str, Any]], None]) -> None:
        self.clients = clients
        self.acting = acting
        self.fire = fire
        self.began = {name: client.ask("subscribe", subscription="event", tag="") for name, client in clients.items()}
        self._watched = acting.ask("subscribe", subscription="event", tag="")["subscription"]
        self._end = f"end/{time.time_ns()}"

    def run(self, fun: str, tgt: str, *arg: Any, **kwarg: Any) -> str:
        """Run a job to its end and return its jid."""
        asked = {"fun": fun, "tgt": tgt, "arg": list(arg), "kwarg": kwarg}
        job = self.acting.ask("cmd", mode="sync", timeout=30, **asked)
        assert job["state"] == "complete", job
        return str(job["jid"])

    def call(self, client: str, fun: str, *arg: Any) -> str:
        """Run a runner or wheel to its end and return its jid."""
        jid = str(self.acting.ask(client, fun=fun, arg=list(arg))["jid"])
        wait_until(lambda: self.acting.ask("get_job", jid=jid)["state"] == "complete", f"the end of {fun}")
        return jid

    def seen(self, rows: list[Row]) -> tuple[dict[str, dict[str, Any]], dict[str, dict[str, Any]]]:
        """Return the events that each user sees, by tag: live, and replayed.

        Each process has its own way to the bus, so the end is fired only when all events of the rows came back from it.
        """
        self.acting.tags_arrived(self._watched, [tag for tag, _ in rows])
        self.fire(self._end, {})
        live = {name: self._until_end(client, self.began[name]) for name, client in self.clients.items()}
        replayed = {}
        for name, client in self.clients.items():
            since = {"epoch": self.began[name]["epoch"], "seq": self.began["all"]["seq"]}
            again = client.ask("subscribe", subscription="event", tag="", since=since)
            assert again["recovered"] is True
            replayed[name] = self._until_end(client, again)
            client.ask("unsubscribe", subscription=again["subscription"])
        return live, replayed

    def _until_end(self, client: Client, begun: dict[str, Any]) -> dict[str, Any]:
        frames = client.frames(until=lambda frame: frame.get("tag") == self._end, subscription=begun["subscription"])
        return {frame["tag"]: frame["data"] for frame in frames if frame["type"] == "event"}


@pytest.fixture
def observers(engine_url: str, salt_master: Any) -> Iterator[Observers]:
    """All users are logged in, and subscribe to all events."""
    with ExitStack() as stack:
        clients: dict[str, Client] = {}
        for name in TABLE_USERS:
            clients[name] = stack.enter_context(CheckedClient(engine_url))
            clients[name].login(name)
        acting = stack.enter_context(CheckedClient(engine_url))
        acting.login("demo")
        bus = stack.enter_context(
            salt.utils.event.get_master_event(salt_master.config, salt_master.config["sock_dir"], listen=False)
        )
        # Targets by grains are expanded with the master's cache, which a minion fills after its start.
        for name, minions in (("grain-echo", {M2}), ("half-echo", {M1})):
            wait_until(
                lambda name=name: _may_echo(clients[name]), f"the target of {name}", timeout=TARGET_SECONDS, every=1
            )
            assert _may_echo(clients[name]) == minions
        yield Observers(clients, acting, lambda tag, data: bus.fire_event(data, tag))


def _may_echo(client: Client) -> set[str]:
    """Return the minions on which Salt permits this user to run test.echo."""
    allowed = set()
    for minion in BOTH:
        try:
            client.ask("cmd", fun="test.echo", tgt=minion, arg=["x"])
            allowed.add(minion)
        except Refused as refused:
            if refused.code != "forbidden":
                raise
    return allowed


def jobs_rows(observers: Observers) -> tuple[list[Row], dict[str, set[str]]]:
    """Run jobs; return the rows, and for each ``new`` event the users who see only a part of it."""
    yes = observers.run("test.echo", "*", "yes")
    no = observers.run("test.echo", "*", "no")
    named = observers.run("test.echo", "*", text="yes")
    other = observers.run("test.arg", "*", "x")
    on_1 = {"echo", "half-echo"}
    on_2 = {"echo", "grain-echo"}
    rows: list[Row] = []
    for jid, more in ((yes, {"yes-echo"}), (no, set()), (named, {"named-echo"})):
        rows += [
            (f"salt/job/{jid}/ret/{M1}", SEES_JOBS | on_1 | more),
            (f"salt/job/{jid}/ret/{M2}", SEES_JOBS | on_2 | more),
            (f"salt/job/{jid}/new", SEES_JOBS | on_1 | on_2 | more),
        ]
    rows += [
        (f"salt/job/{other}/ret/{M1}", SEES_JOBS | {"half-echo"}),
        (f"salt/job/{other}/ret/{M2}", SEES_JOBS),
        (f"salt/job/{other}/new", SEES_JOBS | {"half-echo"}),
    ]
    cut = {f"salt/job/{jid}/new": {"half-echo", "grain-echo"} for jid in (yes, no, named)}
    return rows, {**cut, f"salt/job/{other}/new": {"half-echo"}}


def calls_rows(observers: Observers) -> list[Row]:
    """Run runners and wheels; return the rows."""
    yes, no = observers.call("runner", "test.arg", "yes"), observers.call("runner", "test.arg", "no")
    wheel = observers.call("wheel", "key.list_all")
    rows: list[Row] = []
    for what in ("new", "ret"):
        rows += [
            (f"salt/run/{yes}/{what}", SEES_CALLS | {"test-runner", "yes-runner"}),
            (f"salt/run/{no}/{what}", SEES_CALLS | {"test-runner"}),
            (f"salt/wheel/{wheel}/{what}", SEES_CALLS | {"wheels", "keys"}),
        ]
    return rows


def owners_rows(observers: Observers) -> list[Row]:
    """Announce jobs with a bare user name: the user with this name owns them, except for names of the master itself."""
    rows: list[Row] = []
    for number, (user, owners) in enumerate({"owner": {"owner"}, "root": set(), "sudo_owner": set()}.items()):
        jid = f"{datetime.now(timezone.utc):%Y%m%d%H%M%S%f}"[:17] + f"{number:03d}"
        new = {"jid": jid, "fun": "cmd.run", "arg": ["id"], "tgt": M2, "tgt_type": "list", "user": user}
        observers.fire(f"salt/job/{jid}/new", {**new, "minions": [M2], "missing": []})
        rows.append((f"salt/job/{jid}/new", SEES_JOBS | owners))
        returned = {"cmd": "_return", "id": M2, "jid": jid, "fun": "cmd.run", "return": "x", "retcode": 0}
        observers.fire(f"salt/job/{jid}/ret/{M2}", {**returned, "success": True})
        rows.append((f"salt/job/{jid}/ret/{M2}", SEES_JOBS | owners))
        observers.fire(f"salt/run/{jid[:-3]}9{jid[-2:]}/new", {"fun": "runner.x.y", "fun_args": [], "user": user})
        rows.append((f"salt/run/{jid[:-3]}9{jid[-2:]}/new", SEES_CALLS | owners))
    return rows


def other_rows(observers: Observers) -> list[Row]:
    """Cause all other events; return the rows."""
    jid = "20200101000000000007"
    fired: dict[str, tuple[dict[str, Any], set[str]]] = {
        f"salt/job/{jid}/error": ({"error": "x"}, {"all"}),
        f"salt/job/{jid}/publish": ({"jid": jid, "fun": "test.ping"}, {"all"}),
        "salt/stats/worker": ({"time": 1}, {"all"}),
        "cluster/test/x": ({}, {"all"}),
        "syndic/test/x": ({}, {"all"}),
        "salt/key": ({"id": M1, "act": "accepted", "result": True}, {"wheels", "keys"}),
        "salt/auth": ({"id": M1, "act": "accept", "result": True}, {"wheels", "keys"}),
        f"salt/minion/{M2}/start": ({"id": M2}, {"all", "ping"}),
        f"salt/minion/{M1}/start": ({"id": M1}, {"all", "ping", "half-echo"}),
        "salt/presence/present": ({"present": BOTH}, {"all", "ping", "half-echo"}),
        "salt/presence/change": ({"new": [M2], "lost": []}, {"all", "ping"}),
        f"minion/refresh/{M1}": ({"Minion data cache refresh": M1}, {"all", "grains"}),
        f"minion/refresh/{M2}": ({"Minion data cache refresh": M2}, {"all"}),
        f"salt/beacon/{M1}/load/": ({"id": M1, "1m": 3.0}, {"all", "beacons"}),
        f"salt/beacon/{M2}/load/": ({"id": M2, "1m": 3.0}, {"all"}),
        "file.managed": ({"name": "/etc/x", "changes": {"diff": "+x"}, "result": False, "retcode": 2}, {"all"}),
        jid: ({"minions": BOTH}, {"all"}),
        f"salt/state_result/{jid}/master/x": ({"ret": {"result": True}}, {"all"}),
        "__schedule_return": ({"fun": "test.ping", "jid": "nocache", "id": "master", "return": True}, {"all"}),
        "deploy.done": ({"result": True, "retcode": 0}, {"all", "events"}),
        "some/thing": ({}, {"all", "events"}),
        "myco/thing": ({}, {"all", "events", "team"}),
    }
    for tag, (data, _) in fired.items():
        observers.fire(tag, data)
    for minion in BOTH:
        observers.run("event.send", minion, f"some/from/{minion}", {"x": 1})
        observers.run("event.send", minion, f"myco/from/{minion}", {"x": 1})
    observers.acting.ask("event", tag="myco/fired", body={"x": 1})
    return [
        *((tag, seen_by) for tag, (_, seen_by) in fired.items()),
        (f"some/from/{M1}", {"all", "events", "sender"}),
        (f"some/from/{M2}", {"all", "events"}),
        (f"myco/from/{M1}", {"all", "events", "sender", "team"}),
        (f"myco/from/{M2}", {"all", "events", "team"}),
        ("myco/fired", {"all", "events", "team"}),
    ]


def differences(rows: list[Row], seen: dict[str, dict[str, Any]]) -> list[str]:
    """Return the differences between the table and what users saw, as text."""
    found = []
    for tag, expected in rows:
        actual = {name for name, events in seen.items() if tag in events}
        found += [f"{tag}: {sorted(actual - expected)} too many"] if actual - expected else []
        found += [f"{tag}: {sorted(expected - actual)} missing"] if expected - actual else []
    return found


def test_each_row_of_the_table_is_shown_to_the_users_it_names_only(observers: Observers) -> None:
    """Live and replayed events."""
    job_rows, cut = jobs_rows(observers)
    rows = [*job_rows, *calls_rows(observers), *owners_rows(observers), *other_rows(observers)]
    live, replayed = observers.seen(rows)
    assert differences(rows, live) == []
    assert differences(rows, replayed) == []
    for seen in (live, replayed):
        for tag, users in cut.items():
            for name in (name for name in EVERYBODY if tag in seen[name]):
                data, whole = seen[name][tag], name not in users
                assert (tag, name, "tgt" in data, "arg" in data) == (tag, name, whole, whole)
                minions = BOTH if whole else [M1] if name == "half-echo" else [M2]
                assert (tag, name, sorted(data["minions"])) == (tag, name, minions)
        assert seen["half-echo"]["salt/presence/present"]["present"] == [M1]
        assert seen["ping"]["salt/presence/present"]["present"] == BOTH


def test_snapshots_of_jobs_and_minions_follow_the_same_table(observers: Observers) -> None:
    """get_job, a job subscription and list_jobs; list_minions and a minions subscription, key and grains included."""
    jid = observers.run("test.echo", "*", "yes")
    jobs = dict.fromkeys(SEES_JOBS | {"echo", "yes-echo"}, BOTH) | {"half-echo": [M1], "grain-echo": [M2]}
    fleet = dict.fromkeys({"all", "ping", "wheels", "keys"}, BOTH) | {"half-echo": [M1]}
    for name, client in observers.clients.items():
        assert (name, job_seen(client, jid)) == (name, jobs.get(name, []))
        listed = [job for job in client.ask("list_jobs", fun="test.echo") if job["jid"] == jid]
        assert (name, [job["total"] for job in listed]) == (name, [len(jobs[name])] if name in jobs else [])
        assert (name, minions_seen(client)) == (name, fleet.get(name, []))
        shown = {minion["id"]: minion for minion in client.ask("list_minions") if minion["id"] in BOTH}
        assert (name, sorted(shown)) == (name, fleet.get(name, []))
        for minion in shown.values():
            assert (name, minion["key"]) == (name, "accepted" if name in ("wheels", "keys") else None)
            assert (name, minion["grains"] is not None) == (name, name == "all")


def job_seen(client: Client, jid: str) -> list[str]:
    """Return the minions of a job that a user sees, which get_job and a subscription agree on."""
    try:
        job = client.ask("get_job", jid=jid)
    except Refused as refused:
        if refused.code != "not_found":
            raise
        with pytest.raises(Refused):
            client.ask("subscribe", subscription="job", jid=jid)
        return []
    number = client.ask("subscribe", subscription="job", jid=jid)["subscription"]
    frames = client.frames(until=lambda frame: frame["type"] == "live", subscription=number)
    minions = sorted({minion for frame in frames for minion in frame.get("minions", {})})
    assert minions == sorted(job["minions"])
    return minions


def minions_seen(client: Client) -> list[str]:
    """Return the minions that a subscription shows a user."""
    number = client.ask("subscribe", subscription="minions")["subscription"]
    frames = client.frames(until=lambda frame: frame["type"] == "live", subscription=number)
    client.ask("unsubscribe", subscription=number)
    return sorted({minion for frame in frames for minion in frame.get("minions", {})} & set(BOTH))
