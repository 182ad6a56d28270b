"""The console's accessibility and layout, on a desktop and on a phone, and its screenshots in the documents.

The screenshots in docs/images/ are written only if IMAGES is set in the environment (`make docs-images`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.accessibility import violations
from tests.browser.conftest import FIRST, SECOND
from tests.browser.driving import job, log_in, row, run, start, view
from tests.integration.staging import Stage
from tests.support.gates import Gate

pytestmark = pytest.mark.slow

IMAGES = Path(__file__).parents[2] / "docs" / "images"
READING = re.compile("^(r|R)eading …$")
DESKTOP = {"width": 1200, "height": 680}
PHONE = {"width": 390, "height": 780}
# A grain of the tests' minions holds the directory of these tests; installed minions run in /.
HIDE = """(path) => {
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) texts.currentNode.data = texts.currentNode.data.replaceAll(path, "/");
}"""
TABS = ("grains", "pillar", "highstate", "jobs", "schedule", "beacons", "mine")
FORM = f"client=local&tgt={FIRST}&tgt_type=list"
# Pages in addition to the views.
PAGES = (
    "#/fleet?kind=keys&key=accepted",
    "#/fleet?search=no-such-minion",
    f"#/fleet/{FIRST}",
    *(f"#/fleet/{FIRST}?tab={tab}" for tab in TABS),
    "#/fleet/no-such-minion",
    "#/jobs?search=no-such-job",
    "#/jobs/20141103073312975821",
    f"#/run?{FORM}&fun=cmd.run",
    f"#/run?{FORM}&fun=state.apply",
    "#/run?client=runner&fun=jobs.list_jobs",
    "#/run?client=wheel&fun=key.list_all",
    "#/events?columns=fun,id,return.pid&history=1",
    "#/batches/1",
)
FITS = "document.querySelector('main').scrollWidth <= document.querySelector('main').clientWidth"
VIEWS = ("Overview", "Fleet", "Jobs", "Run", "Events", "Batches", "Connection")


def screenshot(page: Any, name: str) -> None:
    """Write a screenshot for the documents, if IMAGES is set."""
    if os.environ.get("IMAGES"):
        page.wait_for_timeout(700)  # until bars and columns have stopped moving
        page.evaluate(HIDE, os.getcwd())
        page.screenshot(path=IMAGES / f"{name}.png", animations="disabled")


def open_views(page: Any) -> Iterator[str]:
    """Open each view of this server, and yield its name."""
    for name in VIEWS:
        if page.get_by_role("navigation").get_by_role("link", name=name, exact=True).count():
            view(page, name)
            yield name


@pytest.fixture(scope="module")
def history(stage: Stage) -> str:
    """Run some jobs; return the jid of the one with failed and changed states."""
    with stage.client() as client:
        client.ask("cmd", fun="test.version", tgt="*", mode="sync")
        client.ask("cmd", fun="disk.usage", tgt=FIRST, mode="sync")
        client.ask("cmd", fun="cmd.run", tgt="browser-*", arg=["exit 3"], mode="sync")
        client.ask("runner", method="jobs.active")
        if "batch" in client.ask("describe")["operations"]:
            client.ask("batch", batch=[{"fun": "test.version", "tgt": "*"}], concurrency=1)
        jid: str = client.ask("cmd", fun="state.apply", tgt="*", arg=["mixed"], mode="sync")["jid"]
        return jid


def test_no_view_has_a_violation(pages: Callable[..., Any], history: str, stage: Stage) -> None:
    """axe-core checks names, roles and order, and the contrast in light and dark."""
    page = pages(color_scheme="light", viewport=DESKTOP)
    page.goto("/console/")
    expect(page.get_by_label("User name")).to_be_visible()
    found = violations(page)
    log_in(page)
    expect(row(page, FIRST)).to_be_visible()
    for name in open_views(page):
        page.wait_for_timeout(300)
        found += [f"{name}: {one}" for one in violations(page)]
        screenshot(page, f"console-{name.lower()}")
    page.goto(f"/console/#/jobs/{history}")
    expect(job(page)).to_contain_text("2 of 2 returned")
    found += [f"job: {one}" for one in violations(page)]
    screenshot(page, "console-job-light")
    page.emulate_media(color_scheme="dark")
    screenshot(page, "console-job-dark")
    assert found == []


def test_no_details_have_a_violation(pages: Callable[..., Any], stage: Stage, gate: Gate) -> None:
    """axe-core checks a minion, an event, a dialog, a running command and its returns."""
    page, found = log_in(pages(viewport=DESKTOP)), []
    row(page, SECOND).get_by_role("link", name=SECOND).click()
    expect(page.get_by_role("region", name="Overview")).to_contain_text("Debian")
    found += violations(page)
    screenshot(page, "console-minion")
    for tab in ("Grains", "Pillar", "Highstate", "Jobs", "Schedule", "Beacons", "Mine"):
        page.get_by_role("navigation", name=f"About {SECOND}").get_by_role("link", name=tab, exact=True).click()
        expect(page.get_by_role("region", name=tab, exact=True)).not_to_contain_text("reading …")
        found += [f"{tab}: {one}" for one in violations(page)]
    run(page, "test.sleep", "*", length="20")
    expect(page.get_by_role("dialog")).to_be_visible()
    found += violations(page)
    page.get_by_role("dialog").get_by_role("button", name="Run", exact=True).click()
    expect(job(page)).to_contain_text("0 of 2 returned")
    found += violations(page)
    screenshot(page, "console-run-answer")
    gate.open("0", "25")
    gated = {"pillar": {"gate": str(gate.folder)}}
    start(page, stage, "state.apply", "*", "steps.four", progress=True, kwargs=gated)
    bar = job(page).get_by_role("progressbar", name="Progress of job")
    expect(bar).to_have_attribute("aria-valuenow", "50")
    found += violations(page)
    screenshot(page, "console-job-running")
    gate.open()
    expect(job(page)).to_contain_text("2 of 2 returned")  # else the minions refuse the next states
    view(page, "Events")
    row(page, "/ret/").get_by_role("button").click()
    expect(page.get_by_role("complementary", name="Event")).to_be_visible()
    found += violations(page)
    screenshot(page, "console-event")
    assert found == []


def test_on_a_phone_nothing_is_wider_than_the_screen(pages: Callable[..., Any], history: str, stage: Stage) -> None:
    """This holds for every view."""
    page = log_in(pages(viewport=PHONE, has_touch=True, is_mobile=True))
    for name in [*open_views(page), None]:
        if name is None:
            page.goto(f"/console/#/jobs/{history}")
            expect(job(page)).to_contain_text("2 of 2 returned")
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, name
    assert violations(page) == []
    screenshot(page, "console-phone")


def test_on_a_phone_no_page_is_wider_than_the_screen(pages: Callable[..., Any], history: str, stage: Stage) -> None:
    """Nor is one with everything unfolded: documentation, pillar, saved commands, filters."""
    page = log_in(pages(viewport=PHONE, has_touch=True, is_mobile=True))
    for address in PAGES:
        page.goto(f"/console/{address}")
        expect(page.get_by_role("main").get_by_role("heading", level=1)).to_be_visible()
        if "fun=cmd.run" in address:
            expect(page.get_by_label("cmd (required)")).to_be_visible()
            expect(page.get_by_text("Documentation", exact=True)).to_be_visible()
        expect(page.get_by_role("main").get_by_text(READING)).to_have_count(0)
        page.evaluate("for (const one of document.querySelectorAll('main details')) one.open = true")
        page.wait_for_function(FITS)
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], address


def test_the_console_can_be_used_by_keyboard(page: Any) -> None:
    """From the login to a minion, Tab moves the focus in the order of the page."""
    page.goto("/console/#/fleet")
    expect(page.get_by_label("User name")).to_be_focused()
    for keys in ("demo", "Tab", "demo", "Enter"):
        page.keyboard.press(keys) if keys in ("Tab", "Enter") else page.keyboard.type(keys)
    expect(row(page, FIRST)).to_be_visible()
    page.locator("body").press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent") == FIRST:
            break
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=FIRST, level=1)).to_be_focused()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    expect(row(page, FIRST)).to_be_visible()


def test_on_a_phone_details_cover_the_table(pages: Callable[..., Any], history: str, stage: Stage) -> None:
    """When they are closed, the table is as before. The view of the address is in sight in the navigation."""
    page = log_in(pages(viewport=PHONE, has_touch=True, is_mobile=True), path="#/events")
    with stage.client() as client:
        client.ask("event", tag="phone/one", body={"number": 1})
    page.get_by_role("button", name="Filters").tap()  # unfolded, they are longer than the screen
    row(page, "phone/one").get_by_role("button").tap()
    side = page.get_by_role("complementary", name="Event")
    expect(side).to_contain_text("number: 1")
    expect(side.get_by_role("button", name="Close")).to_be_in_viewport()
    assert side.bounding_box()["height"] > 0.8 * PHONE["height"]
    assert violations(page) == []
    side.get_by_role("button", name="Close").tap()
    expect(row(page, "phone/one")).to_be_visible()
    for name in open_views(page):
        shown = page.get_by_role("navigation").get_by_role("link", name=name, exact=True).bounding_box()
        assert shown["x"] >= 0, name
        assert shown["x"] + shown["width"] <= PHONE["width"], name


def test_the_choice_of_grains_lies_over_the_table(page: Any) -> None:
    """The sticky header of the table does not cover its field."""
    log_in(page)
    expect(row(page, FIRST)).to_be_visible()
    page.get_by_text("Columns", exact=True).click()
    field = page.get_by_label("Grains to show as columns")
    box = field.bounding_box()
    script = "([x, y]) => document.elementFromPoint(x, y)?.tagName"
    for part in (0.1, 0.5, 0.9):
        point = [box["x"] + box["width"] / 2, box["y"] + part * box["height"]]
        assert page.evaluate(script, point) == "INPUT", point
    field.fill("kernel")
    field.press("Enter")
    expect(page.get_by_role("columnheader", name="kernel")).to_be_visible()


def test_on_a_phone_tags_keep_the_end_that_distinguishes_them(pages: Callable[..., Any], stage: Stage) -> None:
    """Tags of returns have the same start, so the minion at the end must be visible."""
    page = log_in(pages(viewport=PHONE, has_touch=True, is_mobile=True), path="#/events")
    with stage.client() as client:
        client.ask("cmd", fun="test.ping", tgt="*", mode="sync")
    for minion in (FIRST, SECOND):
        end = row(page, f"/ret/{minion}").locator(".tag-end")
        expect(end).to_have_text(f"/ret/{minion}")
        assert end.evaluate("one => one.scrollWidth <= one.clientWidth"), minion
        box = end.bounding_box()
        assert box["x"] + box["width"] <= PHONE["width"], minion


FOLDED = {
    "#/fleet": "",
    "#/jobs": "",
    "#/jobs?state=failed&kind=job": "Filters (2)",
    "#/events": "",
    "#/events?search=salt&history=1": "Filters (2)",
    "#/batches": "",
}
"""The button that shows the hidden filters, by address."""


def test_on_a_phone_filters_leave_room_for_the_table(pages: Callable[..., Any]) -> None:
    """At least 45 % of the screen. A button has the number of filters that it hides, and shows them."""
    page = log_in(pages(viewport=PHONE, has_touch=True, is_mobile=True))
    for address, folded in FOLDED.items():
        page.goto("about:blank")
        page.set_viewport_size(PHONE)
        page.goto(f"/console/{address}")
        table = page.get_by_role("main").get_by_role("table")
        expect(table).to_be_visible()
        assert table.bounding_box()["height"] >= 0.45 * PHONE["height"], address
        if folded:
            fields = page.locator(".folds")
            expect(fields.first).to_be_hidden()
            page.get_by_role("button", name=folded).tap()
            for field in fields.all():
                expect(field).to_be_visible()
            assert violations(page) == [], address
        page.set_viewport_size(DESKTOP)
        for field in page.locator(".folds").all():
            expect(field).to_be_visible()


def test_names_of_columns_and_tabs_are_whole(pages: Callable[..., Any], history: str, stage: Stage) -> None:
    """On a desktop, columns are wide enough for their names, the overview uses the width, and tabs are one row."""
    page = log_in(pages(viewport=DESKTOP), path="#/overview")
    expect(page.get_by_role("list", name="Numbers")).to_be_visible()
    main = page.get_by_role("main").bounding_box()
    assert page.locator(".tiles").bounding_box()["width"] > 0.9 * main["width"]
    for name in open_views(page):
        page.wait_for_function("document.querySelector('main h1')")
        script = "all => all.filter(one => one.scrollWidth > one.clientWidth).map(one => one.textContent)"
        assert page.locator(".head .cell, .head .sort").evaluate_all(script) == [], name
    page.goto(f"/console/#/fleet/{FIRST}")
    tabs = page.get_by_role("navigation", name=f"About {FIRST}").get_by_role("link")
    expect(tabs.first).to_be_visible()
    assert len({tab.bounding_box()["y"] for tab in tabs.all()}) == 1


def test_on_a_phone_texts_stay_in_their_rows(pages: Callable[..., Any], history: str, stage: Stage) -> None:
    """Counts of jobs fit into the height of a row, a minion's jobs have whole words, and tools stay on the screen."""
    with stage.client() as client:
        client.ask("cmd", fun="test.echo", tgt=FIRST, arg=["/srv/" + "long" * 30], mode="sync")
    page = log_in(pages(viewport=PHONE, has_touch=True, is_mobile=True), path="#/jobs")
    counts = page.locator(".jobs .rows .progress-text")
    expect(counts.filter(has_text="2 of 2 returned · 2 failed").first).to_be_visible()
    started = page.locator(".jobs .rows .cell.started").filter(has_text=":")
    expect(started.first).to_be_visible()
    assert started.evaluate_all("all => all.every(one => one.scrollWidth <= one.clientWidth)")
    rows = page.locator(".jobs .rows .row").first.bounding_box()["height"]
    assert max(counts.evaluate_all("all => all.map(one => one.offsetHeight)")) <= rows
    page.goto(f"/console/#/fleet/{FIRST}?tab=jobs")
    jobs = page.get_by_role("region", name=f"Jobs of {FIRST}")
    started = jobs.get_by_role("columnheader", name="Started")
    expect(started).to_be_visible()
    expect(jobs).to_contain_text("longlong")
    assert started.bounding_box()["width"] > 60  # pixels: a word, not a letter
    assert started.bounding_box()["x"] + started.bounding_box()["width"] <= PHONE["width"]
    page.goto("/console/#/fleet")
    for name in ("Filters", "Compare", "Columns"):
        page.get_by_text(name, exact=True).tap()
        box = page.locator("details[open] > .popover").bounding_box()
        assert box["x"] >= 0, name
        assert box["x"] + box["width"] <= PHONE["width"], name
        page.get_by_text(name, exact=True).tap()  # it can lie over the next one
