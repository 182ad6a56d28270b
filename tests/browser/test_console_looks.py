"""How the console looks: every view without a serious fault of accessibility, on a phone too, and its pictures in docs.

The pictures in docs/images/ are written anew only when IMAGES is set in the environment (`make docs-images`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.browser.conftest import FIRST, SECOND
from tests.browser.driving import job, log_in, row, run, start, view
from tests.integration.staging import Stage

pytestmark = pytest.mark.slow

IMAGES = Path(__file__).parents[2] / "docs" / "images"
GRAVE = ("serious", "critical")
DESKTOP = {"width": 1200, "height": 680}
PHONE = {"width": 390, "height": 780}
# Where the tests' minions run is a grain of theirs, and nobody else's business: minions that were installed run in /.
HIDE = """(path) => {
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) texts.currentNode.data = texts.currentNode.data.replaceAll(path, "/");
}"""
VIEWS = ("Fleet", "Jobs", "Run", "Events", "Batches", "Connection")


def grave_faults(page: Any) -> list[str]:
    """What axe-core calls serious or critical, with where it is."""
    violations = Axe().run(page).response["violations"]
    return [
        f"{found['id']}: {node['html'][:200]}"
        for found in violations
        if found["impact"] in GRAVE
        for node in found["nodes"]
    ]


def picture(page: Any, name: str) -> None:
    """Write a picture for the documents, if it is asked for."""
    if os.environ.get("IMAGES"):
        page.wait_for_timeout(700)  # bars and columns have come to rest
        page.evaluate(HIDE, os.getcwd())
        page.screenshot(path=IMAGES / f"{name}.png", animations="disabled")


def open_views(page: Any) -> Iterator[str]:
    """Go through the views that this server has."""
    for name in VIEWS:
        if page.get_by_role("navigation").get_by_role("link", name=name, exact=True).count():
            view(page, name)
            yield name


@pytest.fixture(scope="module")
def history(stage: Stage) -> str:
    """Some jobs that were run, as on any master; returns the one with states that failed and changed."""
    with stage.client() as client:
        client.ask("cmd", fun="test.version", tgt="*", mode="sync")
        client.ask("cmd", fun="disk.usage", tgt=FIRST, mode="sync")
        client.ask("cmd", fun="cmd.run", tgt="browser-*", arg=["exit 3"], mode="sync")
        client.ask("runner", method="jobs.active")
        if "batch" in client.ask("describe")["operations"]:
            client.ask("batch", batch=[{"fun": "test.version", "tgt": "*"}], concurrency=1)
        jid: str = client.ask("cmd", fun="state.apply", tgt="*", arg=["mixed"], mode="sync")["jid"]
        return jid


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_view_has_a_serious_fault(pages: Callable[..., Any], history: str, stage: Stage, scheme: str) -> None:
    """By axe-core, in light and dark: contrast, names, roles, order."""
    page = pages(color_scheme=scheme, viewport=DESKTOP)
    page.goto("/console/")
    expect(page.get_by_label("User name")).to_be_visible()
    assert grave_faults(page) == []
    log_in(page)
    expect(row(page, FIRST)).to_be_visible()
    for name in open_views(page):
        page.wait_for_timeout(300)
        assert grave_faults(page) == [], name
        if scheme == "light":
            picture(page, f"console-{name.lower()}")
    page.goto(f"/console/#/jobs/{history}")
    expect(job(page)).to_contain_text("2 of 2 returned")
    assert grave_faults(page) == []
    picture(page, f"console-job-{scheme}")


def test_no_detail_has_a_serious_fault(pages: Callable[..., Any], stage: Stage) -> None:
    """A minion, an event, a running command and its answer."""
    page = log_in(pages(viewport=DESKTOP))
    row(page, SECOND).get_by_role("link", name=SECOND).click()
    expect(page.get_by_role("complementary", name=SECOND)).to_contain_text('"os"')
    assert grave_faults(page) == []
    picture(page, "console-minion")
    run(page, "test.sleep", "*", length="20")
    expect(job(page)).to_contain_text("0 of 2 returned")
    assert grave_faults(page) == []
    picture(page, "console-run-answer")
    start(page, stage, "state.apply", "*", "steps.four", progress=True)
    bar = job(page).get_by_role("progressbar", name="Progress of job")
    expect(bar).not_to_have_attribute("aria-valuenow", "0")
    assert grave_faults(page) == []
    picture(page, "console-job-running")
    view(page, "Events")
    row(page, "/ret/").get_by_role("button").click()
    expect(page.get_by_role("complementary", name="Event")).to_be_visible()
    assert grave_faults(page) == []
    picture(page, "console-event")


def test_on_a_phone_nothing_is_wider_than_the_screen(pages: Callable[..., Any], history: str, stage: Stage) -> None:
    """In any view, and no view has a serious fault there."""
    page = log_in(pages(viewport=PHONE, has_touch=True, is_mobile=True))
    for name in [*open_views(page), None]:
        if name is None:
            page.goto(f"/console/#/jobs/{history}")
            expect(job(page)).to_contain_text("2 of 2 returned")
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, name
    assert grave_faults(page) == []
    picture(page, "console-phone")


def test_all_can_be_done_by_keyboard(page: Any) -> None:
    """From the login to a minion: what has the focus is what Tab comes to, in the order of the page."""
    page.goto("/console/")
    expect(page.get_by_label("User name")).to_be_focused()
    for keys in ("demo", "Tab", "demo", "Enter"):
        page.keyboard.press(keys) if keys in ("Tab", "Enter") else page.keyboard.type(keys)
    expect(row(page, FIRST)).to_be_visible()
    page.locator("body").press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent") == FIRST:
            break
    page.keyboard.press("Enter")
    side = page.get_by_role("complementary", name=FIRST)
    expect(side).to_be_focused()
    page.keyboard.press("Escape")
    expect(side).to_have_count(0)
    expect(page.get_by_role("link", name=FIRST)).to_be_focused()


def test_on_a_phone_what_is_looked_into_lies_over_the_table(pages: Callable[..., Any], history: str) -> None:
    """Over all of it, and it is there as before when that is closed."""
    page = log_in(pages(viewport=PHONE, has_touch=True, is_mobile=True))
    row(page, FIRST).get_by_role("link", name=FIRST).tap()
    side = page.get_by_role("complementary", name=FIRST)
    expect(side).to_contain_text('"os"')
    assert side.bounding_box()["height"] > 0.8 * PHONE["height"]
    assert grave_faults(page) == []
    side.get_by_role("button", name="Close").tap()
    expect(row(page, SECOND)).to_be_visible()
    for name in open_views(page):
        shown = page.get_by_role("navigation").get_by_role("link", name=name, exact=True).bounding_box()
        assert shown["x"] >= 0, name
        assert shown["x"] + shown["width"] <= PHONE["width"], name
