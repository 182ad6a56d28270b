"""The console's jobs: run a function, watch its progress and returns, cancel it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.accessibility import violations
from tests.browser.conftest import FIRST, SECOND
from tests.browser.driving import job, log_in, row, run, start, view
from tests.integration.staging import Stage
from tests.support.gates import Gate
from tests.support.running import wait_running
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow


@pytest.fixture
def console(page: Any) -> Any:
    """Open the console as a user with all permissions."""
    return log_in(page)


def test_a_command_has_a_field_for_each_argument_and_shows_both_returns(console: Any) -> None:
    """The form completes names and previews the target, and shows the returns below it."""
    view(console, "Run")
    console.get_by_label("Target").fill("browser-*")
    expect(console.get_by_text("matches 2 minions")).to_contain_text(f"{FIRST}, {SECOND}")
    function = console.get_by_label("Function")
    function.click()
    options = console.get_by_role("listbox", name="Suggestions").get_by_role("option")
    expect(options).to_have_count(50)
    function.press_sequentially("test.ech")
    expect(options).to_contain_text("test.echo")
    function.press("ArrowDown")
    function.press("Enter")
    expect(function).to_have_value("test.echo")
    console.get_by_label("text (required)").fill("hello from the console")
    console.get_by_role("button", name="Run", exact=True).click()
    expect(job(console)).to_contain_text("2 of 2 returned")
    for minion in (FIRST, SECOND):
        job(console).get_by_role("button", name=minion, exact=True).click()
        expect(console.get_by_label(f"return of {minion}", exact=True)).to_have_text("hello from the console")
    view(console, "Jobs")
    expect(row(console, "test.echo")).to_contain_text("2 of 2 returned")
    view(console, "Fleet")
    expect(row(console, SECOND)).to_contain_text("test.echo")


def test_only_visible_arguments_are_sent(console: Any) -> None:
    """Fields of another function are not sent; text that does not fit the function stays, with a remark."""
    view(console, "Run")
    function, target = console.get_by_label("Function"), console.get_by_label("Target")
    target.fill(FIRST)
    function.fill("test.echo")
    console.get_by_label("text (required)").fill("of test.echo")
    function.fill("test.arg")
    console.get_by_role("button", name="Run", exact=True).click()
    returned = console.get_by_label(f"return of {FIRST}", exact=True)
    expect(returned).to_contain_text("args: []")
    expect(returned).to_contain_text("kwargs:")
    expect(returned).not_to_contain_text("of test.echo")
    console.get_by_label("arguments, one a line").first.fill("20261125221427006867")
    console.get_by_role("button", name="Run", exact=True).click()
    expect(returned).to_contain_text('"20261125221427006867"')
    function.fill("test.version")
    expect(console.get_by_text("test.version accepts no such arguments")).to_be_visible()
    expect(console.get_by_label("arguments, one a line").first).to_have_value("20261125221427006867")


def test_helper_jobs_are_shown_on_demand(console: Any, stage: Stage) -> None:
    """These are jobs that Salt, the engine and the page run by themselves, such as those for completion."""
    with stage.client() as client:
        client.ask("cmd", fun="saltutil.running", tgt=FIRST, mode="sync")
        client.ask("cmd", fun="test.arg", tgt=FIRST, arg=["requested"], mode="sync")
    view(console, "Jobs")
    expect(row(console, "requested")).to_be_visible()
    expect(console.get_by_role("row").filter(has_text="saltutil.running")).to_have_count(0)
    console.get_by_label("Helper jobs").check()
    expect(row(console, "saltutil.running")).to_be_visible()
    view(console, "Fleet")
    expect(row(console, FIRST)).to_contain_text("test.arg")


def test_a_runner_is_run_on_the_master(console: Any) -> None:
    """The page shows its return."""
    view(console, "Run")
    console.get_by_role("button", name="Runner").click()
    console.get_by_label("Function").fill("test.arg")
    console.get_by_label("Further arguments, one a line").fill('{"a": [1, 2]}\nplain text')
    console.get_by_role("button", name="Run", exact=True).click()
    returned = console.get_by_label("return", exact=True)
    console.get_by_role("button", name="JSON", exact=True).click()
    expect(returned).to_contain_text('"plain text"')
    expect(returned).to_contain_text('"a": [')


def test_the_bar_of_a_slow_job_moves_while_it_runs(console: Any, stage: Stage, gate: Gate) -> None:
    """It moves with each state; the states are shown when the job has ended."""
    gated = {"pillar": {"gate": str(gate.folder)}}
    start(console, stage, "state.apply", FIRST, "steps.four", progress=True, kwargs=gated)
    seen: set[int] = set()
    bar = job(console).get_by_role("progressbar", name="Progress of job")

    def full() -> bool:
        seen.add(int(bar.get_attribute("aria-valuenow")))
        gate.open(*map(str, seen))
        return 100 in seen

    wait_until(full, "the end of the job")
    assert seen >= {25, 50, 75}
    expect(job(console)).to_contain_text("1 of 1 returned")
    expect(job(console)).to_contain_text("4 states: 0 failed")


def test_failed_and_changed_states_come_first(console: Any, stage: Stage) -> None:
    """The order of their runs does not matter; the failed one is unfolded."""
    start(console, stage, "state.apply", "browser-*", "mixed")
    states = job(console).locator("details.part", has_text="2 minions").locator("details.one-state")
    expect(states).to_have_count(3)
    expect(states.locator("strong")).to_have_text(["something broke", "something changed", "nothing to do"])
    expect(states.first).to_have_attribute("open", "")
    expect(job(console)).to_contain_text("2 failed")


def test_a_state_that_a_requisite_blocked_comes_after_its_cause(console: Any, stage: Stage) -> None:
    """It is shown as not run, folded below its cause, and the counts add up."""
    start(console, stage, "state.apply", FIRST, "requisite")
    expect(job(console).locator("details.one-state strong")).to_have_text(["the cause"])
    job(console).get_by_text("1 state not run because this failed").click()
    states = job(console).locator("details.one-state")
    expect(states.locator("strong")).to_have_text(["the cause", "blocked by it"])
    expect(states.nth(1)).to_contain_text("not run: a requisite failed")
    assert [states.nth(at).evaluate("one => one.open") for at in (0, 1)] == [True, False]
    expect(job(console)).to_contain_text("2 states: 1 failed, 1 not run")


def test_missing_minions_do_not_count_as_returned(console: Any, stage: Stage) -> None:
    """This holds on the job's page and in the table of jobs."""
    start(console, stage, "test.arg", [FIRST, "no-such-minion"], "one is missing", tgt_type="list")
    expect(job(console)).to_contain_text("1 of 2 returned · 1 missing")
    view(console, "Jobs")
    expect(row(console, "one is missing")).to_contain_text("1 of 2 returned · 1 missing")


def test_nothing_is_prefilled(console: Any) -> None:
    """A click on Run in an empty form starts no job."""
    view(console, "Run")
    for label in ("Target", "Function"):
        expect(console.get_by_label(label)).to_have_value("")
    console.get_by_role("button", name="Run", exact=True).click()
    expect(console.get_by_label("Target")).to_be_focused()
    expect(job(console)).to_have_count(0)


def test_a_run_on_all_minions_is_confirmed_with_their_names(console: Any) -> None:
    """The dialog opens on the button that goes back; only the other one starts the job."""
    run(console, "test.ping", "*")
    dialog = console.get_by_role("dialog", name="Run on 2 minions?")
    expect(dialog).to_contain_text("It only reads.")
    for minion in (FIRST, SECOND):
        expect(dialog).to_contain_text(minion)
    expect(dialog.get_by_role("button", name="No, go back")).to_be_focused()
    console.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(job(console)).to_have_count(0)
    console.get_by_role("button", name="Run", exact=True).click()
    dialog.get_by_role("button", name="Run", exact=True).click()
    expect(job(console)).to_contain_text("2 of 2 returned")


def test_states_are_tested_without_a_question_and_applied_with_one(console: Any) -> None:
    """*Test run* adds test=True; an option that the console adds for progress is not shown."""
    view(console, "Run")
    console.get_by_label("Target").fill(FIRST)
    console.get_by_label("Function").fill("state.apply")
    console.get_by_label("mods").fill("mixed")
    console.get_by_role("button", name="Test run").click()
    expect(job(console)).to_contain_text("1 of 1 returned")
    expect(job(console)).to_contain_text("test=true")
    expect(job(console)).to_contain_text("1 would change")
    console.get_by_role("button", name="Run", exact=True).click()
    console.get_by_role("dialog", name="Run on 1 minion?").get_by_role("button", name="Run", exact=True).click()
    expect(job(console)).to_contain_text("1 changed")
    expect(job(console)).not_to_contain_text("state_events")
    view(console, "Jobs")
    expect(row(console, "state.apply")).to_contain_text("mods=mixed")
    expect(row(console, "state.apply")).not_to_contain_text("state_events")


def test_a_double_click_on_cancel_sends_one_term_signal(console: Any, stage: Stage) -> None:
    """The minions are shown as canceled, none counts as returned, and the button is gone."""
    with stage.client() as client:
        jid = client.ask("cmd", fun="test.sleep", tgt="*", arg=[120])["jid"]
        view(console, "Jobs")
        expect(row(console, "test.sleep")).to_contain_text("running")
        expect(row(console, "test.sleep")).to_contain_text("0 of 2 returned")
        row(console, "test.sleep").get_by_role("link").click()
        wait_running(client, jid, [FIRST, SECOND])
        console.get_by_role("button", name="Cancel").dblclick()
        expect(job(console).locator(".facts")).to_contain_text("canceled")
        expect(job(console)).to_contain_text("0 of 2 returned · 2 canceled")
        expect(console.get_by_role("button", name="Cancel")).to_have_count(0)
        assert client.ask("get_job", jid=jid)["state"] == "canceled"
        jobs = client.ask("list_jobs", limit=50)
    signals = [one["fun"] for one in jobs if one["arg"] == [jid] and one["fun"] != "saltutil.find_job"]
    assert signals == ["saltutil.term_job"]


def test_a_job_that_ignores_cancel_can_be_killed_after_a_question(page: Any, stage: Stage) -> None:
    """*Kill* is another button, elsewhere, and appears only some seconds after *Cancel*."""
    signals: list[str] = []

    def drop_term(wire: Any) -> None:
        server = wire.connect_to_server()

        def to_server(text: str) -> None:
            message = json.loads(text)
            if message["type"] == "cancel":
                signals.append(message["signal"])
            if message.get("signal") == "term":
                result = {"jid": message["jid"], "minions": [FIRST]}
                wire.send(json.dumps({"id": message["id"], "type": "result", "result": result}))
            else:
                server.send(text)

        wire.on_message(to_server)

    page.route_web_socket("**/ws", drop_term)
    log_in(page)
    jid = start(page, stage, "test.sleep", FIRST, 120)
    with stage.client() as client:
        wait_running(client, jid, [FIRST])
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("button", name="Kill")).to_have_count(0)
    page.get_by_role("button", name="Kill …").click()
    dialog = page.get_by_role("dialog", name="Kill the job?")
    assert violations(page) == []
    dialog.get_by_role("button", name="Kill", exact=True).click()
    expect(job(page)).to_contain_text("0 of 1 returned · 1 canceled")
    assert signals == ["term", "kill"]
