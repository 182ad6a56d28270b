"""The console's events: a live stream that can be filtered, paused, opened and copied."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import FIRST
from tests.browser.driving import clipboard, job, log_in, row, view
from tests.client import Client
from tests.integration.staging import Stage
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow


@pytest.fixture
def console(page: Any) -> Any:
    """Open the console's events."""
    log_in(page, path="#/events")
    expect(page.get_by_role("heading", name="Events")).to_be_visible()
    return page


@pytest.fixture
def client(stage: Stage) -> Iterator[Client]:
    """Return a client that fires events."""
    with stage.client() as client:
        yield client


def fire(client: Client, tag: str, *numbers: int) -> None:
    for number in numbers:
        client.ask("event", tag=f"{tag}/{number}", body={"number": number})


def test_events_appear_as_they_happen_and_can_be_filtered(console: Any, client: Client) -> None:
    """Filters match the start of the tag, or use another match type; the filtered stream stays live."""
    fire(client, "look/a", 1)
    expect(row(console, "look/a/1")).to_be_visible()
    console.get_by_label("Filter by tag").fill("look/b")
    expect(console.get_by_role("row").filter(has_text="look/a")).to_have_count(0)
    fire(client, "look/a", 2)
    fire(client, "look/b", 3)
    expect(row(console, "look/b/3")).to_be_visible()
    expect(console.get_by_role("row").filter(has_text="look/a")).to_have_count(0)
    console.get_by_label("Match the tag by").select_option("fnmatch")
    console.get_by_label("Filter by tag").fill("*/4")
    fire(client, "look/a", 4)
    expect(row(console, "look/a/4")).to_be_visible()
    expect(console.get_by_role("row").filter(has_text="look/b")).to_have_count(0)


def test_while_paused_nothing_moves_and_new_events_are_counted(console: Any, client: Client) -> None:
    """After *Resume* they are shown, with their number."""
    console.get_by_label("Filter by tag").fill("pause/")
    # Enter applies the filter at once; applied later, it would end the pause.
    console.get_by_label("Filter by tag").press("Enter")
    fire(client, "pause", 1)
    expect(row(console, "pause/1")).to_be_visible()
    console.get_by_role("button", name="Pause", exact=True).click()
    fire(client, "pause", 2, 3, 4)
    expect(console.get_by_text("paused, 3 new")).to_be_visible()
    expect(console.get_by_role("row").filter(has_text="pause/2")).to_have_count(0)
    console.get_by_role("button", name="Resume", exact=True).click()
    expect(console.get_by_text("3 events arrived while paused")).to_be_visible()
    for number in range(1, 5):
        expect(row(console, f"pause/{number}")).to_be_visible()


def test_an_event_is_expanded_and_copied(console: Any, client: Client) -> None:
    """The keyboard opens all its data, which stays open while other events arrive."""
    console.context.grant_permissions(["clipboard-read", "clipboard-write"])
    fire(client, "expand", 1)
    row(console, "expand/1").get_by_role("button").press("Enter")
    side = console.get_by_role("complementary", name="Event")
    expect(side).to_contain_text("number: 1")
    fire(client, "expand", 2)
    expect(side).to_contain_text("number: 1")
    side.get_by_role("button", name="Copy data").click()
    wait_until(lambda: "_via: websocket_api" in clipboard(console), "the event's data in the clipboard")
    forms = side.get_by_role("group", name="Form of the data")
    for form, text in (("JSON", '"number": 1'), ("YAML", "number: 1"), ("Tree", "number: 1")):
        forms.get_by_role("button", name=form, exact=True).click()
        expect(side).to_contain_text(text)


def test_a_user_who_returns_to_the_view_misses_nothing(console: Any, client: Client) -> None:
    """The subscription resumes at its position."""
    console.get_by_label("Filter by tag").fill("away/")
    fire(client, "away", 1)
    expect(row(console, "away/1")).to_be_visible()
    view(console, "Fleet")
    fire(client, "away", 2)
    view(console, "Events")
    expect(row(console, "away/1")).to_be_visible()
    expect(row(console, "away/2")).to_be_visible()
    expect(console.get_by_label("Filter by tag")).to_have_value("away/")


def test_the_chart_counts_by_the_beginning_of_the_tags(console: Any, client: Client) -> None:
    """Each has a colour, and its name and count in the legend."""
    fire(client, "chart/one", 1, 2, 3)
    expect(console.locator(".legend li").filter(has_text="chart/one")).to_contain_text("3")
    expect(console.locator(".chart rect").first).to_be_attached()


def test_events_are_searched_by_words_and_shown_by_columns(console: Any, client: Client) -> None:
    """The address has the filters, so a reload shows the same."""
    console.get_by_label("Filter by tag").fill("look/")
    fire(client, "look/words", 71, 72)
    expect(row(console, "look/words/72")).to_be_visible()
    console.get_by_label("Search in tags and data").fill("words 71")
    expect(console.get_by_role("row").filter(has_text="look/words/72")).to_have_count(0)
    expect(row(console, "look/words/71")).to_be_visible()
    console.get_by_label("Columns").fill("number, no.such")
    expect(console.get_by_role("columnheader", name="number", exact=True)).to_be_visible()
    expect(row(console, "look/words/71").get_by_role("cell").nth(2)).to_have_text("71")
    expect(console).to_have_url(re.compile(r"tag=look%2F&search=words\+71&columns="))
    console.reload()
    expect(console.get_by_label("Search in tags and data")).to_have_value("words 71")
    expect(console.get_by_role("columnheader", name="number", exact=True)).to_be_visible()


def test_a_chip_filters_by_a_common_tag_and_an_event_leads_to_its_job(console: Any, client: Client) -> None:
    """The same chip removes the filter."""
    console.get_by_role("button", name="Returns", exact=True).click()
    expect(console.get_by_label("Filter by tag")).to_have_value("salt/job/*/ret/*")
    expect(console.get_by_role("row").filter(has_text="/new")).to_have_count(0)
    # The view follows the filter only from when it is subscribed, so the job is started after that.
    expect(console.get_by_text("No events yet.").or_(row(console, "/ret/"))).to_be_visible()
    jid = client.ask("cmd", fun="test.ping", tgt=FIRST, mode="sync")["jid"]
    row(console, f"{jid}/ret/{FIRST}").get_by_role("button").click()
    link = console.get_by_role("complementary", name="Event").get_by_role("link", name=jid)
    console.get_by_role("button", name="Returns", exact=True).click()
    expect(console.get_by_label("Filter by tag")).to_have_value("")
    link.click()
    expect(job(console)).to_contain_text(jid)


def test_events_are_exported_as_json_lines(console: Any, client: Client, tmp_path: Path) -> None:
    """Those that are shown, whole."""
    console.get_by_label("Filter by tag").fill("export/")
    console.get_by_label("Filter by tag").press("Enter")
    fire(client, "export", 1, 2)
    expect(row(console, "export/2")).to_be_visible()
    with console.expect_download() as started:
        console.get_by_role("button", name="Download the events below").click()
    assert started.value.suggested_filename == "events.jsonl"
    started.value.save_as(tmp_path / "events.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert [(line["tag"], line["data"]["number"]) for line in lines] == [("export/1", 1), ("export/2", 2)]


def test_the_whole_history_can_be_loaded(console: Any, client: Client) -> None:
    """Also events from before the page was opened; times limit them."""
    console.get_by_label("Filter by tag").fill("history/")
    console.get_by_label("Filter by tag").press("Enter")
    fire(client, "history", 1)
    expect(row(console, "history/1")).to_be_visible()
    console.get_by_role("button", name="Clear").click()
    expect(console.get_by_role("row").filter(has_text="history/1")).to_have_count(0)
    console.get_by_label("Whole history").check()
    expect(row(console, "history/1")).to_be_visible()
    console.get_by_label("To", exact=True).fill("2014-11-03T07:33")
    expect(console.get_by_role("row").filter(has_text="history/1")).to_have_count(0)
    expect(console.get_by_text("No event matches the search.")).to_be_visible()
