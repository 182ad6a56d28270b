"""The console's page of one minion: what it has and did, read with the user's own permissions."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import FIRST, SECOND
from tests.browser.driving import job, log_in, row
from tests.integration.staging import Stage

pytestmark = pytest.mark.slow

SECRET = "not-for-the-screen"


def sent_by(page: Any) -> list[str]:
    """Return a list that fills with the functions that the page runs on minions."""
    sent: list[str] = []

    def note(text: Any) -> None:
        message = json.loads(text)
        if message.get("type") == "cmd":
            sent.append(message["fun"])

    page.on("websocket", lambda wire: wire.on("framesent", note))
    return sent


def open_tab(page: Any, name: str) -> Any:
    """Open a tab of the minion, and return its content."""
    page.get_by_role("navigation", name="About ").get_by_role("link", name=name, exact=True).click()
    return page.get_by_role("region", name=name, exact=True)


def test_a_row_opens_the_page_of_its_minion_which_runs_nothing_unasked(page: Any) -> None:
    """Its address can be kept; grains are those of the master, as a tree that can be searched."""
    sent = sent_by(page)
    log_in(page)
    row(page, FIRST).get_by_role("link", name=FIRST).click()
    expect(page.get_by_role("heading", name=FIRST, level=1)).to_be_focused()
    expect(page.get_by_role("region", name="Overview")).to_contain_text("Debian")
    grains = open_tab(page, "Grains")
    expect(grains).to_contain_text("saltversion")
    grains.get_by_role("searchbox").fill("os_fam")
    expect(grains.get_by_role("listitem")).to_have_count(1)
    expect(grains.get_by_role("listitem")).to_have_text("os_family Debian")
    page.reload()
    expect(page.get_by_role("region", name="Grains", exact=True)).to_contain_text("saltversion")
    assert sent == []


def test_pillar_is_masked_until_it_is_asked_for_and_is_not_stored(page: Any) -> None:
    """One value at a time, or all; hidden values are not searched; nothing of them is in the address or the storage."""
    log_in(page, path=f"#/fleet/{FIRST}")
    pillar = open_tab(page, "Pillar")
    expect(pillar).to_contain_text("licence")
    expect(page.get_by_text(SECRET)).to_have_count(0)
    pillar.get_by_role("searchbox").fill(SECRET)
    expect(pillar).to_contain_text("No key matches.")
    pillar.get_by_role("searchbox").fill("database")
    pillar.get_by_role("button", name="Show database:licence").click()
    expect(page.get_by_text(SECRET)).to_be_visible()
    expect(page.get_by_text("db.example.com")).to_have_count(0)
    pillar.get_by_role("button", name="Hide database:licence").click()
    expect(page.get_by_text(SECRET)).to_have_count(0)
    pillar.get_by_role("button", name="Show all values").click()
    expect(page.get_by_text("db.example.com")).to_be_visible()
    kept = page.evaluate("JSON.stringify([location.href, {...localStorage}, {...sessionStorage}])")
    assert SECRET not in kept
    open_tab(page, "Grains")
    open_tab(page, "Pillar")
    expect(pillar).to_contain_text("licence")
    expect(page.get_by_text(SECRET)).to_have_count(0)


def test_schedule_beacons_and_mine_are_read_when_their_tab_is_opened(page: Any) -> None:
    """A minion without any says so."""
    sent = sent_by(page)
    log_in(page, path=f"#/fleet/{SECOND}")
    expect(open_tab(page, "Schedule")).to_contain_text("Nothing is scheduled on this minion.")
    expect(open_tab(page, "Beacons")).to_contain_text("No beacon is configured on this minion.")
    expect(open_tab(page, "Mine")).to_contain_text("This minion sends nothing to the mine.")
    assert sent == ["schedule.list", "beacons.list", "mine.valid"]


def test_a_test_run_shows_the_drift_and_the_minions_jobs(page: Any) -> None:
    """The highstate is tested by a button without a question; applying it asks."""
    log_in(page, path=f"#/fleet/{FIRST}")
    page.get_by_role("button", name="Test the highstate").click()
    expect(job(page)).to_contain_text("1 of 1 returned")
    highstate = open_tab(page, "Highstate")
    expect(highstate.get_by_role("link")).not_to_have_count(0)
    expect(open_tab(page, "Jobs")).to_contain_text("state.apply test=true")
    page.get_by_role("button", name="Apply the highstate …").click()
    dialog = page.get_by_role("dialog", name="Run on 1 minion?")
    expect(dialog).to_contain_text(FIRST)
    dialog.get_by_role("button", name="No, go back").click()
    expect(page.get_by_role("region", name="Job 2")).to_have_count(0)


def test_a_function_that_the_user_may_not_run_is_named(pages: Callable[..., Any], stage: Stage) -> None:
    """It is not shown as empty."""
    page = log_in(pages(), "part", path=f"#/fleet/{FIRST}")
    for tab, fun in (("Pillar", "pillar.items"), ("Schedule", "schedule.list"), ("Mine", "mine.valid")):
        expect(open_tab(page, tab)).to_contain_text(f"You may not run {fun} on {FIRST}.")
    page.get_by_role("button", name="Ping").click()
    expect(job(page)).to_contain_text("1 of 1 returned")
    page.goto(f"/console/#/fleet/{SECOND}")
    expect(page.get_by_role("alert")).to_contain_text("There is no minion with this id, or you may not see it.")
