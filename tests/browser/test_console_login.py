"""The console's login: where the token is stored, and what users with few permissions see."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.accessibility import violations
from tests.browser.conftest import FIRST, SECOND
from tests.browser.driving import job, log_in, row, run, type_login, view
from tests.integration.staging import Stage

pytestmark = pytest.mark.slow


def test_a_wrong_password_is_refused_and_the_right_one_shows_the_fleet(page: Any, stage: Stage) -> None:
    """The form keeps the name and drops the password; the error says what to do."""
    with stage.client() as client:
        client.ask("cmd", fun="test.ping", tgt="*", mode="sync")
    page.goto("/console/#/fleet")
    type_login(page, "demo", "wrong")
    expect(page.get_by_role("alert")).to_contain_text("Check the user name, the password and the backend.")
    expect(page.get_by_label("Password")).to_have_value("")
    expect(page.get_by_label("User name")).to_have_value("demo")
    type_login(page, "demo", "demo")
    for minion in (FIRST, SECOND):
        expect(row(page, minion)).to_contain_text("up")
        expect(row(page, minion)).to_contain_text("accepted")


def test_a_user_of_another_backend_logs_in(page: Any) -> None:
    """The form has a field for the name of the `eauth`; without it, the server's default refuses them."""
    page.goto("/console/#/connection")
    type_login(page, "filed", "their password")
    expect(page.get_by_role("alert")).to_contain_text("Check the user name, the password and the backend.")
    page.get_by_text("Backend", exact=True).click()
    page.get_by_label("eauth").fill("file")
    assert violations(page) == []
    type_login(page, "filed", "their password")
    expect(page.locator(".wire.open")).to_be_visible()
    expect(page.get_by_role("main")).to_contain_text("filed (file)")


def test_a_reload_keeps_the_login_of_this_tab_only(page: Any) -> None:
    """The token is in no address and no storage that other tabs or a later browser session can read."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("websocket", lambda wire: asked.append(wire.url))
    log_in(page)
    view(page, "Jobs")
    assert page.evaluate("JSON.stringify([localStorage, document.cookie])") == '[{},""]'
    assert asked
    assert not any("token" in url or "?" in url for url in asked)
    page.reload()
    expect(page.get_by_role("heading", name="Jobs")).to_be_visible()
    other = page.context.new_page()
    other.goto("/console/")
    expect(other.get_by_label("User name")).to_be_visible()
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_label("User name")).to_be_visible()
    assert page.evaluate("sessionStorage.length") == 0
    page.reload()
    expect(page.get_by_label("User name")).to_be_visible()


def test_a_user_who_stays_logged_in_is_so_in_other_tabs_until_the_logout(page: Any) -> None:
    """A new tab needs no password; after the logout it does."""
    log_in(page, stay=True)
    view(page, "Events")
    other = page.context.new_page()
    other.goto("/console/#/events")
    expect(other.get_by_role("heading", name="Events")).to_be_visible()
    other.close()
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_label("User name")).to_be_visible()
    assert page.evaluate("localStorage.length") == 0
    page.reload()
    expect(page.get_by_label("User name")).to_be_visible()


def test_a_restricted_user_sees_only_permitted_minions(pages: Callable[..., Any], stage: Stage) -> None:
    """One of the two minions, no keys, and of a job on both minions only the visible part."""
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


def test_a_user_who_may_see_nothing_reads_so_in_each_view(pages: Callable[..., Any]) -> None:
    """No view looks as if it were still loading, or broken."""
    page = log_in(pages(), "narrow")
    words = {
        "Fleet": "No minions yet, or none that you may see.",
        "Jobs": "No jobs yet, or none that you may see.",
        "Batches": "No batches yet, or none that you may see.",
    }
    for name, text in words.items():
        view(page, name)
        expect(page.get_by_text(text)).to_be_visible()
    view(page, "Events")
    view(page, "Run")
    page.get_by_label("Target").fill("*")
    expect(page.get_by_text("matches no minion on which you may run it")).to_be_visible()
    page.get_by_role("button", name="Wheel").click()
    page.get_by_label("Function").focus()
    expect(page.get_by_text("There is no function here that you may run.")).to_be_visible()
    expect(page.get_by_role("alert")).to_have_count(0)


def test_a_search_finds_any_grain_by_its_name(page: Any) -> None:
    """Grains that the page does not have are requested."""
    log_in(page)
    search = page.get_by_label("Search minions")
    search.fill("pythonexecutable:nosuchpython")
    expect(page.get_by_text("No minion matches the filters.")).to_be_visible()
    search.fill("pythonexecutable:python")
    expect(row(page, FIRST)).to_be_visible()
    expect(row(page, SECOND)).to_be_visible()


def test_rejecting_an_accepted_key_takes_two_clicks(page: Any) -> None:
    """One click by mistake would disconnect the minion."""
    log_in(page)
    row(page, SECOND).get_by_role("link", name=SECOND).click()
    expect(page.get_by_role("heading", name=SECOND, level=1)).to_be_visible()
    side = page.get_by_role("main")
    side.get_by_role("button", name=f"reject the key of {SECOND}").click()
    expect(side.get_by_role("button", name=f"reject the key of {SECOND}: confirm")).to_be_visible()
    side.get_by_role("button", name="No", exact=True).click()
    expect(side.get_by_role("button", name="confirm")).to_have_count(0)
    expect(side).to_contain_text("accepted")


def test_a_command_that_salt_does_not_permit_shows_an_error_and_keeps_the_form(page: Any) -> None:
    """The error says what to do, without a code."""
    log_in(page, "viewer")
    run(page, "test.arg", FIRST)
    expect(page.get_by_role("alert").filter(has_text="Ask an administrator").first).to_be_visible()
    expect(page.get_by_label("Function")).to_have_value("test.arg")
