"""Both formats carry the same messages."""

from __future__ import annotations

import json
from typing import Any

import msgpack
import pytest
from websocket_api.core.delivery import frames
from websocket_api.core.delivery.codecs import CODECS, JSON, MSGPACK, Codec, Prepared
from websocket_api.core.events.event import Event, encode_body, make

READ: dict[str, Any] = {JSON.name: json.loads, MSGPACK.name: lambda data: msgpack.unpackb(data, strict_map_key=False)}
VALUES = [{"a": [1, None, True, "ä", 1.5]}, [], True, None, "x", {"bytes": b"\xff"}, {1: 2}, {"nan": float("nan")}]


def event() -> Event:
    return make(7, "a/b", {}, 0.0)[0]


@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
@pytest.mark.parametrize("minion", [None, "web"])
def test_an_event_is_the_same_in_every_format(codec: Codec, minion: str | None) -> None:
    """A frame that is joined from an encoded body parses to the whole message."""
    part = codec.body(event(), encode_body(7, "a/b", {"x": ["y", 1]}, minion))
    wanted = {"seq": 7, "tag": "a/b", "data": {"x": ["y", 1]}, **({"minion": minion} if minion else {})}
    assert READ[codec.name](codec.event(3, part)) == {"type": "event", "subscription": 3, **wanted}
    assert READ[codec.name](codec.events(300, [part, part])) == {
        "type": "events",
        "subscription": 300,
        "events": [wanted, wanted],
    }


@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
@pytest.mark.parametrize("request_id", [None, 0, 2**53, "a", 'ä\u2028"\\'], ids=repr)
def test_a_prepared_result_gives_the_same_bytes_as_a_whole_reply(codec: Codec, request_id: Any) -> None:
    """And it is encoded once for all users."""
    prepared = Prepared({"a": [1, None, "ä"]})
    assert codec.result(request_id, prepared.encoded(codec)) == codec.encode(frames.result(request_id, prepared.value))
    assert prepared.encoded(codec) is prepared.encoded(codec)


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_both_formats_carry_the_same_value(value: Any) -> None:
    """What a client reads does not depend on its format."""
    assert READ[MSGPACK.name](MSGPACK.encode(value)) == READ[JSON.name](JSON.encode(value))


def test_integers_beyond_msgpack_are_text() -> None:
    """msgpack has no integers over 64 bits; the event and its other values stay."""
    assert READ[MSGPACK.name](MSGPACK.encode({"big": 10**30, "small": 1})) == {"big": str(10**30), "small": 1}


def test_a_body_is_encoded_once_per_format() -> None:
    """A second request for the same event gets the same bytes."""
    same = event()
    first = MSGPACK.body(same, encode_body(1, "t", {}))
    assert MSGPACK.body(same, encode_body(1, "t", {})) is first


@pytest.mark.parametrize("value", [{b"x": 1}, {"kwargs": {b"x": 1}}, [{"a": [{b"x": 1}]}]])
def test_a_key_of_bytes_is_refused(value: Any) -> None:
    """JSON cannot have one, and no other code expects one."""
    with pytest.raises(ValueError, match="ValueError"):
        MSGPACK.decode(msgpack.packb(value))


@pytest.mark.parametrize(("codec", "data"), [(JSON, b"{}"), (JSON, "{"), (MSGPACK, "{}"), (MSGPACK, b"\xc1")])
def test_data_of_another_format_is_refused(codec: Codec, data: str | bytes) -> None:
    """Binary in the text format, text in the binary one, and broken data of either."""
    with pytest.raises(ValueError):  # noqa: PT011 - each library has its own words
        codec.decode(data)
