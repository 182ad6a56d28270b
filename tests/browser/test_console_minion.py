"""The console's page of one minion: what it has and did, read with the user's own permissions."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.accessibility import violations
from tests.browser.conftest import FIRST, SECOND
from tests.browser.driving import clipboard, job, log_in, row, view
from tests.integration.staging import Stage
from tests.support.waiting import wait_until

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


@pytest.fixture
def grains(stage: Stage) -> Iterator[Callable[..., None]]:
    """Set grains of the first minion, which are removed at the end."""
    with stage.client() as client:
        names: set[str] = set()

        def set_grains(**values: Any) -> None:
            names.update(values)
            client.ask("cmd", fun="grains.setvals", tgt=FIRST, arg=[values], mode="sync")

        yield set_grains
        for name in names:
            client.ask("cmd", fun="grains.delkey", tgt=FIRST, arg=[name], mode="sync")


def test_grains_change_while_they_are_shown_and_addresses_are_copied(
    pages: Callable[..., Any], grains: Callable[..., None]
) -> None:
    """On the minion's page, and as a column of the fleet. On demand they are read from the minion."""
    page = log_in(pages(permissions=["clipboard-read", "clipboard-write"]), path=f"#/fleet/{FIRST}")
    overview = page.get_by_role("region", name="Overview")
    expect(overview).to_contain_text("Debian")
    grains(ipv4=["127.0.0.1", "192.0.2.7", "192.0.2.8"], ipv6=["::1"])
    expect(overview).to_contain_text("192.0.2.7, 192.0.2.8")
    overview.get_by_role("button", name="Copy the addresses").click()
    wait_until(lambda: clipboard(page) == "192.0.2.7, 192.0.2.8", "the addresses in the clipboard")
    tab = open_tab(page, "Grains")
    tab.get_by_role("button", name="Read from the minion").click()
    expect(tab).to_contain_text("from grains.items")
    expect(tab).to_contain_text("192.0.2.8")
    view(page, "Fleet")
    page.get_by_text("Columns", exact=True).click()
    page.get_by_label("Grains to show as columns").fill("ipv4")
    page.get_by_label("Grains to show as columns").press("Enter")
    expect(row(page, FIRST)).to_contain_text("192.0.2.7")
    grains(ipv4=["192.0.2.9"])
    expect(row(page, FIRST)).to_contain_text("192.0.2.9")


def test_the_page_shows_when_the_minion_was_last_seen(page: Any, stage: Stage) -> None:
    """Also while nothing else of the minion changes: each job that it returns counts."""
    log_in(page, path=f"#/fleet/{FIRST}")
    seen = page.locator(".facts").get_by_text("seen ")
    first = seen.get_attribute("title")
    with stage.client() as client:

        def is_later() -> bool:
            client.ask("cmd", fun="test.ping", tgt=FIRST, mode="sync")
            return bool(seen.get_attribute("title") != first)

        wait_until(is_later, "a later time", timeout=60, every=1.0)  # each look runs a job


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


def test_schedule_beacons_and_mine_are_shown(page: Any, stage: Stage) -> None:
    """Also what is disabled. Values of the mine are read on demand."""
    with stage.client() as client:
        client.ask("cmd", fun="mine.update", tgt=FIRST, mode="sync")
    log_in(page, path=f"#/fleet/{FIRST}")
    nightly = open_tab(page, "Schedule").get_by_role("row").filter(has_text="nightly")
    expect(nightly.get_by_role("cell")).to_have_text(["nightly", re.compile("test.ping"), "every 24 hours", "no"])
    assert violations(page) == []
    beacons = open_tab(page, "Beacons")
    expect(beacons).to_contain_text("load")
    expect(beacons).to_contain_text("enabled: false")
    assert violations(page) == []
    mine = open_tab(page, "Mine")
    mine.get_by_role("button", name="Show test.arg").click()
    expect(mine).to_contain_text("sent to the mine")
    assert violations(page) == []


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
    expect(highstate.get_by_text("1 would change")).to_have_count(1)  # the count is shown once
    expect(open_tab(page, "Jobs")).to_contain_text("state.apply test=true")
    page.get_by_role("button", name="Apply the highstate …").click()
    dialog = page.get_by_role("dialog", name="Run on 1 minion?")
    expect(dialog).to_contain_text(FIRST)
    assert violations(page) == []
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
