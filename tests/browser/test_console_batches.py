"""The console's batches: started from the form, watched, opened, canceled."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.accessibility import violations
from tests.browser.conftest import FIRST, SECOND
from tests.browser.driving import log_in, row, view
from tests.integration.staging import Stage
from tests.support.gates import Gate
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow


@pytest.fixture
def console(page: Any, stage: Stage) -> Any:
    """Open the console of a server that has batches."""
    with stage.client() as client:
        if "batch" not in client.ask("describe")["operations"]:
            pytest.skip("this server has no batches")
    return log_in(page)


def begin(console: Any, fun: str, argument: str) -> None:
    """Start a batch on both minions, one at a time."""
    view(console, "Run")
    console.get_by_label("Target").fill("browser-*")
    console.get_by_label("Function").fill(fun)
    console.get_by_role("button", name="As a batch").click()
    console.get_by_label("Batch size").fill("1")
    console.get_by_label("(required)").fill(argument)
    console.get_by_role("button", name="Run", exact=True).click()
    expect(console.get_by_role("heading", name="Batch ")).to_be_visible()


def test_a_batch_is_started_watched_and_opened(console: Any) -> None:
    """It runs on one minion after the other, and each request's result is shown beside the table."""
    begin(console, "test.echo", "in turn")
    expect(console.locator(".facts")).to_contain_text("complete")
    expect(console.get_by_text("2 of 2 done")).to_be_visible()
    row(console, SECOND).click()
    expect(console.get_by_role("complementary", name=f"Request to {SECOND}")).to_contain_text("in turn")
    assert violations(console) == []
    view(console, "Batches")
    expect(console.get_by_role("row").nth(1)).to_contain_text("2 of 2 done")


def test_a_batch_is_paused_and_resumed_and_its_failed_requests_run_again(
    console: Any, stage: Stage, gate: Gate
) -> None:
    """It has a name; nothing more is sent while it is paused, and only what failed is run again, after a question."""
    view(console, "Run")
    console.get_by_label("Target").fill("browser-*")
    console.get_by_label("Function").fill("cmd.run")
    console.get_by_role("button", name="As a batch").click()
    console.get_by_label("Name of the batch").fill("one by one")
    console.get_by_label("Stop on the first failure").uncheck()
    console.get_by_label("cmd (required)").fill(gate.script("test $(id -u) = none"))
    console.get_by_role("button", name="Run", exact=True).click()
    console.get_by_role("dialog").get_by_role("button", name="Run", exact=True).click()
    expect(console.get_by_role("heading", name="one by one", level=1)).to_be_visible()
    for fact in ("cmd.run", "browser-*"):
        expect(console.locator(".facts")).to_contain_text(fact)
    number = int(console.url.rpartition("/")[2])
    with stage.client() as client:

        def published() -> bool:
            requests = client.ask("get_batch", batch=number, collection=True)["requests"]
            return any(one["jid"] for one in requests)

        # A pause before that would make the request pending again.
        wait_until(published, "the first request being published")
    console.get_by_role("button", name="Pause").click()
    expect(console.get_by_text("Paused: nothing more is sent")).to_be_visible()
    gate.open()
    expect(console.get_by_role("row").filter(has_text="failed")).to_have_count(1)
    expect(console.get_by_role("row").filter(has_text="pending")).to_have_count(1)
    assert violations(console) == []
    view(console, "Batches")
    expect(row(console, "one by one")).to_contain_text("paused")
    row(console, "one by one").get_by_role("link").click()
    console.get_by_role("button", name="Resume").click()
    expect(console.get_by_text("0 of 2 done · 2 failed")).to_be_visible()
    console.get_by_role("button", name="Run 2 failed again …").click()
    dialog = console.get_by_role("dialog", name="Run on 2 minions?")
    expect(dialog).to_contain_text("one by one")
    assert violations(console) == []
    dialog.get_by_role("button", name="Run", exact=True).click()
    expect(console.get_by_role("heading", name="one by one (again)", level=1)).to_be_visible()
    expect(console.get_by_text("0 of 2 done · 2 failed")).to_be_visible()


def test_a_batch_is_canceled_from_its_page(console: Any) -> None:
    """Running requests are stopped, waiting ones are not sent."""
    begin(console, "test.sleep", "120")
    expect(console.get_by_role("row").filter(has_text="running")).to_have_count(1)
    console.get_by_role("button", name="Cancel").click()
    expect(console.locator(".facts")).to_contain_text("canceled")
    for minion in (FIRST, SECOND):
        expect(row(console, minion)).to_contain_text("canceled")
