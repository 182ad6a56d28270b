"""What three users with different permissions see of the same events, on a real master.

``demo`` may do everything, ``viewer`` may run ``test.ping`` everywhere, ``half`` may run ``test.*`` on minion-1.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import salt.utils.event

from tests.client import Client, Refused

pytestmark = [pytest.mark.slow, pytest.mark.both_lines]

WATCHERS = ("demo", "viewer", "half")
BOTH = {"minion-1", "minion-2"}  # minions of other tests may be known for a while
Frames = dict[str, list[dict[str, Any]]]


class Streams:
    """All events that are shown to each user."""

    def __init__(self, connect: Callable[..., Client]) -> None:
        self.acting = connect("demo")
        self.clients = {name: connect(name) for name in WATCHERS}
        for client in self.clients.values():
            client.ask("subscribe", subscription="event", tag="")
        self._watched = self.acting.ask("subscribe", subscription="event", tag="")["subscription"]

    def __getitem__(self, name: str) -> Client:
        return self.clients[name]

    def so_far(self, *awaited: str) -> Frames:
        """Return each user's events so far, up to the end of a new job that every user may see.

        :param awaited: tags, or the beginnings of tags, of events of other processes: they must be here before that job
        """
        self.acting.arrived(
            self._watched,
            *(lambda frame, tag=tag: frame["tag"].startswith(tag) for tag in awaited),  # type: ignore[misc]
        )
        jid = self.acting.ask("cmd", fun="test.ping", tgt="minion-1")["jid"]
        last = f"salt/job/{jid}/ret/minion-1"
        seen = {
            name: client.frames(until=lambda frame: frame.get("tag") == last) for name, client in self.clients.items()
        }
        assert {frame["type"] for frames in seen.values() for frame in frames} == {"event"}
        return {name: [frame for frame in frames if jid not in frame["tag"]] for name, frames in seen.items()}


@pytest.fixture
def streams(connect: Callable[..., Client]) -> Streams:
    """Three users who watch, and one who runs commands."""
    return Streams(connect)


def run(client: Client, fun: str, tgt: str, *arg: Any) -> str:
    """Run a job to its end and return its jid."""
    job = client.ask("cmd", fun=fun, tgt=tgt, arg=list(arg), mode="sync", timeout=30)
    assert job["state"] == "complete", job
    return str(job["jid"])


def events_of(jid: str) -> list[str]:
    """Return the tags of the events of a job on both minions."""
    return [f"salt/job/{jid}/{end}" for end in ("new", "ret/minion-1", "ret/minion-2")]


def of_job(frames: list[dict[str, Any]], jid: str, what: str) -> list[str]:
    """Return the minions whose events of a job are among the frames."""
    return sorted(frame["tag"].split("/")[4] for frame in frames if frame["tag"].startswith(f"salt/job/{jid}/{what}/"))


def new(frames: list[dict[str, Any]], jid: str) -> dict[str, Any] | None:
    """Return the data of the event that announced the job."""
    return next((frame["data"] for frame in frames if frame["tag"] == f"salt/job/{jid}/new"), None)


@contextlib.contextmanager
def canceled(client: Client, jid: str) -> Iterator[None]:
    """Cancel a job at the end, unless it has ended."""
    try:
        yield
    finally:
        try:
            client.ask("cancel", jid=jid)
        except Refused as refusal:
            if refusal.code != "conflict":
                raise


def refused(client: Client, operation: str, **fields: Any) -> str:
    """Return the code with which a request is refused."""
    with pytest.raises(Refused) as refusal:
        client.ask(operation, **fields)
    return str(refusal.value.code)


# Jobs


def test_events_of_a_job_are_shown_to_users_who_may_run_it(streams: Streams) -> None:
    """The owner and users who may ping both minions see all; others see the part of their own minion."""
    jid = run(streams.acting, "test.ping", "*")
    seen = streams.so_far(*events_of(jid))
    for name, minions in {
        "demo": ["minion-1", "minion-2"],
        "viewer": ["minion-1", "minion-2"],
        "half": ["minion-1"],
    }.items():
        assert (name, of_job(seen[name], jid, "ret")) == (name, minions)
        announced = new(seen[name], jid)
        assert announced is not None
        assert sorted(announced["minions"]) == minions
    cut = new(seen["half"], jid)
    assert cut is not None
    assert "minion-2" not in json.dumps(cut)
    assert "tgt" not in cut


def test_events_of_a_job_are_hidden_from_users_who_may_not_run_it(streams: Streams) -> None:
    """Neither the function nor its arguments appear on their streams."""
    jid = run(streams.acting, "test.echo", "*", "canary-echo")
    seen = streams.so_far(*events_of(jid))
    assert of_job(seen["demo"], jid, "ret") == ["minion-1", "minion-2"]
    assert of_job(seen["half"], jid, "ret") == ["minion-1"]
    assert [frame for frame in seen["viewer"] if jid in frame["tag"]] == []
    assert "canary-echo" not in json.dumps(seen["viewer"])


def test_jobs_are_shown_to_the_same_users_as_their_events(streams: Streams) -> None:
    """get_job, list_jobs and job subscriptions show the same part of a job; a hidden job looks missing."""
    jid = run(streams.acting, "test.echo", "*", "canary-echo")
    whole = streams["demo"].ask("get_job", jid=jid)
    assert set(whole["minions"]) == {"minion-1", "minion-2"}
    assert whole["arg"] == ["canary-echo"]

    cut = streams["half"].ask("get_job", jid=jid)
    assert set(cut["minions"]) == {"minion-1"}
    assert (cut["total"], cut["done"], cut["tgt"], cut["arg"]) == (1, 1, None, None)
    assert refused(streams["viewer"], "get_job", jid=jid) == "not_found"

    listed = {name: streams[name].ask("list_jobs", fun="test.echo") for name in WATCHERS}
    assert jid in [job["jid"] for job in listed["demo"]]
    assert [(job["total"], job["arg"]) for job in listed["half"] if job["jid"] == jid] == [(1, None)]
    assert listed["viewer"] == []

    number = streams["half"].ask("subscribe", subscription="job", jid=jid)["subscription"]
    frames = streams["half"].frames(until=lambda frame: frame["type"] == "live", subscription=number)
    assert {minion for frame in frames for minion in frame.get("minions", ())} == {"minion-1"}
    assert "minion-2" not in json.dumps(frames)
    assert refused(streams["viewer"], "subscribe", subscription="job", jid=jid) == "not_found"


def test_an_unknown_job_and_a_hidden_one_look_the_same(streams: Streams) -> None:
    """No user can find out which jids exist."""
    hidden = run(streams.acting, "test.echo", "minion-2", "x")
    errors = []
    for jid in (hidden, "20200101000000000000"):
        with pytest.raises(Refused) as refusal:
            streams["viewer"].ask("get_job", jid=jid)
        errors.append(refusal.value.error)
    assert errors[0] == errors[1]


def test_commands_and_cancels_that_salt_denies_are_refused(streams: Streams) -> None:
    """The master itself refuses; canceling another user's job needs permission to stop jobs."""
    assert refused(streams["viewer"], "cmd", fun="test.echo", tgt="*", arg=["x"]) == "forbidden"
    assert refused(streams["half"], "cmd", fun="test.ping", tgt="minion-2") in ("forbidden", "no_minions")
    assert refused(streams["half"], "cmd", fun="test.ping", tgt="*") == "forbidden"
    assert refused(streams["half"], "runner", fun="test.arg") == "forbidden"
    assert refused(streams["half"], "wheel", fun="key.list_all") == "forbidden"
    jid = streams.acting.ask("cmd", fun="test.sleep", tgt="minion-1", arg=[120])["jid"]
    with canceled(streams.acting, jid):
        assert refused(streams["viewer"], "cancel", jid=jid) == "not_found"
        assert refused(streams["half"], "cancel", jid=jid) == "forbidden"
        assert streams.acting.ask("cancel", jid=jid)["minions"] == ["minion-1"]


# Minions


def test_minions_are_shown_to_users_who_may_ping_them(streams: Streams) -> None:
    """list_minions, a minions subscription and match show the same minions."""
    for name, minions in {
        "demo": {"minion-1", "minion-2"},
        "viewer": {"minion-1", "minion-2"},
        "half": {"minion-1"},
    }.items():
        client = streams[name]
        assert {minion["id"] for minion in client.ask("list_minions")} & BOTH == minions
        assert set(client.ask("match", tgt="*")) & BOTH == minions
        number = client.ask("subscribe", subscription="minions")["subscription"]
        frames = client.frames(until=lambda frame: frame["type"] == "live", subscription=number)
        assert {minion for frame in frames for minion in frame.get("minions", ())} & BOTH == minions
    assert streams["half"].ask("list_minions", minions=["minion-2"]) == []


# Runners, wheels, keys and custom events


def test_runners_wheels_and_keys_are_shown_to_users_who_may_run_them(streams: Streams) -> None:
    """Users without runners and wheels see nothing of them, of keys or of authentication."""
    streams.acting.ask("runner", fun="test.arg", arg=["canary-runner"], mode="sync")
    streams.acting.ask("wheel", fun="key.list_all", mode="sync")
    seen = streams.so_far("salt/run/", "salt/wheel/")
    prefixes = ("salt/run/", "salt/wheel/", "salt/auth", "salt/key")
    # A tag of the master may have one part only: ``key`` announces a new AES key.
    assert {part for frame in seen["demo"] for part in frame["tag"].split("/")[1:2]} >= {"run", "wheel"}
    for name in ("viewer", "half"):
        assert [frame["tag"] for frame in seen[name] if frame["tag"].startswith(prefixes)] == []
        assert "canary-runner" not in json.dumps(seen[name])


def test_custom_events_need_a_permission_of_their_own(streams: Streams) -> None:
    """This holds for events of clients and of minions; each event names its true sender."""
    begin = f"myco/{time.time_ns()}"
    streams.acting.ask("event", tag=f"{begin}/fired", body={"x": 1})
    run(streams.acting, "event.send", "minion-1", f"{begin}/sent", '{"y": 2}')
    seen = streams.so_far(f"{begin}/fired", f"{begin}/sent")
    by_tag = {frame["tag"]: frame for frame in seen["demo"]}
    fired = by_tag[f"{begin}/fired"]["data"]
    assert (fired["x"], fired["_user"], fired["_eauth"]) == (1, "demo", "sharedsecret")
    assert by_tag[f"{begin}/sent"]["minion"] == "minion-1"
    for name in ("viewer", "half"):
        assert [frame for frame in seen[name] if frame["tag"].startswith("myco/")] == []
        assert refused(streams[name], "event", tag="myco/fired", body={}) == "forbidden"


JID = "20200101000000000001"
MASTERS_EVENTS: dict[str, dict[str, Any]] = {
    "salt/minion/minion-1/start": {"id": "minion-1"},
    "salt/minion/minion-2/start": {"id": "minion-2"},
    "minion/refresh/minion-1": {"Minion data cache refresh": "minion-1"},
    "salt/beacon/minion-1/load/": {"id": "minion-1", "1m": 3.0},
    "salt/presence/present": {"present": ["minion-1", "minion-2"]},
    "salt/presence/change": {"new": ["minion-2"], "lost": []},
    "salt/stats/worker": {"time": 1},
    f"salt/job/{JID}/error": {"fun": "cmd.run", "kwargs": {"token": "canary-token", "password": "canary-password"}},
    f"salt/run/{JID}/new": {"fun": "runner.x.y", "user": "demo2", "fun_args": [{"password": "canary-password"}]},
    "myco/by/the/master": {"x": 1},
}
SEEN = {
    "demo": set(MASTERS_EVENTS),
    "viewer": {
        "salt/minion/minion-1/start",
        "salt/minion/minion-2/start",
        "salt/presence/present",
        "salt/presence/change",
    },
    "half": {"salt/minion/minion-1/start", "salt/presence/present"},
}


def test_the_rows_of_the_table(streams: Streams, salt_master: Any) -> None:
    """Events of the master are shown as docs/security.md says, row by row and without secrets."""
    with salt.utils.event.get_master_event(salt_master.config, salt_master.config["sock_dir"], listen=False) as bus:
        for tag, data in MASTERS_EVENTS.items():
            bus.fire_event(data, tag)
    seen = streams.so_far(*MASTERS_EVENTS)
    for name, tags in SEEN.items():
        assert (name, {frame["tag"] for frame in seen[name]} & set(MASTERS_EVENTS)) == (name, tags)
        assert "canary" not in json.dumps(seen[name])
    present = [frame["data"]["present"] for frame in seen["half"] if frame["tag"] == "salt/presence/present"]
    assert present == [["minion-1"]]


# Forgery


def test_events_that_a_minion_forges_change_nothing(streams: Streams) -> None:
    """A minion can send any tag, but not hide its name: no job and no minion changes."""
    jid = streams.acting.ask("cmd", fun="test.sleep", tgt="minion-2", arg=[120])["jid"]
    fake = "20260101000000000042"
    forged: dict[str, dict[str, Any]] = {
        f"salt/job/{jid}/ret/minion-2": {"return": "forged", "id": "minion-2", "jid": jid, "cmd": "_return"},
        f"salt/job/{jid}/ret/minion-1": {"return": "forged", "id": "minion-1", "jid": jid, "cmd": "_return"},
        f"salt/job/{jid}/prog/minion-2/1": {"data": {"ret": {"name": "forged"}, "len": 1}},
        f"salt/job/{jid}/prog/minion-2/websocket_api": {"percent": 99, "message": "forged"},
        f"salt/job/{jid}/new": {"jid": jid, "fun": "test.ping", "minions": ["minion-1"], "user": "viewer"},
        f"salt/job/{fake}/new": {"jid": fake, "fun": "test.ping", "minions": ["minion-1"], "user": "viewer"},
        f"salt/run/{fake}/new": {"jid": fake, "fun": "runner.forged", "user": "viewer"},
        "salt/minion/forged/start": {"id": "forged"},
        "salt/presence/present": {"present": ["forged"]},
        "salt/presence/change": {"new": ["forged"], "lost": ["minion-2"]},
        "salt/key": {"id": "forged", "act": "accepted", "result": True},
    }
    run(streams.acting, "test.ping", "minion-*")  # so that both are known to be connected
    before = {minion["id"]: minion["connected"] for minion in streams.acting.ask("list_minions")}
    with canceled(streams.acting, jid):
        for tag, data in forged.items():
            run(streams.acting, "event.send", "minion-1", tag, data)
        seen = streams.so_far(*forged)
        arrived = {frame["tag"] for frame in seen["demo"] if frame.get("minion") == "minion-1"}
        assert arrived >= set(forged), "the forged events did not arrive: this test shows nothing"
        job = streams.acting.ask("get_job", jid=jid)
        assert job["fun"] == "test.sleep"
        assert job["state"] == "running"
        assert set(job["minions"]) == {"minion-2"}
        assert job["minions"]["minion-2"]["state"] in ("pending", "running")
        assert "forged" not in json.dumps(job)
        assert job["progress"] == 0
        assert refused(streams["viewer"], "get_job", jid=fake) == "not_found"
        assert refused(streams["viewer"], "get_job", jid=jid) == "not_found"
        after = {minion["id"]: minion["connected"] for minion in streams.acting.ask("list_minions")}
        assert after == before
        for name in ("viewer", "half"):
            assert "forged" not in json.dumps(seen[name])
