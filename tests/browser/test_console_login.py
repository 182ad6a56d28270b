"""The console's login: who gets in, what stays behind, and what one sees who may see only some."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import FIRST, SECOND
from tests.browser.driving import job, log_in, row, run, type_login, view
from tests.integration.staging import Stage

pytestmark = pytest.mark.slow


def test_a_wrong_password_is_told_and_the_right_one_shows_the_fleet(page: Any, stage: Stage) -> None:
    """The name stays in the form, the password does not."""
    with stage.client() as client:
        client.ask("cmd", fun="test.ping", tgt="*", mode="sync")
    page.goto("/console/")
    type_login(page, "demo", "wrong")
    expect(page.get_by_role("alert")).to_contain_text("unauthenticated")
    expect(page.get_by_label("Password")).to_have_value("")
    expect(page.get_by_label("User name")).to_have_value("demo")
    type_login(page, "demo", "demo")
    for minion in (FIRST, SECOND):
        expect(row(page, minion)).to_contain_text("up")
        expect(row(page, minion)).to_contain_text("accepted")


def test_the_token_is_in_no_address_and_in_no_storage(page: Any) -> None:
    """It is in the page's memory: a reload asks for the login again."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("websocket", lambda wire: asked.append(wire.url))
    log_in(page)
    view(page, "Jobs")
    assert page.evaluate("JSON.stringify([localStorage, sessionStorage, document.cookie])") == '[{},{},""]'
    assert asked
    assert not any("token" in url or "?" in url for url in asked)
    page.reload()
    expect(page.get_by_label("User name")).to_be_visible()


def test_who_asks_to_stay_logged_in_stays_so_until_the_logout(page: Any) -> None:
    """A reload needs no password; after the logout one does."""
    log_in(page, stay=True)
    view(page, "Events")
    page.reload()
    expect(page.get_by_role("heading", name="Events")).to_be_visible()
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_label("User name")).to_be_visible()
    assert page.evaluate("localStorage.length") == 0
    page.reload()
    expect(page.get_by_label("User name")).to_be_visible()


def test_a_restricted_user_sees_only_what_he_may(pages: Callable[..., Any], stage: Stage) -> None:
    """One of the minions, no keys, and a job on both as a job on this one."""
    with stage.client() as client:
        client.ask("cmd", fun="test.arg", tgt="*", arg=["shared"], mode="sync")
    page = log_in(pages(), "part")
    expect(row(page, FIRST)).to_be_visible()
    expect(page.get_by_role("row").filter(has_text=SECOND)).to_have_count(0)
    expect(page.get_by_text("accepted")).to_have_count(0)
    for name in ("Key", "os"):
        expect(page.get_by_role("columnheader", name=name, exact=True)).to_have_count(0)
    view(page, "Run")
    page.get_by_label("Target").fill("*")
    expect(page.get_by_text("matches 1 minion")).to_be_visible()
    page.get_by_label("Target").fill(SECOND)
    expect(page.get_by_text("matches no minion")).to_be_visible()
    view(page, "Jobs")
    row(page, "test.arg").get_by_role("link").click()
    expect(job(page)).to_contain_text("1 of 1 returned")
    expect(job(page)).to_contain_text(FIRST)
    expect(job(page)).not_to_contain_text(SECOND)
    view(page, "Connection")
    expect(page.get_by_text("May see keys")).to_be_visible()
    expect(page.locator("dd").filter(has_text="yes")).to_have_count(0)


def test_who_may_see_nothing_is_told_so(pages: Callable[..., Any]) -> None:
    """In words, in each view; nothing there looks as if it were still being read, or broken."""
    page = log_in(pages(), "narrow")
    words = {
        "Fleet": "There is no minion that you may see.",
        "Jobs": "There is no job that you may see.",
        "Batches": "There is no batch that you may see.",
    }
    for name, text in words.items():
        view(page, name)
        expect(page.get_by_text(text)).to_be_visible()
    view(page, "Events")
    view(page, "Run")
    expect(page.get_by_text("matches no minion that you may use")).to_be_visible()
    page.get_by_role("button", name="Wheel").click()
    page.get_by_label("Function").focus()
    expect(page.get_by_text("There is no function here that you may run.")).to_be_visible()
    expect(page.get_by_role("alert")).to_have_count(0)


def test_a_grain_that_is_searched_for_by_name_is_found(page: Any) -> None:
    """Whichever it is: those that the page does not hold are asked for."""
    log_in(page)
    search = page.get_by_label("Search minions")
    search.fill("pythonexecutable:nosuchpython")
    expect(page.get_by_text("No minion fits.")).to_be_visible()
    search.fill("pythonexecutable:python")
    expect(row(page, FIRST)).to_be_visible()
    expect(row(page, SECOND)).to_be_visible()


def test_a_minion_in_use_is_rejected_by_two_clicks_only(page: Any) -> None:
    """One slip of the finger would cut it off."""
    log_in(page)
    row(page, SECOND).get_by_role("link", name=SECOND).click()
    side = page.get_by_role("complementary", name=SECOND)
    side.get_by_role("button", name=f"reject the key of {SECOND}").click()
    expect(side.get_by_role("button", name=f"reject the key of {SECOND}: yes")).to_be_visible()
    side.get_by_role("button", name="No", exact=True).click()
    expect(side.get_by_role("button", name="yes")).to_have_count(0)
    expect(side).to_contain_text("accepted")


def test_what_salt_does_not_permit_is_said_where_it_was_asked_for(page: Any) -> None:
    """With the server's own words; the form keeps what was typed."""
    log_in(page, "viewer")
    run(page, "test.arg", FIRST)
    expect(page.get_by_role("alert")).to_contain_text("forbidden")
    expect(page.get_by_label("Function")).to_have_value("test.arg")
