"""Large values are encoded in short steps, to the same value as in one step."""

from __future__ import annotations

import itertools
import json
import random
from typing import Any

import msgpack
import pytest
import yaml
from websocket_api.core.delivery import chunked_encoding, codecs
from websocket_api.core.events.encoding import MAX_DEPTH, encode, plain
from websocket_api.core.weighed import Weighed
from websocket_api.errors import ApiError
from websocket_api.protocols.http import content

from tests.unit.core.support import Client

LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
LONG = "ä\u2028\n  'x' " * 1000
NESTED: Any = ["bottom"] * 2000
for _ in range(MAX_DEPTH + 100):
    NESTED = [NESTED, 1]

LARGE: dict[str, Any] = {
    "numbers": list(range(5000)),
    "a tuple": tuple(range(5000)),
    "texts": [LONG] * 40,
    "one text": LONG * 10,
    "names": {f"name {number}": number for number in range(5000)},
    "long names": {f"{number} {LONG}": None for number in range(30)},
    "empty ones": [[], {}, "", None] * 1000,
    "one large among small": {"a": 1, "b": {"c": [{"d": list(range(3000))}, 2]}, "e": []},
    "large ones": [{"arg": [list(range(1500))], "kwarg": {LONG: list(range(1500))}}] * 3,
    "odd keys": {number: {None: True, 1.5: b"x"} for number in range(2000)},
    "keys that become equal": {**{str(number): "text" for number in range(2000)}, 1: "number", "x": [2] * 2000},
    "odd values": [float("nan"), 2**70, b"\xff", {1, 2}, "\ud800"] * 500,
    "nested deeply": NESTED,
    "weighed": Weighed({f"m{number}": {"return": [1] * 20} for number in range(500)}, [30] * 500),
    "weighed, one is large": Weighed({"a": [1], "b": list(range(5000)), "c": "x"}, [2, 5001, 1]),
    "weighed, odd keys": {"x": [2] * 2000, "y": Weighed({"\ud800": 1, "b": {}}, [1, 1])},
}


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the values above be large in JSON too."""
    monkeypatch.setattr(type(chunked_encoding.JSON_WRITER), "values", chunked_encoding.VALUES)


@pytest.mark.parametrize("name", LARGE)
def test_json_in_chunks_is_the_same_value(name: str) -> None:
    """As a client reads it."""
    found = b"".join(chunked_encoding.encoded_chunks(LARGE[name], chunked_encoding.JSON_WRITER))
    assert json.loads(found) == json.loads(encode(LARGE[name]))


@pytest.mark.parametrize("name", LARGE)
def test_msgpack_in_chunks_is_the_same_value(name: str) -> None:
    """As a client reads it."""
    (found,) = filter(None, codecs.MSGPACK.steps([LARGE[name]]))
    assert msgpack.unpackb(found) == msgpack.unpackb(codecs.MSGPACK.encode(LARGE[name]))


@pytest.mark.parametrize("name", LARGE)
def test_yaml_in_chunks_is_the_same_value(name: str) -> None:
    """As a client reads it."""
    found = b"".join(content.steps(LARGE[name], content.YAML))
    assert yaml.load(found, LOADER) == plain(LARGE[name])


def values(chance: random.Random, depth: int = 0) -> Any:
    """Return a value of some shape and size."""
    kind = chance.random()
    if depth < 4 and kind < 0.3:
        return [values(chance, depth + 1) for _ in range(chance.choice([0, 1, 3, 12]))]
    if depth < 4 and kind < 0.6:
        return {chance.choice("abc:#-'") * chance.randint(0, 140): values(chance, depth + 1) for _ in range(4)}
    return chance.choice([None, True, 1, -1.5, "", "- a", "a: b", "\n", " x\n\n y ", "'", "1_0", LONG[:300], "é" * 90])


@pytest.mark.parametrize("seed", range(10))
def test_any_shape_is_the_same_value_in_every_format(seed: int) -> None:
    """Whatever is nested in whatever."""
    value = [values(random.Random(seed)) for _ in range(8)]
    assert json.loads(b"".join(chunked_encoding.encoded_chunks(value, chunked_encoding.JSON_WRITER))) == value
    assert msgpack.unpackb(b"".join(codecs.MSGPACK.steps([value]))) == value
    assert yaml.load(b"".join(content.steps(value, content.YAML)), LOADER) == value


@pytest.mark.parametrize("name", LARGE)
def test_a_chunk_is_small(name: str) -> None:
    """No writer gets a large value, but for one text, which cannot be split."""
    seen = []

    class Seen(type(chunked_encoding.JSON_WRITER)):  # type: ignore[misc]
        def whole(self, value: Any, depth: int) -> bytes:
            seen.append(value)
            return b"[]"

    maximum = Seen.values
    list(chunked_encoding.encoded_chunks(LARGE[name], Seen()))
    assert len(seen) > 1 or name == "one text"
    for value in seen:
        assert chunked_encoding.weight(value, maximum) <= maximum + 2 or name in ("one text", "nested deeply")


def test_counting_stops_at_the_limit() -> None:
    """To find out that a value is large takes a short time."""

    class Watched(list[Any]):
        def __iter__(self) -> Any:
            raise AssertionError("was read")

    assert chunked_encoding.weight(Watched(range(10_000))) > chunked_encoding.VALUES


def test_a_reply_that_is_too_large_is_refused_before_it_is_whole() -> None:
    """Its encoding ends at the limit."""
    steps = codecs.JSON.steps([LARGE["numbers"] * 100], 10_000)
    seen = itertools.count()
    with pytest.raises(ApiError, match="larger than `outbox_bytes`"):
        any(next(seen) is None for _ in steps)
    assert next(seen) < 100


@pytest.mark.parametrize("codec", codecs.CODECS.values(), ids=codecs.CODECS)
def test_steps_end_with_the_frame(codec: codecs.Codec) -> None:
    """All but the last are empty, and several messages leave together."""
    connection = Client().connection
    connection.codec = codec
    messages = [{"a": 1}, {"b": list(range(5000))}, {"c": 2}]
    *before, last = connection.steps(*messages)
    assert len(before) > 5
    assert set(before) == {b""}
    assert last == connection.frame(*messages)
    assert list(connection.steps({"a": 1})) == [connection.frame({"a": 1})]
