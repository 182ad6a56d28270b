"""The console's jobs: run something, see it go on, see what came of it, stop it."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import FIRST, SECOND
from tests.browser.driving import job, log_in, row, start, view
from tests.integration.conftest import wait_until
from tests.integration.staging import Stage

pytestmark = pytest.mark.slow


@pytest.fixture
def console(page: Any) -> Any:
    """The console of the user who may do everything."""
    return log_in(page)


def test_a_command_is_made_from_its_signature_and_both_returns_come_in(console: Any) -> None:
    """The target's preview, the completion, a field for each argument, and the answer below the form."""
    view(console, "Run")
    console.get_by_label("Target").fill("browser-*")
    expect(console.get_by_text("matches 2 minions")).to_contain_text(f"{FIRST}, {SECOND}")
    function = console.get_by_label("Function")
    function.focus()
    expect(console.locator("datalist option")).to_have_count(50)
    function.press_sequentially("test.ech")
    expect(console.locator("datalist option")).to_have_attribute("value", "test.echo")
    function.fill("test.echo")
    console.get_by_label("text (required)").fill("hello from the console")
    console.get_by_role("button", name="Run", exact=True).click()
    expect(job(console)).to_contain_text("2 of 2 returned")
    for minion in (FIRST, SECOND):
        expect(console.get_by_label(f"return of {minion}", exact=True)).to_have_text("hello from the console")
    view(console, "Jobs")
    expect(row(console, "test.echo")).to_contain_text("2 of 2 returned")
    view(console, "Fleet")
    expect(row(console, SECOND)).to_contain_text("test.echo")


def test_only_what_is_to_be_seen_is_sent(console: Any) -> None:
    """Not the fields of a function that stood there before; what does not fit the present one stays, and is said."""
    view(console, "Run")
    function, target = console.get_by_label("Function"), console.get_by_label("Target")
    target.fill(FIRST)
    function.fill("test.echo")
    console.get_by_label("text (required)").fill("of test.echo")
    function.fill("test.arg")
    console.get_by_role("button", name="Run", exact=True).click()
    returned = console.get_by_label(f"return of {FIRST}", exact=True)
    expect(returned).to_contain_text('"args": []')
    expect(returned).to_contain_text('"kwargs": {')
    expect(returned).not_to_contain_text("of test.echo")
    console.get_by_label("arguments, one a line").first.fill("20261125221427006867")
    console.get_by_role("button", name="Run", exact=True).click()
    expect(returned).to_contain_text('"20261125221427006867"')
    function.fill("test.version")
    expect(console.get_by_text("test.version takes none of these")).to_be_visible()
    expect(console.get_by_label("arguments, one a line").first).to_have_value("20261125221427006867")


def test_jobs_that_nobody_asked_for_by_name_are_shown_on_demand(console: Any, stage: Stage) -> None:
    """What Salt, the engine and this page run to know about others, such as completion."""
    with stage.client() as client:
        client.ask("cmd", fun="saltutil.running", tgt=FIRST, mode="sync")
        client.ask("cmd", fun="test.arg", tgt=FIRST, arg=["asked for"], mode="sync")
    view(console, "Jobs")
    expect(row(console, "asked for")).to_be_visible()
    expect(console.get_by_role("row").filter(has_text="saltutil.running")).to_have_count(0)
    console.get_by_label("Helper jobs").check()
    expect(row(console, "saltutil.running")).to_be_visible()
    view(console, "Fleet")
    expect(row(console, FIRST)).to_contain_text("test.arg")


def test_a_runner_and_its_return(console: Any) -> None:
    """On the master, from the list of its functions."""
    view(console, "Run")
    console.get_by_role("button", name="Runner").click()
    console.get_by_label("Function").fill("test.arg")
    console.get_by_label("Further arguments, one a line").fill('{"a": [1, 2]}\nplain text')
    console.get_by_role("button", name="Run", exact=True).click()
    returned = console.get_by_label("return", exact=True)
    expect(returned).to_contain_text('"plain text"')
    expect(returned).to_contain_text('"a": [')


def test_the_bar_of_a_slow_job_moves_while_it_runs(console: Any, stage: Stage) -> None:
    """Step by step; its states are there when it has ended."""
    start(console, stage, "state.apply", FIRST, "steps.four", progress=True)
    seen: set[int] = set()
    bar = job(console).get_by_role("progressbar", name="Progress of job")

    def full() -> bool:
        seen.add(int(bar.get_attribute("aria-valuenow")))
        return 100 in seen

    wait_until(full, "the end of the job", timeout=60)
    assert len(seen - {0, 100}) >= 2, seen
    expect(job(console)).to_contain_text("1 of 1 returned")
    expect(job(console)).to_contain_text("4 states: 0 failed")


def test_failed_and_changed_states_come_first(console: Any, stage: Stage) -> None:
    """Whatever the order in which they ran; the failed one is unfolded."""
    start(console, stage, "state.apply", "browser-*", "mixed")
    states = job(console).locator("details.part", has_text=FIRST).locator("details.one-state")
    expect(states).to_have_count(3)
    expect(states.locator("strong")).to_have_text(["something broke", "something changed", "nothing to do"])
    expect(states.first).to_have_attribute("open", "")
    expect(job(console)).to_contain_text("2 failed")


def test_a_running_job_is_canceled_from_its_page(console: Any, stage: Stage) -> None:
    """Its minions are shown as canceled, and the button is gone."""
    with stage.client() as client:
        jid = client.ask("cmd", fun="test.sleep", tgt="*", arg=[120])["jid"]
        view(console, "Jobs")
        expect(row(console, "test.sleep")).to_contain_text("running")
        expect(row(console, "test.sleep")).to_contain_text("0 of 2 returned")
        row(console, "test.sleep").get_by_role("link").click()
        wait_until(lambda: _all_run(client, jid), "the job on both minions")
        console.get_by_role("button", name="Cancel").click()
        expect(job(console).locator(".facts")).to_contain_text("canceled")
        expect(console.get_by_role("button", name="Cancel")).to_have_count(0)
        assert client.ask("get_job", jid=jid)["state"] == "canceled"


def _all_run(client: Any, jid: str) -> bool:
    answer = client.ask("cmd", fun="saltutil.find_job", tgt="*", arg=[jid], mode="sync")["minions"]
    return all(part["return"] for part in answer.values())
