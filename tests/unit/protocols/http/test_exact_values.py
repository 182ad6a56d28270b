"""Each decoder of clients' data returns the exact value or refuses it: one table for all decoders."""

from __future__ import annotations

import asyncio
import json
import math
import struct
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import msgpack
import pytest
from websocket_api.core.delivery.codecs import JSON, MSGPACK
from websocket_api.core.events import encoding
from websocket_api.errors import ApiError
from websocket_api.protocols.http import content

REFUSED = "refused"
HUGE = 340282366920938463463374607431768211455


def _body(kind: str) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        return asyncio.run(content.read(text.encode("utf-8", "surrogatepass"), kind))

    return read


TEXT_DECODERS: dict[str, Callable[[str], Any]] = {
    "native JSON": JSON.decode,
    "JSON body": _body("application/json"),
    "JSON body without a type": lambda text: asyncio.run(content.read(text.encode("utf-8", "surrogatepass"), None)),
}
JSON_VALUES: dict[str, tuple[str, Any]] = {
    "64 bits": ("18446744073709551615", 2**64 - 1),
    "least of 64 bits": ("-9223372036854775808", -(2**63)),
    "above 64 bits": ("18446744073709551616", 2**64),
    "below 64 bits": ("-9223372036854775809", -(2**63) - 1),
    "128 bits": (str(HUGE), HUGE),
    "128 bits, inside": (f'{{"arg": [ \n{HUGE}, [{HUGE}], {{"a":{HUGE}}}]}}', {"arg": [HUGE, [HUGE], {"a": HUGE}]}),
    "1000 digits": ("9" * 1000, 10**1000 - 1),
    "1001 digits": ("9" * 1001, REFUSED),
    "100,000 digits": ("9" * 100_000, REFUSED),
    "a jid as text": ('"20261123231443246660"', "20261123231443246660"),
    "a jid as a number": ("20261123231443246660", 20261123231443246660),
    "minus zero": ("[-0, -0.0]", [0, -0.0]),
    "more digits than a double has": ("0.1000000000000000055511151231257827", 0.1),
    "an integer with an exponent": ("1e3", 1000.0),
    "beyond a double": ("1e999", REFUSED),
    "far beyond a double": ("-1" + "0" * 5000 + ".0", REFUSED),
    "NaN": ("NaN", REFUSED),
    "Infinity": ("[-Infinity]", REFUSED),
    "half a surrogate pair": ('"\\ud800"', REFUSED),
    "half a surrogate pair as a name": ('{"\\udfff": 1}', REFUSED),
    "a surrogate pair": ('"\\ud83d\\ude00"', "\U0001f600"),
    "a zero byte": ('"\\u0000"', "\0"),
    "a name twice": ('{"tgt": "web1", "tgt": "*"}', REFUSED),
    "a name twice, inside": ('[{"a": {"b": 1, "c": 2, "b": 1}}]', REFUSED),
    "a name twice, once escaped": ('{"tgt": "web1", "t\\u0067t": "*"}', REFUSED),
    "a name twice, hidden by a colon": ('{"a": 1, "a": "\\u003a"}', REFUSED),
    "a name twice, hidden by two colons": ('{"a": 1, "b:": "\\u003A\\u003a", "a": 1}', REFUSED),
    "a name twice beside a large integer": (f'{{"a": 1, "a": {HUGE}}}', REFUSED),
    "colons in text": (
        '{"a:b": "c:d", "e": "\\":", "f": "\\\\u003a"}',
        {"a:b": "c:d", "e": '":', "f": "\\u003a"},
    ),
    "the empty name twice": ('{"": 1, "": 2}', REFUSED),
    "the name of a prototype": ('{"__proto__": 1}', {"__proto__": 1}),
    "100 levels": ("[" * 100 + "]" * 100, None),
    "101 levels": ("[" * 102 + "]" * 102, REFUSED),
    "100,000 levels": ("[" * 100_000, REFUSED),
    "levels of objects": ('{"a":' * 102 + "1" + "}" * 102, REFUSED),
    "a comma at the end": ("[1,]", REFUSED),
    "a byte order mark": ("\ufeff1", REFUSED),
    "two values": ("1 2", REFUSED),
    "a leading zero": ("0644", REFUSED),
    "hexadecimal": ("0x1F", REFUSED),
    "a number as a name": ("{1: 2}", REFUSED),
}


@pytest.fixture(params=["orjson", "json"])
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Decode with each of the two libraries."""
    if request.param == "json":
        monkeypatch.setattr(encoding, "orjson", None)
    elif encoding.orjson is None:
        pytest.skip("orjson is not installed here")


def _read(decode: Callable[[Any], Any], given: Any) -> Any:
    try:
        return decode(given)
    except ValueError:
        return REFUSED
    except ApiError as fault:
        return REFUSED if fault.code == "bad_json" else fault.code


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("decode", TEXT_DECODERS.values(), ids=TEXT_DECODERS)
@pytest.mark.parametrize(("text", "value"), JSON_VALUES.values(), ids=JSON_VALUES)
def test_json_is_decoded_exactly_or_refused(decode: Callable[[str], Any], text: str, value: Any) -> None:
    """Both libraries and all protocols agree."""
    found = _read(decode, text)
    if value is None:
        assert found != REFUSED
        return
    # By repr: 1 == 1.0 == True, and 0.0 == -0.0.
    assert repr(found) == repr(value)


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize(("text", "value"), JSON_VALUES.values(), ids=JSON_VALUES)
def test_plain_text_is_json_or_text(text: str, value: Any) -> None:
    """A text that is not exact JSON stays a text."""
    found = asyncio.run(content.read(text.encode("utf-8", "surrogatepass"), "text/plain"))
    if value is not None:
        assert repr(found) == repr(text if value == REFUSED else value)


def _pack(value: Any) -> bytes:
    return bytes(msgpack.packb(value))


MSGPACK_VALUES: dict[str, tuple[bytes, Any]] = {
    "64 bits": (_pack(2**64 - 1), 2**64 - 1),
    "least of 64 bits": (_pack(-(2**63)), -(2**63)),
    "a double": (_pack(0.1), 0.1),
    "a single": (b"\xca" + struct.pack(">f", 1.5), 1.5),
    "minus zero": (_pack(-0.0), -0.0),
    "NaN": (_pack({"arg": [math.nan]}), REFUSED),
    "infinity": (_pack([[math.inf]]), REFUSED),
    "binary data": (_pack({"arg": [b"\xff"]}), REFUSED),
    "binary data that is text": (_pack([b"abc"]), REFUSED),
    "text that is not UTF-8": (b"\xa1\xff", REFUSED),
    "half a surrogate pair": (b"\xa3\xed\xa0\x80", REFUSED),
    "Salt's date": (_pack(msgpack.ExtType(78, b"20260102T03:04:05.000000")), REFUSED),
    "Salt's constant": (_pack({"a": msgpack.ExtType(79, b"\x92\xa1a\x01")}), REFUSED),
    "an unknown extension": (_pack([msgpack.ExtType(5, b"x")]), REFUSED),
    "a timestamp": (_pack([msgpack.Timestamp(1, 2)]), REFUSED),
    "an extension as a key": (b"\x81\xd4\x05x\x01", REFUSED),
    "a number as a key": (_pack({1: 2}), REFUSED),
    "a key that is nothing": (_pack({None: 2}), REFUSED),
    "bytes as a key": (_pack({b"a": 2}), REFUSED),
    "a key twice": (b"\x82\xa1a\x01\xa1a\x02", REFUSED),
    "a key twice, inside": (b"\x91\x81\xa1x\x82\xa1a\x01\xa1a\x01", REFUSED),
    "two values": (b"\x01\x02", REFUSED),
    "nothing": (b"", REFUSED),
    "the first half": (b"\x92\x01", REFUSED),
    "a list that is shorter than it says": (b"\xdd\xff\xff\xff\xff\x01", REFUSED),
    "a map that is shorter than it says": (b"\xdf\x00\x01\x00\x00\xa1a\x01", REFUSED),
    "the unused byte": (b"\xc1", REFUSED),
    "100 levels": (b"\x91" * 100 + b"\x01", None),
    "101 levels": (b"\x91" * 102 + b"\x01", REFUSED),
    "100,000 levels": (b"\x91" * 100_000 + b"\x01", REFUSED),
}


@pytest.mark.parametrize(("data", "value"), MSGPACK_VALUES.values(), ids=MSGPACK_VALUES)
def test_msgpack_is_decoded_exactly_or_refused(data: bytes, value: Any) -> None:
    """A msgpack message may hold what JSON can hold, and nothing else."""
    found = _read(MSGPACK.decode, data)
    if value is not None:
        assert repr(found) == repr(value)


YAML_VALUES: dict[str, tuple[str, Any]] = {
    "128 bits": (f"a: {HUGE}", {"a": HUGE}),
    "1000 digits": ("9" * 1000, 10**1000 - 1),
    "1001 digits": ("9" * 1001, REFUSED),
    "hexadecimal": ("0x1F", 31),
    "a leading zero, as Salt has it": ("0644", 644),
    "a date": ("2026-01-02", "2026-01-02"),
    "infinity": ("a: [.inf]", REFUSED),
    "NaN": (".nan", REFUSED),
    "beyond a double": ("1.0e+999", REFUSED),
    "half a surrogate pair": ('"\\ud800"', REFUSED),
    "a number as a key": ("{1: x, 0x1F: y, 1.50: z}", {"1": "x", "0x1F": "y", "1.50": "z"}),
    "a truth, nothing and a date as keys": ("{yes: 1, ~: 2, 2026-01-02: 3}", {"yes": 1, "~": 2, "2026-01-02": 3}),
    "a key twice": ("a: 1\na: 2", REFUSED),
    "a key twice, once as a number": ("1: a\n'1': b", REFUSED),
    "a list as a key": ("? [a]\n: 1", REFUSED),
    "an object as a key": ("? {a: 1}\n: 1", REFUSED),
    "binary data as a key": ("!!binary YQ==: 1", REFUSED),
    "an alias as a key": ("a: &a x\n*a : 1", {"a": "x", "x": 1}),
    "a set": ("!!set {a, b}", REFUSED),
    "a set, inside": ("a: [!!set {1}]", REFUSED),
    "an ordered map": ("!!omap [a: 1]", REFUSED),
    "pairs": ("!!pairs [a: 1, a: 2]", REFUSED),
    "binary data that is text": ("!!binary aGVsbG8=", "hello"),
    "binary data": ("!!binary /w==", REFUSED),
    "a merge": ("a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}", {"a": {"x": 1, "y": 2}, "b": {"x": 1, "y": 3}}),
    "itself": ("&a [*a]", REFUSED),
    "101 levels": ("[" * 102 + "]" * 102, REFUSED),
    "an object of Python": ("!!python/object/apply:os.getcwd []", REFUSED),
    "two documents": ("--- 1\n--- 2", REFUSED),
}


@pytest.mark.with_salt
@pytest.mark.parametrize("kind", ["application/x-yaml", "text/yaml"])
@pytest.mark.parametrize(("text", "value"), YAML_VALUES.values(), ids=YAML_VALUES)
def test_yaml_is_decoded_exactly_or_refused(text: str, value: Any, kind: str) -> None:
    """Values that JSON cannot hold are refused; keys are text as written."""
    assert repr(_read(_body(kind), text)) == repr(value)


@pytest.mark.parametrize("bad", ["%ff", "a=1&b=%ed%a0%80"])
def test_a_form_that_is_not_utf8_is_refused(bad: str) -> None:
    """No character is replaced."""
    assert _read(_body(content.FORM), bad) == REFUSED


def test_a_form_holds_text_as_sent() -> None:
    """Fields that are no arguments keep white space and control characters."""
    text = " a\t\n\x01b "
    assert _body(content.FORM)(f"x={quote(text)}") == {"x": text}


@pytest.mark.usefixtures("library")
def test_the_engines_own_text_keeps_large_integers() -> None:
    """An event with large integers is the same in every format and after a filter."""
    text = json.dumps({"a": [HUGE, -HUGE, "20261123231443246660", 1.5]}, separators=(",", ":"))
    assert repr(encoding.decode(text)) == repr(encoding.decode(text.encode())) == repr(json.loads(text))
