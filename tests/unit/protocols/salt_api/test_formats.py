"""The formats of salt-api's streams: the frames of saltnado and rest_cherrypy."""

from __future__ import annotations

import json
from typing import Any

import pytest
from websocket_api.core.delivery import frames
from websocket_api.core.delivery.codecs import Codec
from websocket_api.core.events import encoding
from websocket_api.core.events.event import Event, make
from websocket_api.core.jobs.job import Job
from websocket_api.core.jobs.job_object import job_object
from websocket_api.core.jobs.part import Part
from websocket_api.errors import ApiError
from websocket_api.protocols.salt_api.formats import (
    ALL_EVENTS,
    CHERRYPY_EVENTS,
    CHERRYPY_FORMATTED,
    FORMATTED_EVENTS,
    position,
    server_sent,
)

SENT = server_sent("epoch1")
JID = "20261123120000000001"
STAMP = "2026-11-23T12:00:00.000001"


@pytest.fixture(params=["orjson", "json"], autouse=True)
def encoder(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both encoders produce the same layout of an event."""
    if request.param == "json":
        monkeypatch.setattr(encoding, "orjson", None)
    elif encoding.orjson is None:
        pytest.skip("orjson is not installed here")


def event(tag: str, /, **data: Any) -> Event:
    return make(7, tag, data, 0.0)[0]


def seen(one: Event) -> dict[str, Any]:
    """Return an event's body in the native protocol."""
    value: dict[str, Any] = json.loads(b"{" + one.body + b"}")
    return value


def written(codec: Codec, one: Event) -> bytes:
    return codec.event(3, codec.body(one, one.body))


DATA: list[dict[str, Any]] = [
    {},
    {"a": ["ä", 1.5, None, {"b": True}]},
    {"text": 'line\nbreak\r "quoted" \\ '},
    {"bytes": b"\xff", "big": 10**30, "odd": "a\ud800", "nan": float("nan"), 1: 2},
]


@pytest.mark.parametrize("data", DATA, ids=range(len(DATA)))
@pytest.mark.parametrize("tag", ["my/tag", 'a "quoted" \\ tag', "tag\nwith\rbreaks", "", "half \ud800"])
def test_an_event_has_its_tag_and_data(tag: str, data: dict[str, Any]) -> None:
    """Any tag and data are possible; server-sent events have one line for each field."""
    one = event(tag, **{str(name): value for name, value in data.items()})
    shown_ = seen(one)
    wanted = {"tag": shown_["tag"], "data": shown_["data"]}
    assert json.loads(written(ALL_EVENTS, one)) == wanted
    lines = written(SENT, one).split(b"\n")
    assert [line.partition(b":")[0] for line in lines] == [b"tag", b"data", b"id", b"", b""]
    assert (lines[2], b"\r" in b"".join(lines)) == (b"id: epoch1-7", False)
    assert json.loads(lines[1].removeprefix(b"data: ")) == wanted
    assert written(CHERRYPY_EVENTS, one) == b"data: %b\n\n" % written(ALL_EVENTS, one)


@pytest.mark.parametrize("data", ["text", None, {"minion": "x", "data": {"a": 1}}, {"bytes": b"\xff"}], ids=repr)
@pytest.mark.parametrize("sender", ["web1", "odd \ud800", ""])
def test_data_from_a_minion_is_wrapped(data: Any, sender: str) -> None:
    """Salt's bus wraps it too, and salt-api's clients read the sender inside."""
    one = event("my/tag", cmd="_minion_event", id=sender, tag="my/tag", pretag=None, data=data, _stamp=STAMP)
    shown_ = seen(one)
    wanted = {"id": shown_["minion"], "tag": "my/tag", "data": shown_["data"], "cmd": "_minion_event", "_stamp": STAMP}
    assert json.loads(written(ALL_EVENTS, one)) == {"tag": "my/tag", "data": wanted}


@pytest.mark.parametrize("codec", [ALL_EVENTS, CHERRYPY_EVENTS, SENT])
def test_an_event_is_encoded_once_for_all_clients(codec: Codec) -> None:
    """All clients share the bytes; a redacted event has other bytes."""
    one = event("my/tag", a=1)
    whole = codec.body(one, one.body)
    assert codec.body(one, one.body) is whole
    assert codec.body(one, one.body.replace(b":1", b":2")) != whole
    assert codec.events(1, [whole, whole]) == whole + whole


def test_all_connections_share_one_format_object() -> None:
    """Subscriptions share frames by the identity of their format."""
    assert server_sent("epoch1") is SENT
    assert server_sent("other") is not SENT


GAP = frames.gap(1, "history", count=3, first=5, last=7, oldest=8)
OTHERS = [frames.live(1, 7), frames.bookmark(1, "epoch1", 7), frames.ended(1, ApiError("token_expired", "it ended"))]


def test_a_gap_is_sent() -> None:
    """It is a comment, or an event of the engine's own in formats without comments."""
    told = {"reason": "history", "count": 3, "from": 5, "to": 7, "oldest": 8}
    comment = SENT.encode(GAP)
    assert comment.startswith(b": gap ")
    assert comment.endswith(b"}\n\n")
    assert json.loads(comment.removeprefix(b": gap ")) == told
    assert json.loads(ALL_EVENTS.encode(GAP)) == {"tag": "websocket_api/gap", "data": told}
    assert CHERRYPY_EVENTS.encode(GAP) == b"data: %b\n\n" % ALL_EVENTS.encode(GAP)
    assert FORMATTED_EVENTS.pack([GAP]) == CHERRYPY_FORMATTED.pack([GAP]) == []


@pytest.mark.parametrize("message", OTHERS, ids=lambda message: str(message["type"]))
def test_messages_without_a_form_in_salt_api_are_not_sent_as_events(message: dict[str, Any]) -> None:
    """Its clients would parse anything but a comment as an event."""
    assert ALL_EVENTS.encode(message) == FORMATTED_EVENTS.encode(message) == b""
    comment = SENT.encode(message)
    assert not comment or (
        comment.startswith(b": ended {") and comment.endswith(b"}\n\n") and comment.count(b"\n") == 2
    )


@pytest.mark.parametrize("codec", [ALL_EVENTS, SENT, FORMATTED_EVENTS, CHERRYPY_EVENTS, CHERRYPY_FORMATTED])
def test_a_format_of_a_stream_decodes_no_message(codec: Codec) -> None:
    """These formats are for sending only."""
    with pytest.raises(ValueError, match="for sending only"):
        codec.decode("{}")


# Formatted events


def job(jid: str = JID, **parts: Part) -> dict[str, Any]:
    one = Job(jid, fun="test.ping", tgt="*", tgt_type="glob", start_time=STAMP, arg=["secret"], user="ann", parts=parts)
    view = job_object(one)
    return frames.job(2, 7, view, view.pop("minions"))


def told(*messages: dict[str, Any]) -> list[dict[str, Any]]:
    packed = FORMATTED_EVENTS.pack(messages)
    assert all(text.endswith(b"}\n\n") for text in packed)
    return [json.loads(text) for text in packed]


def test_a_job_has_saltnados_format() -> None:
    """It has no other fields; a minion that has not returned is no success, and has no return."""
    parts = {
        "a": Part("returned", value={"x": 1}, retcode=0, success=True),
        "b": Part("failed", value="no", retcode=2, success=False),
        "c": Part("running", progress=50.0, message="half"),
        "d": Part("missing"),
    }
    wanted = {"jid": JID, "fun": "test.ping", "tgt": "*", "tgt_type": "glob", "start_time": STAMP, "state": "running"}
    minions = {
        "a": {"return": {"x": 1}, "retcode": 0, "success": True},
        "b": {"return": "no", "retcode": 2, "success": False},
        "c": {"success": False},
        "d": {"success": False},
    }
    assert told(job(**parts)) == [{"jobs": {JID: {**wanted, "minions": minions}}}]


def test_jobs_that_are_sent_together_are_one_frame() -> None:
    """Further chunks of a large job get frames of their own: they would replace the first chunk."""
    other = "20261123120000000002"
    (one,) = told(job(a=Part()), job(other, a=Part()))
    assert list(one["jobs"]) == [JID, other]
    first, second = told(job(a=Part()), job(b=Part()))
    assert (list(first["jobs"][JID]["minions"]), list(second["jobs"][JID]["minions"])) == (["a"], ["b"])


def test_a_runner_is_not_sent() -> None:
    """saltnado sends jobs on minions only."""
    view = job_object(Job(JID, kind="runner", fun="manage.up"))
    assert told(frames.job(2, 7, view, view.pop("minions"))) == []


def test_minions_have_saltnados_format() -> None:
    """Id and grains, which are empty if the user may not see them; a removed minion is an object too."""
    view = {"id": "a", "key": "accepted", "connected": True, "seen": None, "grains": {"os": "Debian"}}
    (one,) = told(frames.minions(1, 7, {"a": view, "b": {**view, "id": "b", "grains": None}, "c": None}))
    assert one == {
        "minions": {
            "a": {"id": "a", "grains": {"os": "Debian"}},
            "b": {"id": "b", "grains": {}},
            "c": {"id": "c", "grains": {}, "gone": True},
        }
    }


@pytest.mark.parametrize(
    ("text", "since"),
    [
        ("abc123-7", {"epoch": "abc123", "seq": 7}),
        (None, None),
        ("", None),
        ("7", None),
        ("abc123", None),
        ("abc123-", None),
        ("abc123--7", None),
        ("abc123-7\n", None),
        ("ABC-7", None),
        ("abc123-" + "9" * 16, None),
        ("a" * 65 + "-7", None),
    ],
)
def test_a_position_is_parsed_from_an_id(text: str | None, since: dict[str, Any] | None) -> None:
    """Other texts than an engine's id count as no position."""
    assert position(text) == since
