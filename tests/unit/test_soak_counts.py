"""What the soak counts as flat, and which lines of a log it expects."""

from __future__ import annotations

import pytest

from tests.benchmarks.flat import Limit, courses
from tests.benchmarks.log_lines import unexpected

pytestmark = pytest.mark.any_python

FEW = Limit(3)
TENTH = Limit(4, share=0.1)


def readings(*values: float) -> list[dict[str, float]]:
    return [{"figure": value} for value in values]


@pytest.mark.parametrize(
    ("values", "limit", "flat"),
    [
        pytest.param([10, 10, 10], FEW, True, id="the same"),
        pytest.param([10, 11, 12, 13, 12, 13], FEW, True, id="within the limit"),
        pytest.param([10, 11, 12, 13, 14, 15], FEW, False, id="one more each time"),
        pytest.param([10, 10, 90, 10, 10, 10, 10, 10, 10], FEW, True, id="one outlier"),
        pytest.param([10, 10, 10, 10, 10, 10, 10, 90, 10], FEW, True, id="one outlier at the end"),
        pytest.param([10, 10, 10, 10, 10, 90, 90, 90, 90], FEW, False, id="a step"),
        pytest.param([90, 50, 10, 10, 10, 10], FEW, True, id="less"),
        pytest.param([100, 100, 100, 110, 110, 110], TENTH, True, id="a share of a large figure"),
        pytest.param([100, 100, 100, 111, 111, 111], TENTH, False, id="more than that share"),
        pytest.param([1, 1, 1, 5, 5, 5], TENTH, True, id="a few of a small figure"),
        pytest.param([1, 1, 1, 6, 6, 6], TENTH, False, id="more than these few"),
    ],
)
def test_a_figure_is_flat_if_its_last_third_does_not_exceed_its_first(
    values: list[float], limit: Limit, flat: bool
) -> None:
    """The medians of the two are compared, so that one reading decides nothing."""
    (course,) = courses(readings(*values), {"figure": limit})
    assert course.is_flat is flat
    assert course.most == max(values)


def test_a_figure_that_appears_later_has_grown_from_zero() -> None:
    """Such as a folder with files; its limit is that of its kind."""
    found = courses([{"files:a": 1}, {"files:a": 1}, {"files:a": 1, "files:b": 9}], {"files": FEW})
    assert [(course.name, course.start, course.end, course.is_flat) for course in found] == [
        ("files:a", 1, 1, True),
        ("files:b", 0, 9, False),
    ]


def test_too_few_readings_are_refused() -> None:
    """Two readings show no course."""
    with pytest.raises(ValueError, match="too few"):
        courses(readings(1, 2), {"figure": FEW})


LOG = """\
2026-11-30 08:00:00,123 [websocket_api.server:40  ][INFO    ][101] it listens
2026-11-30 08:00:01,123 [websocket_api.bus   :40  ][WARNING ][101] an ERROR in a text
2026-11-30 08:00:02,123 [salt.master         :40  ][ERROR   ][101] a worker failed
2026-11-30 08:00:03,123 [salt.utils          :40  ][WARNING ][101] it went wrong
Traceback (most recent call last):
  File "x.py", line 1, in x
ValueError: of no use
2026-11-30 08:00:04,123 [websocket_api       :40  ][CRITICAL][101] the bus is lost
2026-11-30 08:00:05,123 [websocket_api       :40  ][INFO    ][101] the end
""".splitlines()


@pytest.mark.parametrize(
    ("expected", "found"),
    [
        pytest.param([], ["a worker failed", "it went wrong", "the bus is lost"], id="nothing expected"),
        pytest.param(["a worker .ailed"], ["it went wrong", "the bus is lost"], id="an error"),
        pytest.param(["of no use"], ["a worker failed", "the bus is lost"], id="the end of a traceback"),
        pytest.param(["."], [], id="all"),
    ],
)
def test_a_log_is_searched_for_errors_and_tracebacks(expected: list[str], found: list[str]) -> None:
    """An entry has all lines up to the next head; what is expected may match any of them."""
    entries = unexpected(LOG, expected)
    assert [entry.splitlines()[0].rpartition("] ")[2] for entry in entries] == found
    assert all(("ValueError" in entry) == ("it went wrong" in entry) for entry in entries)
