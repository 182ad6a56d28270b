"""One encoding for everything, with either JSON library."""

from __future__ import annotations

import datetime
import json
from typing import Any

import pytest
from websocket_api.core.events import encoding

MALFORMED = {
    "text bytes": (b"abc", "abc"),
    "other bytes": (b"\xff\x00", {"base64": "/wA="}),
    "not a number": (float("nan"), None),
    "infinity": ([float("inf")], [None]),
    "a huge integer": (10**40, 10**40),
    "a lone surrogate": ("a\ud800b", "a?b"),
    "a number as key": ({1: 2}, {"1": 2}),
    "None and True as keys": ({None: 1, True: 2}, {"null": 1, "true": 2}),
    "bytes as key": ({b"k": 1}, {"k": 1}),
    "a tuple as key": ({(1, 2): 1}, {"(1, 2)": 1}),
    "a set": ({3}, [3]),
    "a tuple": ((1, 2), [1, 2]),
    "a date": (datetime.date(2026, 1, 2), "2026-01-02"),
}


@pytest.fixture(params=["orjson", "json"])
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Encode with each of the two libraries."""
    if request.param == "json":
        monkeypatch.setattr(encoding, "orjson", None)
    elif encoding.orjson is None:
        pytest.skip("orjson is not installed here")


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize(("value", "parsed"), MALFORMED.values(), ids=MALFORMED)
def test_unusual_values_parse_to_the_same_with_both_libraries(value: Any, parsed: Any) -> None:
    """Any value that Salt can put on its bus gets a JSON text."""
    assert json.loads(encoding.encode({"v": value, "rest": 1})) == {"v": parsed, "rest": 1}


@pytest.mark.usefixtures("library")
def test_only_the_part_nested_too_deeply_is_cut() -> None:
    """The other values are unchanged."""
    deep: Any = "bottom"
    for _ in range(5000):
        deep = [deep]
    value = json.loads(encoding.encode({"deep": deep, "beside": 1}))
    assert value["beside"] == 1
    assert encoding.TOO_DEEP in str(value["deep"])


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("text", ["NaN", "[Infinity]", "{", "", "nul"])
def test_nan_and_infinity_are_refused(text: str) -> None:
    """They are not JSON, though Python's own parser accepts them."""
    with pytest.raises(ValueError):  # noqa: PT011 - the two libraries word it differently
        encoding.decode(text)


@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, '{"a": ' * 50_000, '"\\ud800"', '{"\\udfff": 1}', "NaN", "", "1 2"],
    ids=lambda text: text[:9],
)
@pytest.mark.usefixtures("library")
def test_invalid_json_raises_value_error(text: str) -> None:
    """Nothing that a client sends raises anything else, with either library."""
    with pytest.raises(ValueError):  # noqa: PT011 - the libraries' own words differ
        encoding.decode(text)
