"""Regular expressions in targets: those that could stop the engine are refused before they run."""

from __future__ import annotations

import pytest
from websocket_api.master.patterns import ID_LETTERS, VALUE_LETTERS, takes_too_long, ways

USUAL = [
    "web.*",
    r"^web-\d+\.(?:eu|us)\.example\.com$",
    r"(?i)web[0-9]{1,3}.*prod.*",
    r"web.*eu.*prod.*",
    r"(?:web|db|mail)-?\d*",
    r"\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}",
    r"(?!test).*prod",
    r"(a)?(?(1)b|c)",
    "",
]
HOSTILE = [
    "(.+)+!",
    "(?:.|.|.|.)+!",
    "(?:a?){64}a{64}",
    "(?:|||||||)" * 20 + "!",
    ".*.*.*.*.*!",
    "(?:(?:x+)+)+y",
    "(?:.*){9}!",
    "(?=(?:.|.)+!)x",
    "(?:" * 80 + "a" + ")+" * 80,
]


@pytest.mark.parametrize("pattern", USUAL)
def test_what_people_write_is_taken(pattern: str) -> None:
    """For minion ids."""
    assert not takes_too_long(pattern, ID_LETTERS)


@pytest.mark.parametrize("pattern", HOSTILE)
def test_what_could_take_for_ever_is_refused(pattern: str) -> None:
    """For minion ids, and so for what is longer."""
    assert takes_too_long(pattern, ID_LETTERS)
    assert takes_too_long(pattern, VALUE_LETTERS)


def test_long_values_allow_less() -> None:
    """A pillar may hold a certificate of thousands of letters."""
    assert not takes_too_long("CN=.*web.*", VALUE_LETTERS)
    assert takes_too_long(".*a.*b.*c", VALUE_LETTERS)


def test_what_is_no_expression_is_for_others_to_refuse() -> None:
    """Here it is only about time."""
    assert not takes_too_long("(", ID_LETTERS)


def test_ways_multiply() -> None:
    """Each repeat multiplies what stands beside it, each alternative adds to its neighbours."""
    assert ways("a*b*", 9) == 100
    assert ways("(?:a|b.)c", 9) == 1
    assert ways("(?:a|.b)c", 9) == 2
