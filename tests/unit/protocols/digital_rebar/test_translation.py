"""Events of Salt as events of Digital Rebar: the table of docs/digital-rebar.md."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from websocket_api.core.events.event import make
from websocket_api.protocols.digital_rebar.translation import TYPES, Translation

from tests.unit.core.support import JID, World

RUN, UNKNOWN = "20261123120000000002", "20261123120000000009"


def by(minion: str, data: Any = None, **more: Any) -> dict[str, Any]:
    """Return what a minion sent, as the master wraps it."""
    return {"id": minion, "cmd": "_minion_event", "data": data or {}, "_stamp": "x", **more}


def world() -> World:
    """Return a core in which `alice` may ping web1 and web2, and `bob` runs a runner."""
    made = World()
    made.publish("web1", "web2", user="alice")
    made.fire(f"salt/run/{RUN}/new", fun="runner.manage.up", user="bob", jid=RUN, fun_args=[])
    return made


TABLE: list[tuple[str, dict[str, Any], list[tuple[str, str, str, str]]]] = [
    (f"salt/job/{JID}/new", {"fun": "test.ping"}, [("jobs", "create", JID, "user:alice")]),
    (f"salt/job/{JID}/ret/web1", {"cmd": "_return", "id": "web1"}, [("jobs", "update", JID, "user:alice")]),
    (f"salt/job/{JID}/prog/web1/0", {"data": {}}, [("jobs", "update", JID, "user:alice")]),
    (f"salt/job/{JID}/prog/web1/0", by("web1"), [("jobs", "update", JID, "user:alice")]),
    # A minion that the job does not target, or of a job that nobody knows
    (f"salt/job/{JID}/prog/db/0", by("db"), [("events", "0", f"salt/job/{JID}/prog/db/0", "minion:db")]),
    (f"salt/job/{UNKNOWN}/prog/db/0", by("db"), [("events", "0", f"salt/job/{UNKNOWN}/prog/db/0", "minion:db")]),
    (f"salt/job/{UNKNOWN}/ret/web1", {"cmd": "_return", "id": "web1"}, [("jobs", "update", UNKNOWN, "master")]),
    (f"salt/job/{JID}/start/web1", {}, [("events", "web1", f"salt/job/{JID}/start/web1", "master")]),
    (f"salt/job/{JID}/error", {"user": "eve"}, [("events", "error", f"salt/job/{JID}/error", "user:eve")]),
    (f"salt/run/{RUN}/new", {"user": "bob"}, [("runs", "create", RUN, "user:bob")]),
    (f"salt/run/{RUN}/ret", {"user": "bob"}, [("runs", "save", RUN, "user:bob")]),
    (f"salt/run/{RUN}/progress", {}, [("runs", "update", RUN, "user:bob")]),
    (f"salt/wheel/{UNKNOWN}/new", {}, [("wheels", "create", UNKNOWN, "master")]),
    (f"salt/wheel/{UNKNOWN}/ret", {}, [("wheels", "save", UNKNOWN, "master")]),
    ("salt/minion/web1/start", {"id": "web1"}, [("minions", "create", "web1", "minion:web1")]),
    ("salt/minion/web1/start", by("web1"), [("minions", "create", "web1", "minion:web1")]),
    ("salt/minion/web1/else", {}, [("events", "else", "salt/minion/web1/else", "master")]),
    ("minion/refresh/web1", {"x": "web1"}, [("minions", "update", "web1", "minion:web1")]),
    (
        "salt/presence/present",
        {"present": ["web1", "web2"]},
        [("minions", "update", "web1", "master"), ("minions", "update", "web2", "master")],
    ),
    (
        "salt/presence/change",
        {"new": ["web1"], "lost": ["web2"]},
        [("minions", "update", "web1", "master"), ("minions", "destroy", "web2", "master")],
    ),
    ("salt/presence/change", {"new": "web1", "lost": None}, []),
    *[
        ("salt/key", {"id": "web1", "act": act}, [("keys", action, "web1", "master")])
        for acts, action in (
            (("accept", "accepted"), "accept"),
            (("reject", "rejected"), "reject"),
            (("pend", "pending"), "pend"),
            (("deny", "denied"), "deny"),
            (("rotate",), "rotate"),
        )
        for act in acts
    ],
    *[
        (
            "salt/key",
            {"id": "web1", "act": act},
            [("keys", "delete", "web1", "master"), ("minions", "destroy", "web1", "master")],
        )
        for act in ("delete", "deleted")
    ],
    ("salt/key", {"act": "accept"}, [("events", "key", "salt/key", "master")]),
    ("salt/auth", {"id": "web1", "act": "accept"}, [("auth", "accept", "web1", "minion:web1")]),
    ("salt/auth", {"id": "web1", "act": 5}, [("events", "auth", "salt/auth", "master")]),
    ("salt/beacon/web1/load/", {"1m": 3.0}, [("beacons", "load", "web1", "minion:web1")]),
    ("salt/beacon/web1/inotify//etc/motd", by("web1"), [("beacons", "inotify", "web1", "minion:web1")]),
    ("myco/app/deploy", {"x": 1}, [("events", "deploy", "myco/app/deploy", "master")]),
    ("myco/app/", {"_user": "ann", "_eauth": "pam"}, [("events", "app", "myco/app/", "user:ann")]),
    ("myco/app/deploy", by("web1", {"_user": "ann"}), [("events", "deploy", "myco/app/deploy", "minion:web1")]),
    ("plain", {}, [("events", "plain", "plain", "master")]),
    ("///", {}, [("events", "///", "///", "master")]),
    ("", {}, [("events", "", "", "master")]),
    ("key", {}, [("events", "key", "key", "master")]),
    ("salt/stats/worker", {}, [("events", "worker", "salt/stats/worker", "master")]),
    (f"salt/batch/{JID}/done", {}, [("events", "done", f"salt/batch/{JID}/done", "master")]),
    # What a minion sends itself is no job, key or minion of anybody else's
    (f"salt/job/{JID}/new", by("web1"), [("events", "new", f"salt/job/{JID}/new", "minion:web1")]),
    ("salt/key", by("web1", {"id": "web2", "act": "delete"}), [("events", "key", "salt/key", "minion:web1")]),
    ("salt/minion/web2/start", by("web1"), [("events", "start", "salt/minion/web2/start", "minion:web1")]),
]


@pytest.mark.parametrize(("tag", "data", "expected"), TABLE, ids=[f"{tag} {i}" for i, (tag, _, _) in enumerate(TABLE)])
def test_each_event_is_translated_as_in_the_table(
    tag: str, data: dict[str, Any], expected: list[tuple[str, str, str, str]]
) -> None:
    """Type, action, key and principal; no other types occur."""
    event, _ = make(1, tag, data, 1700000000.25)
    frames = Translation(world().jobs.get).frames(event, event.body)
    sent = [json.loads(frame.text) for frame in frames]
    assert [(one["Type"], one["Action"], one["Key"], one["Principal"]) for one in sent] == expected
    assert [(frame.type, frame.action, frame.key) for frame in frames] == [one[:3] for one in expected]
    assert {frame.type for frame in frames} <= TYPES[event.topic.kind]
    for one in sent:
        assert list(one) == ["Time", "Type", "Action", "Key", "Principal", "Object", "Original"]
        assert one["Time"] == "2023-11-14T22:13:20.250000000Z"
        assert one["Original"] is None


@pytest.mark.parametrize("seconds", [0.0, 1700000000.0, 1700000000.999999, 1.5])
def test_the_time_is_rfc_3339_with_nanoseconds(seconds: float) -> None:
    """Go's and JavaScript's parsers accept it."""
    event, _ = make(1, "x", {}, seconds)
    (frame,) = Translation(world().jobs.get).frames(event, event.body)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z", json.loads(frame.text)["Time"])


def objects(tag: str, data: dict[str, Any]) -> list[Any]:
    """Return the Objects in the frames of an event."""
    event, _ = make(1, tag, data, 1.0)
    return [json.loads(frame.text)["Object"] for frame in Translation(world().jobs.get).frames(event, event.body)]


def test_the_object_is_the_visible_data_of_the_event() -> None:
    """Data of minions are unwrapped, and a part of a job names its minion."""
    assert objects("my/tag", {"x": 1}) == [{"x": 1}]
    assert objects("my/tag", by("web1", {"x": 1})) == [{"x": 1}]
    assert objects(f"salt/job/{JID}/prog/web1/0", by("web1", {"percent": 5})) == [{"percent": 5, "id": "web1"}]
    assert objects(f"salt/job/{JID}/prog/web1/0", by("web1", [5])) == [{"data": [5], "id": "web1"}]
    for tag in ("salt/beacon/web1/load/", "salt/minion/web1/start", "salt/minion/web1/other", "minion/refresh/web1"):
        assert objects(tag, by("web1", {"x": 1})) == [{"x": 1}], tag
    assert objects("salt/presence/change", {"new": ["web1"], "lost": ["db"]}) == [
        {"id": "web1", "connected": True},
        {"id": "db", "connected": False},
    ]


def test_hidden_parts_of_an_event_are_not_translated() -> None:
    """It is translated once for all equal viewers."""
    event, _ = make(1, "salt/presence/present", {"present": ["web1", "web2"]}, 1.0)
    cut, _ = make(1, "salt/presence/present", {"present": ["web2"]}, 1.0)
    translation = Translation(world().jobs.get)
    assert [frame.key for frame in translation.frames(event, cut.body)] == ["web2"]
    whole = translation.frames(event, event.body)
    assert [frame.key for frame in whole] == ["web1", "web2"]
    assert translation.frames(event, event.body) is whole


def test_find_job_is_not_translated_as_a_job() -> None:
    """Every waiting client of Salt sends it, this engine too."""
    made = World()
    made.publish("web1", fun="saltutil.find_job")
    translation = Translation(made.jobs.get)
    for tag, data in ((f"salt/job/{JID}/new", {}), (f"salt/job/{JID}/ret/web1", {"cmd": "_return", "id": "web1"})):
        event, _ = make(1, tag, data, 1.0)
        assert translation.frames(event, event.body) == ()
