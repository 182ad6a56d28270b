"""The console's frame: views on demand, the overview, search, shortcuts, themes, messages, addresses."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.accessibility import violations
from tests.browser.conftest import FIRST, SECOND
from tests.browser.driving import job, log_in, row, run
from tests.integration.staging import Stage
from tests.support.gates import Gate
from tests.support.running import wait_running

pytestmark = pytest.mark.slow


def test_a_view_that_cannot_be_loaded_is_tried_again(pages: Callable[..., Any]) -> None:
    """The notice says what to do, and the rest of the page works."""
    page = pages(fresh=True)
    page.route("**/views/jobs.js", lambda route: route.abort())
    log_in(page)
    page.get_by_role("navigation").get_by_role("link", name="Jobs", exact=True).click()
    notice = page.get_by_role("alert").filter(has_text="could not be loaded")
    expect(notice).to_contain_text("Try again when the server answers.")
    page.get_by_role("navigation").get_by_role("link", name="Fleet", exact=True).click()
    expect(page.get_by_role("heading", name="Fleet", level=1)).to_be_visible()
    page.get_by_role("navigation").get_by_role("link", name="Jobs", exact=True).click()
    expect(notice).to_be_visible()
    page.unroute("**/views/jobs.js")
    notice.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("heading", name="Jobs", level=1)).to_be_visible()


def test_a_page_whose_modules_are_missing_says_so(pages: Callable[..., Any]) -> None:
    """Behind one address may be masters of two releases. While the page loads, and after it, the notice is hidden."""
    page = pages(fresh=True)
    notice = page.get_by_text("The console did not load: reload the page.")
    page.route("**/main.js", lambda route: route.fulfill(status=404))
    page.goto("/console/")
    expect(notice).to_be_hidden()
    expect(notice).to_be_visible(timeout=20_000)
    page.unroute("**/main.js")
    page.reload()
    expect(page.get_by_label("User name")).to_be_visible()
    expect(notice).to_have_count(0)


def test_views_that_were_not_opened_are_loaded_in_the_background(pages: Callable[..., Any]) -> None:
    """So they open while the server is away; none of them is needed for the login."""
    page = pages(fresh=True)
    loaded: list[str] = []
    page.on("requestfinished", lambda request: loaded.append(request.url.partition("/views/")[2]))
    with page.expect_request_finished(lambda request: request.url.endswith("views/overview.js")):
        page.goto("/console/")
    expect(page.get_by_label("User name")).to_be_visible()
    assert "run.js" not in loaded
    with page.expect_request_finished(lambda request: request.url.endswith("views/connection.js")):
        log_in(page)
    page.context.set_offline(True)
    page.get_by_role("navigation").get_by_role("link", name="Run", exact=True).click()
    expect(page.get_by_role("heading", name="Run", level=1)).to_be_visible()


def tile(page: Any, name: str) -> Any:
    """Return a number of the overview."""
    return page.get_by_role("list", name="Numbers").get_by_role("listitem").filter(has_text=name)


def test_the_first_page_tells_how_the_fleet_and_the_server_are(page: Any, stage: Stage) -> None:
    """Each number leads to the view that it comes from, with its filter."""
    with stage.client() as client:
        client.ask("cmd", fun="test.false", tgt=FIRST, mode="sync")
        client.ask("cmd", fun="cmd.run", tgt=FIRST, arg=["exit 4"], mode="sync")
        client.ask("cmd", fun="state.highstate", tgt=SECOND, mode="sync", patience=90)
    log_in(page, path="")
    expect(page.get_by_role("heading", name="Overview", level=1)).to_be_visible()
    expect(tile(page, "Minions")).to_contain_text("2 up")
    expect(tile(page, "Master")).to_contain_text("healthy")
    expect(tile(page, "Master")).to_contain_text("Salt 300")
    expect(tile(page, "Events per second").locator("svg")).to_be_visible()
    failed = page.locator("section").filter(has_text="Failed in the last 24 hours")
    expect(failed.get_by_role("link", name="cmd.run").first).to_be_visible()
    highstates = page.locator("section").filter(has_text="Last highstate of each minion")
    expect(highstates).to_contain_text(re.compile(r"\d+ (succeeded|failed)"))
    assert violations(page) == []
    tile(page, "Failed jobs").get_by_role("link").click()
    expect(page.get_by_role("heading", name="Jobs", level=1)).to_be_visible()
    states = page.get_by_role("group", name="States")
    for name in ("Failed", "Partial"):
        expect(states.get_by_role("button", name=name)).to_have_attribute("aria-pressed", "true")
    assert "#/jobs?state=failed%2Cpartial&from=" in page.url


def test_a_running_job_is_on_the_overview(page: Any, stage: Stage) -> None:
    """It is there while it runs."""
    log_in(page, path="#/overview")
    with stage.client() as client:
        jid = client.ask("cmd", fun="test.sleep", tgt=FIRST, arg=[600])["jid"]
        running = page.locator("section").filter(has_text="Running now")
        expect(running.locator(f'a[href="#/jobs/{jid}"]')).to_be_visible()
        wait_running(client, jid, [FIRST])
        client.ask("cancel", jid=jid, signal="kill")
        expect(running.locator(f'a[href="#/jobs/{jid}"]')).to_have_count(0)


def test_the_master_and_its_version_are_on_every_page(page: Any, stage: Stage) -> None:
    """The title names the master too, because several masters have several tabs."""
    with stage.client() as client:
        master = client.ask("describe")["master"]
    log_in(page, path="#/run")
    expect(page.get_by_role("banner")).to_contain_text(f"{master['id']} Salt {master['salt']}")
    expect(page).to_have_title(f"Run · {master['id']}")


def test_the_search_goes_to_views_minions_jobs_and_functions(page: Any, stage: Stage) -> None:
    """Ctrl-K opens it, the arrow keys choose, Enter opens, and Escape returns the focus."""
    with stage.client() as client:
        jid = client.ask("cmd", fun="test.version", tgt=FIRST, mode="sync")["jid"]
    log_in(page)
    expect(row(page, FIRST)).to_be_visible()
    field = page.get_by_role("combobox", name="Search views")

    def search(text: str, found: str, heading: str) -> None:
        page.keyboard.press("Control+k")
        expect(field).to_be_focused()
        field.fill(text)
        option = page.get_by_role("option").filter(has_text=found).first
        expect(option).to_be_visible()
        while option.get_attribute("aria-selected") != "true":
            page.keyboard.press("ArrowDown")
        assert field.get_attribute("aria-activedescendant") == option.get_attribute("id")
        page.keyboard.press("Enter")
        expect(page.get_by_role("dialog")).to_have_count(0)
        expect(page.get_by_role("heading", name=heading).first).to_be_visible()

    search("conn", "Connection", "Connection")
    search(SECOND[:-2], SECOND, SECOND)
    search(jid, jid, "test.version")
    search("test.fib", "test.fib", "Run")
    expect(page.get_by_label("Function")).to_have_value("test.fib")
    page.get_by_role("button", name="Search or go to").click()
    expect(field).to_be_focused()
    assert violations(page) == []
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('dialog, body').tagName") in ("DIALOG", "BODY")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_role("button", name="Search or go to")).to_be_focused()


def test_keys_go_to_views_and_can_be_turned_off(page: Any) -> None:
    """`?` lists them. In a field they are text."""
    log_in(page, path="#/overview")
    expect(page.get_by_role("heading", name="Overview", level=1)).to_be_visible()
    page.keyboard.press("g")
    page.keyboard.press("j")
    expect(page.get_by_role("heading", name="Jobs", level=1)).to_be_visible()
    page.keyboard.press("/")
    field = page.get_by_label("Search jobs")
    expect(field).to_be_focused()
    page.keyboard.type("g?")
    expect(field).to_have_value("g?")
    field.blur()
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Help")
    expect(dialog).to_contain_text("Go to the search field of the view")
    assert violations(page) == []
    dialog.get_by_label("Shortcuts of single keys").uncheck()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    page.keyboard.press("?")
    page.keyboard.press("Control+k")
    expect(page.get_by_role("dialog", name="Search and go to")).to_be_visible()
    expect(dialog).to_have_count(0)


def test_the_theme_is_kept(pages: Callable[..., Any]) -> None:
    """By default it is that of the system; a chosen one stays after a reload."""
    page = log_in(pages(color_scheme="dark"))
    back = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(back)
    page.get_by_role("button", name="Theme: system").click()
    expect(page.get_by_role("button", name="Theme: light")).to_be_visible()
    light = page.evaluate(back)
    assert light != dark
    page.reload()
    expect(page.get_by_role("button", name="Theme: light")).to_be_visible()
    assert page.evaluate(back) == light
    page.get_by_role("button", name="Theme: light").click()
    assert page.evaluate(back) == dark


def test_the_end_of_a_job_that_was_started_here_is_reported(pages: Callable[..., Any], gate: Gate) -> None:
    """A message leads to it, wherever the user is by then, and stays while it has the focus."""
    page = pages(fresh=True)  # a changed clock is that of all pages of a profile
    page.clock.install()
    log_in(page)
    run(page, "cmd.run", FIRST, confirm=True, **{"cmd (required)": gate.script()})
    expect(job(page)).to_contain_text("0 of 1 returned")
    page.get_by_role("navigation").get_by_role("link", name="Connection").click()
    page.clock.fast_forward(3000)  # jobs that end sooner are not reported
    gate.open()
    message = page.get_by_role("status", name="Messages")
    message.get_by_role("link", name="Open").focus()
    page.clock.run_for(10_000)
    expect(message).to_contain_text("cmd.run succeeded")
    assert violations(page) == []
    message.get_by_role("link", name="Open").click()
    expect(job(page)).to_contain_text("1 of 1 returned")
    expect(message.get_by_role("link")).to_have_count(0)


def test_notifications_are_asked_for_only_when_they_are_turned_on(page: Any) -> None:
    """The browser's question comes after the press of the button."""
    page.add_init_script("""
      window.asked = 0;
      let permission = "default";
      window.Notification = class {
        static get permission() { return permission; }
        static async requestPermission() { window.asked += 1; permission = "granted"; return permission; }
      };
    """)
    log_in(page, path="#/connection")
    page.get_by_role("button", name="Turn on").wait_for()
    assert page.evaluate("window.asked") == 0
    page.get_by_role("button", name="Turn on").click()
    expect(page.get_by_text("on: when a job that you started ends")).to_be_visible()
    assert page.evaluate("window.asked") == 1
    page.get_by_role("button", name="Turn off").click()
    expect(page.get_by_role("button", name="Turn on")).to_be_visible()


ADDRESS_IS_LATE = """{
    const wait = window.setTimeout;
    window.late = [];
    window.setTimeout = (act, ms, ...rest) => ms === 300 ? -window.late.push(act) : wait(act, ms, ...rest);
}"""


def test_a_changed_filter_does_not_lead_back_to_its_view(page: Any) -> None:
    """Filters are written to the address a moment after a change. By then the page may leave the view."""
    page.add_init_script(ADDRESS_IS_LATE)
    log_in(page)
    page.get_by_label("Search minions").fill(SECOND)
    expect(row(page, SECOND)).to_be_visible()
    expect(page.get_by_role("row").filter(has_text=FIRST)).to_have_count(0)
    assert page.evaluate("late.length") > 0
    page.evaluate("() => { location.hash = '#/run'; for (const act of late) act(); }")
    expect(page.get_by_role("heading", name="Run", level=1)).to_be_visible()
    assert page.url.endswith("#/run")


def test_filters_are_part_of_the_address(page: Any, stage: Stage) -> None:
    """A copied address and the browser's *Back* show the same rows."""
    log_in(page)
    page.get_by_label("Search minions").fill(SECOND)
    page.get_by_role("button", name="Up 2").click()
    expect(page).to_have_url(re.compile(rf"#/fleet\?search={SECOND}&kind=up$"))
    page.reload()
    expect(page.get_by_label("Search minions")).to_have_value(SECOND)
    expect(row(page, SECOND)).to_be_visible()
    expect(page.get_by_role("row").filter(has_text=FIRST)).to_have_count(0)
    page.get_by_role("navigation").get_by_role("link", name="Jobs").click()
    expect(page.get_by_role("heading", name="Jobs", level=1)).to_be_visible()
    page.go_back()
    expect(page.get_by_label("Search minions")).to_have_value(SECOND)
    page.get_by_role("navigation").get_by_role("link", name="Fleet").click()
    expect(page.get_by_label("Search minions")).to_have_value("")
