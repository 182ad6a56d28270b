"""Digital Rebar's protocol on a real master with two minions: jobs from start to end, and who sees them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import salt.utils.event
from websocket import WebSocketBadStatusException

from tests.client import PATIENCE, Client

pytestmark = [pytest.mark.slow, pytest.mark.both_lines]

Frame = dict[str, Any]
ID = "rebar.example.com"


class Rebar:
    """A client of this protocol."""

    def __init__(self, url: str, user: str) -> None:
        self.client = Client(f"{url}api/v3/ws?token={user}:demo")
        self.user = user

    def register(self, *filters: str) -> Rebar:
        for text in filters:
            self.client.send(f"register {text}")
            ack = self.client.recv()
            assert (ack["Type"], ack["Action"], ack["Key"]) == ("websocket", "register", text)
        return self

    def until(self, last: Callable[[Frame], Any], timeout: float = PATIENCE) -> list[Frame]:
        """Return the frames up to and with the first for which ``last`` is true."""
        frames: list[Frame] = []
        while not frames or not last(frames[-1]):
            frames.append(self.client.recv(timeout))
        return frames


@pytest.fixture
def rebar(engine_url: str) -> Iterator[Callable[..., Rebar]]:
    """Make clients that are closed after the test: ``rebar("demo", "jobs.*.*")``."""
    made: list[Rebar] = []

    def make(user: str, *filters: str) -> Rebar:
        made.append(Rebar(engine_url, user))
        return made[-1].register(*filters)

    yield make
    for one in made:
        one.client.close()


def of_job(frames: list[Frame], jid: str) -> list[Frame]:
    return [frame for frame in frames if frame["Key"] == jid]


def test_a_job_from_its_beginning_to_its_end(rebar: Callable[..., Rebar], demo: Client) -> None:
    """It is created, updated by each return, and saved once with the job object."""
    watcher = rebar("demo", "jobs.*.*", "*.save.*")
    jid = demo.ask("cmd", fun="test.ping", tgt="*")["jid"]
    frames = of_job(watcher.until(lambda frame: (frame["Action"], frame["Key"]) == ("save", jid)), jid)
    assert [frame["Action"] for frame in frames] == ["create", "update", "update", "save"]
    assert {frame["Type"] for frame in frames} == {"jobs"}
    assert {frame["Principal"] for frame in frames} == {"user:demo"}
    create, *updates, save = frames
    assert create["Object"]["fun"] == "test.ping"
    assert sorted(frame["Object"]["id"] for frame in updates) == ["minion-1", "minion-2"]
    assert all(frame["Object"]["return"] is True for frame in updates)
    assert save["Object"] == demo.ask("get_job", jid=jid)
    assert save["Object"]["state"] == "complete"
    # No second end.
    later = demo.ask("cmd", fun="test.ping", tgt="minion-1")["jid"]
    rest = watcher.until(lambda frame: (frame["Action"], frame["Key"]) == ("save", later))
    assert of_job(rest, jid) == []


def test_each_user_sees_what_salt_would_show(rebar: Callable[..., Rebar], demo: Client) -> None:
    """A user without permission sees nothing of a job; a user of one minion sees the part of that minion."""
    watchers = {name: rebar(name, "*.*.*") for name in ("demo", "viewer", "half")}
    hidden = demo.ask("cmd", fun="test.echo", tgt="*", arg=["canary-echo"], mode="sync", timeout=30)["jid"]
    demo.ask("runner", fun="test.arg", arg=["canary-runner"], mode="sync")
    number = demo.ask("subscribe", subscription="event", tag="myco/")["subscription"]
    demo.ask("event", tag="myco/fired", body={"x": "canary-event"})
    demo.tags_arrived(number, ["myco/fired"])
    shown = demo.ask("cmd", fun="test.ping", tgt="*")["jid"]
    seen = {
        name: watcher.until(lambda frame: (frame["Action"], frame["Key"]) == ("save", shown))
        for name, watcher in watchers.items()
    }
    assert "canary" not in json.dumps(seen["viewer"])
    assert of_job(seen["viewer"], hidden) == []
    assert [frame["Action"] for frame in of_job(seen["viewer"], shown)] == ["create", "update", "update", "save"]

    assert [frame["Action"] for frame in of_job(seen["half"], hidden)] == ["create", "update", "save"]
    assert "minion-2" not in json.dumps(of_job(seen["half"], hidden) + of_job(seen["half"], shown))
    cut = of_job(seen["half"], hidden)[-1]["Object"]
    assert (list(cut["minions"]), cut["total"], cut["tgt"], cut["arg"]) == (["minion-1"], 1, None, None)
    assert "canary-runner" not in json.dumps(seen["half"])
    assert "canary-event" not in json.dumps(seen["half"])

    everything = {(frame["Type"], frame["Action"], frame["Key"]) for frame in seen["demo"]}
    assert ("events", "fired", "myco/fired") in everything
    assert {("runs", "create"), ("runs", "save")} <= {one[:2] for one in everything}
    fired = next(frame for frame in seen["demo"] if frame["Key"] == "myco/fired")
    assert fired["Principal"] == "user:demo"
    assert fired["Object"]["x"] == "canary-event"


def test_a_job_ends_although_a_minion_does_not_answer(rebar: Callable[..., Rebar], demo: Client) -> None:
    """As a client waits, the engine asks which minions still run it; those that do not answer are missing."""
    silent = "silent.example.com"
    demo.ask("wheel", fun="key.gen_accept", kwarg={"id_": silent}, mode="sync")
    try:
        watcher = rebar("viewer", "jobs.*.*")
        started = demo.ask("cmd", fun="test.ping", tgt=["minion-1", silent], pattern_type="list")
        assert sorted(started["minions"]) == ["minion-1", silent]
        jid = started["jid"]
        heard = watcher.until(lambda frame: (frame["Key"], frame["Action"]) == (jid, "save"), timeout=60)
        frames = [frame for frame in heard if frame["Key"] >= jid]  # late returns to what other tests asked are older
        assert {frame["Key"] for frame in frames} == {jid}, "Salt's own questions are no jobs"
        assert [frame["Action"] for frame in frames] == ["create", "update", "save"]
        job = frames[-1]["Object"]
        assert (job["state"], job["missing"]) == ("partial", 1)
        assert job["minions"][silent]["state"] == "missing"
        assert job["minions"]["minion-1"]["return"] is True
    finally:
        demo.ask("wheel", fun="key.delete", kwarg={"match": silent}, mode="sync")


def test_events_of_the_master_and_its_minions(rebar: Callable[..., Rebar], demo: Client, salt_master: Any) -> None:
    """Keys, minions, presence, beacons, wheels and minions' events have the types of the table."""
    watcher = rebar("demo", "keys,auth,minions,beacons,wheels,events.*.*")
    number = demo.ask("subscribe", subscription="event", tag="")["subscription"]
    fired = [
        (f"salt/minion/{ID}/start", {"id": ID}),
        ("salt/presence/change", {"new": [ID], "lost": ["lost.example.com"]}),
        ("salt/key", {"id": ID, "act": "accepted", "result": True}),
        ("salt/auth", {"id": ID, "act": "pend", "result": True}),
        (f"salt/beacon/{ID}/load/", {"id": ID, "1m": 3.0}),
        ("salt/key", {"id": ID, "act": "delete", "result": True}),
    ]
    with salt.utils.event.get_master_event(salt_master.config, salt_master.config["sock_dir"], listen=False) as bus:
        for tag, data in fired:
            bus.fire_event(data, tag)
    wheel = demo.ask("wheel", fun="key.list_all")["jid"]
    demo.tags_arrived(number, [*(tag for tag, _ in fired), f"salt/wheel/{wheel}/ret"])
    demo.ask("cmd", fun="event.send", tgt="minion-1", arg=["myco/rebar/last", {"y": 2}])
    frames = watcher.until(lambda frame: frame["Key"] == "myco/rebar/last")
    heard = [(frame["Type"], frame["Action"], frame["Principal"]) for frame in frames if frame["Key"] == ID]
    assert heard == [
        ("minions", "create", "minion:" + ID),
        ("minions", "update", "master"),
        ("keys", "accept", "master"),
        ("auth", "pend", "minion:" + ID),
        ("beacons", "load", "minion:" + ID),
        ("keys", "delete", "master"),
        ("minions", "destroy", "master"),
    ]
    assert ("minions", "destroy", "lost.example.com") in [(one["Type"], one["Action"], one["Key"]) for one in frames]
    assert [(one["Type"], one["Action"]) for one in of_job(frames, wheel)] == [("wheels", "create"), ("wheels", "save")]
    last = frames[-1]
    assert (last["Type"], last["Action"], last["Principal"], last["Object"]["y"]) == (
        "events",
        "last",
        "minion:minion-1",
        2,
    )


def test_no_secret_is_shown_or_logged(
    rebar: Callable[..., Rebar], demo: Client, engine_url: str, salt_master: Any
) -> None:
    """Token and password of the URL stay out of the master's log, and secrets on the bus out of every frame."""
    path = Path(salt_master.config["log_file"])
    began = path.stat().st_size
    token = demo.login("demo")["token"]
    watcher = rebar("demo", "*.*.*")
    with Client(f"{engine_url}api/v3/ws?Token={token}") as by_token:
        by_token.send("register *.*.*")
        by_token.recv()
    with pytest.raises(WebSocketBadStatusException) as refused:
        Client(f"{engine_url}api/v3/ws?token=demo:canary-password")
    assert refused.value.status_code == 403
    load = {"fun": "cmd.run", "kwargs": {"token": token, "password": "canary-password"}}
    with salt.utils.event.get_master_event(salt_master.config, salt_master.config["sock_dir"], listen=False) as bus:
        bus.fire_event(load, "salt/job/20200101000000000009/error")
    error = watcher.until(lambda frame: frame["Key"] == "salt/job/20200101000000000009/error")[-1]
    assert (error["Type"], error["Action"]) == ("events", "error")
    assert error["Object"]["kwargs"] == {"token": "(redacted)", "password": "(redacted)"}
    log = path.read_bytes()[began:].decode(errors="replace")
    assert "operation=auth outcome=unauthenticated" in log
    for secret in (token, "canary-password", "demo:demo"):
        assert secret not in log
