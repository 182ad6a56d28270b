"""The main flows of the console with the keyboard alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import FIRST
from tests.browser.driving import job, row
from tests.integration.staging import Stage

pytestmark = pytest.mark.slow

STEPS = 120  # presses of Tab until an element must have had the focus
NAME = """() => {
  const one = document.activeElement;
  return (one.getAttribute("aria-label") ?? (one.labels?.[0]?.textContent || one.textContent)).trim();
}"""
IS_VISIBLE = """() => {
  const box = document.activeElement.getBoundingClientRect();
  const top = document.elementFromPoint(box.x + box.width / 2, box.y + Math.min(box.height, 20) / 2);
  return document.activeElement.contains(top) || top?.contains(document.activeElement);
}"""


@pytest.fixture
def page(pages: Callable[..., Any]) -> Any:
    """Open the console and log in, without a mouse."""
    page = pages()
    page.goto("/console/#/overview")
    expect(page.get_by_label("User name")).to_be_focused()
    page.keyboard.type("demo")
    page.keyboard.press("Tab")
    page.keyboard.type("demo")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Overview", level=1)).to_be_visible()
    return page


def tab_to(page: Any, name: str, key: str = "Tab") -> None:
    """Press Tab until the element whose name begins so has the focus. It must be visible then."""
    seen = []
    for _ in range(STEPS):
        page.keyboard.press(key)
        seen.append(page.evaluate(NAME)[:40])
        if seen[-1].startswith(name):
            assert page.evaluate(IS_VISIBLE), f"{name} has the focus, and something covers it"
            return
    raise AssertionError(f"{name} is not reached: {seen}")


def go_to(page: Any, key: str, heading: str) -> None:
    """Go to a view by its shortcut."""
    page.keyboard.press("g")
    page.keyboard.press(key)
    expect(page.get_by_role("heading", name=heading, level=1)).to_be_visible()


def test_a_function_is_run_followed_and_canceled(page: Any) -> None:
    """Ctrl+Enter runs it from any field."""
    go_to(page, "r", "Run")
    tab_to(page, "Target")
    page.keyboard.type(FIRST)
    tab_to(page, "Function")
    page.keyboard.type("test.sleep")
    expect(page.get_by_label("length")).to_be_visible()
    tab_to(page, "length")
    page.keyboard.type("600")
    page.keyboard.press("Control+Enter")
    expect(job(page)).to_contain_text("0 of 1 returned")
    tab_to(page, "Cancel")
    page.keyboard.press("Enter")
    expect(job(page)).to_contain_text("canceled")


def test_a_question_is_answered_and_a_return_is_opened(page: Any) -> None:
    """The question has the focus, Escape refuses, and the groups of a job fold."""
    go_to(page, "r", "Run")
    tab_to(page, "Target")
    page.keyboard.type("browser-*")
    tab_to(page, "Function")
    page.keyboard.type("cmd.run")
    expect(page.get_by_label("cmd (required)")).to_be_visible()
    tab_to(page, "cmd")
    page.keyboard.type("echo by keyboard")
    page.keyboard.press("Control+Enter")
    dialog = page.get_by_role("dialog", name="Run on 2 minions?")
    expect(dialog).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    page.keyboard.press("Control+Enter")
    expect(dialog).to_be_visible()
    assert page.evaluate("document.activeElement.closest('dialog') !== null")
    tab_to(page, "Run")
    page.keyboard.press("Enter")
    expect(job(page)).to_contain_text("2 of 2 returned")
    returned = job(page).get_by_text("by keyboard").last
    expect(returned).to_be_visible()
    summary = job(page).locator("details.part > summary")
    summary.focus()
    page.keyboard.press("Enter")
    expect(job(page).locator("details.part[open]")).to_have_count(0)


def test_jobs_events_and_minions_are_opened_and_left(page: Any, stage: Stage) -> None:
    """Filters, rows, tabs and details."""
    with stage.client() as client:
        jid = client.ask("cmd", fun="test.version", tgt=FIRST, mode="sync")["jid"]
    go_to(page, "j", "Jobs")
    page.keyboard.press("/")
    page.keyboard.type(jid)
    expect(row(page, "test.version")).to_be_visible()
    expect(page.get_by_role("row")).to_have_count(2)
    tab_to(page, f"test.version, job {jid}")
    page.keyboard.press("Enter")
    expect(job(page)).to_contain_text("1 of 1 returned")
    go_to(page, "e", "Events")
    page.keyboard.press("/")
    page.keyboard.type(f"salt/job/{jid}/ret")
    page.keyboard.press("Enter")
    expect(row(page, "/ret/")).to_be_visible()
    tab_to(page, f"salt/job/{jid}/ret")
    page.keyboard.press("Enter")
    side = page.get_by_role("complementary", name="Event")
    expect(side).to_be_visible()
    tab_to(page, "Close")
    page.keyboard.press("Enter")
    expect(side).to_have_count(0)
    go_to(page, "f", "Fleet")
    page.keyboard.press("/")
    page.keyboard.type(FIRST)
    expect(row(page, FIRST)).to_be_visible()
    tab_to(page, f"Select {FIRST}")
    page.keyboard.press("Space")
    expect(page.get_by_role("region", name="Selected minions")).to_contain_text("1 minion selected")
    tab_to(page, FIRST)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=FIRST, level=1)).to_be_visible()
    tab_to(page, "Grains")
    page.keyboard.press("Enter")
    expect(page.get_by_role("region", name="Grains")).to_contain_text("osfullname")
