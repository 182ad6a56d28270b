"""What the console keeps of what comes in: driven by frames, as the browser runs it."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.slow

STORE = """async ([frames, script]) => {
    const { EventsStore } = await import("/console/stores/events.js");
    const connection = { follows: { epoch: "e", seq: 0 }, follow: (fields) => ({ fields, since: null, stop() {} }) };
    const events = new EventsStore(connection);
    events.start();
    for (const [frame, size] of frames) events.take(frame, size);
    return new Function("events", `return ${script}`)(events);
}"""


@pytest.fixture(scope="module")
def events(chromium: Any, stage: Any) -> Any:
    """Let a store of events take frames, and return what of it is asked for.

    The page is one without a Content-Security-Policy: the expression is evaluated in it.
    """
    with chromium.new_context(base_url=f"http://127.0.0.1:{stage.port}", bypass_csp=True) as context:
        page = context.new_page()
        page.goto("/console/")
        expect(page.get_by_label("User name")).to_be_visible()
        yield lambda frames, script: page.evaluate(STORE, [frames, script])


def begin(seq: int) -> list[Any]:
    return [{"type": "begin", "epoch": "e", "seq": seq, "recovered": None}, 0]


def event(seq: int, data: Any, tag: str = "a/b", size: int = 100) -> list[Any]:
    return [{"type": "event", "seq": seq, "tag": tag, "data": data}, size]


def test_a_replayed_event_without_a_time_has_none(events: Any) -> None:
    """It did not happen when it was replayed; one that comes live did happen now."""
    frames = [begin(2), event(1, "text"), event(2, {}), event(3, "text")]
    assert events(frames, "events.rows.map((row) => row.time === null)") == [True, True, False]


def test_a_new_filter_counts_anew(events: Any) -> None:
    """What it replays was counted before; the chart shows it once."""
    frames = [begin(0), event(1, {}), event(2, {})]
    counted = "[events.total, [...events.rates.picture(Date.now() + 1500).sums]]"
    assert events(frames, counted) == [2, [2]]
    again = "events.want({tag: 'a', match_type: 'find'}), events.take({type: 'event', seq: 2, tag: 'a/b', data: {}})"
    assert events(frames, f"({again}, {counted})") == [1, [1]]


def test_rows_of_an_engine_that_was_started_anew_are_other_rows(events: Any) -> None:
    """It counts its events from 1 again: two with one number are not one."""
    frames = [begin(0), event(1, {"of": "before"}), begin(0), event(1, {"of": "after"})]
    assert events(frames, "new Set(events.rows.map((row) => row.key)).size") == 2


def test_large_events_are_kept_as_far_as_there_is_room(events: Any) -> None:
    """By what they weigh: five thousand of a megabyte would take the browser's memory."""
    frames = [begin(0), *(event(seq, {"n": seq}, size=1024 * 1024) for seq in range(1, 101))]
    assert events(frames, "[events.rows.length, events.rows.at(-1).seq, events.total]") == [32, 100, 100]
    assert events([begin(0), event(1, {}, size=10**9)], "events.rows.length") == 1
    assert events([begin(0), *(event(seq, {}) for seq in range(1, 6101))], "events.rows.length <= 6000") is True
