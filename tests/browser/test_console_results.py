"""The console's results: in the form that fits them, grouped by outcome, and what can be done with a job."""

from __future__ import annotations

import json
import urllib.parse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.accessibility import violations
from tests.browser.conftest import FIRST, SECOND
from tests.browser.driving import clipboard, job, log_in, start, view
from tests.integration.staging import Stage
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow

LIST: dict[str, Any] = {"tgt_type": "list"}


@pytest.fixture
def console(page: Any) -> Any:
    """Open the console as a user with all permissions."""
    return log_in(page)


def returned(console: Any, minion: str = FIRST) -> Any:
    """Return the element with a minion's return."""
    return console.get_by_label(f"return of {minion}", exact=True)


def test_a_return_has_forms_a_search_and_a_download(console: Any, stage: Stage) -> None:
    """Data is a tree, and YAML, JSON or raw; what is downloaded is the return, exactly."""
    value = {"web": {"port": 80, "names": ["alpha", "beta"]}, "text": "one\ntwo", "no": "no", "long": "x" * 500}
    start(console, stage, "test.arg", FIRST, value)
    shown = returned(console)
    expect(shown).to_contain_text("port: 80")
    for form, text in (("YAML", '"no": "no"'), ("JSON", '"text": "one\\ntwo"'), ("Raw", '"names": ["alpha", "beta"]')):
        job(console).get_by_role("button", name=form, exact=True).click()
        expect(shown).to_contain_text(text)
    with console.expect_download() as download:
        console.get_by_role("button", name=f"Download return of {FIRST}").click()
    assert download.value.suggested_filename == f"return-{FIRST}.json"
    assert json.loads(Path(download.value.path()).read_text())["args"] == [value]
    job(console).get_by_role("button", name="Find", exact=True).click()
    console.get_by_label(f"Find in the return of {FIRST}").fill("alp")
    expect(job(console).locator(".matches li").first).to_have_text("args:0:web:names:0 alpha")


def test_diffs_and_output_of_commands_are_coloured(console: Any, stage: Stage, tmp_path: Path) -> None:
    """This holds for states, for commands, and for functions that return a diff as text; an escape is never shown."""
    file = tmp_path / "managed"
    file.write_text("one\ntwo\n")
    start(console, stage, "state.single", FIRST, "file.managed", str(file), kwargs={"contents": "one\nthree"})
    job(console).get_by_text(f"File {file} updated").click()
    expect(job(console).locator("pre.diff .removed")).to_have_text("-two\n")
    expect(job(console).locator("pre.diff .added")).to_have_text("+three\n")
    script = "printf '\\033[31mred\\033[0m\\n'; echo careful >&2; exit 3"
    start(console, stage, "cmd.run_all", FIRST, script)
    output = console.get_by_label(f"stdout in return of {FIRST}", exact=True)
    expect(output.locator(".ansi-1")).to_have_text("red")
    expect(output).to_have_text("red")
    expect(console.get_by_label(f"stderr in return of {FIRST}", exact=True)).to_have_text("careful")
    expect(returned(console)).to_contain_text("return code 3")
    start(console, stage, "test.echo", FIRST, "--- \n+++ \n@@ -1 +1 @@\n-a\n+b\n")
    expect(returned(console).locator(".added")).to_have_text("+b\n")


def test_minions_with_the_same_outcome_are_one_group(console: Any, stage: Stage) -> None:
    """A group shows the return of the minion that is chosen; other outcomes are groups of their own."""
    start(console, stage, "test.echo", "browser-*", "equal")
    groups = job(console).locator("details.part")
    expect(groups).to_have_count(1)
    expect(groups.first.locator("summary").first).to_contain_text(f"2 minions{FIRST}, {SECOND}")
    for minion in (SECOND, FIRST):
        groups.first.get_by_role("button", name=minion, exact=True).click()
        expect(returned(console, minion)).to_have_text("equal")
    start(console, stage, "grains.get", "browser-*", "id")
    expect(groups).to_have_count(2)
    for minion in (FIRST, SECOND):
        expect(returned(console, minion)).to_have_text(minion)


def test_thousands_of_minions_are_as_many_rows_as_outcomes(page: Any, stage: Stage) -> None:
    """Groups grow while returns arrive; a search and a filter find a minion in them."""
    jid = "20261130040506070809"
    facts = {
        "kind": "job",
        "jid": jid,
        "fun": "test.echo",
        "arg": ["x"],
        "tgt": "*",
        "tgt_type": "glob",
        "user": "demo",
    }
    parts: dict[str, Any] = {}

    def send(wire: Any, number: int) -> None:
        states = [part["state"] for part in parts.values()]
        counts = {name: states.count(name) for name in ("failed", "missing", "canceled")}
        done = len(states) - states.count("pending")
        value = {**facts, "start_time": None, "end_time": None, "metadata": None, "progress": 0, "total": len(states)}
        value |= {"state": "running", "done": done, **counts}
        frame = {"type": "job", "subscription": number, "seq": 1, "jid": jid, "job": value, "minions": parts}
        wire.send(json.dumps(frame))

    wires: list[Any] = []

    def answer(wire: Any) -> None:
        server = wire.connect_to_server()

        def to_server(text: str) -> None:
            message = json.loads(text)
            if message["type"] != "subscribe" or message.get("jid") != jid:
                server.send(text)
                return
            result = {"subscription": 9999, "epoch": 1, "seq": 1, "recovered": None}
            wire.send(json.dumps({"id": message["id"], "type": "result", "result": result}))
            wires.append(wire)
            send(wire, 9999)

        wire.on_message(to_server)

    pending = {"state": "pending", "return": None, "retcode": None, "success": None, "progress": 0, "message": None}
    parts.update({f"m{number}": pending for number in range(3000)})
    page.route_web_socket("**/ws", answer)
    log_in(page, path=f"#/jobs/{jid}")
    groups = job(page).locator("details.part")
    expect(groups).to_have_count(1)
    expect(groups).to_contain_text("3,000 minions")
    ended = {**pending, "progress": 100, "state": "returned", "retcode": 0, "success": True}
    for number in range(3000):
        parts[f"m{number}"] = (
            {**ended, "return": {"ok": True}}
            if number >= 40
            else {**ended, "state": "failed", "return": "no", "retcode": 1}
        )
    send(wires[0], 9999)
    expect(groups).to_have_count(2)
    expect(groups.nth(0)).to_contain_text("40 minions")
    expect(groups.nth(1)).to_contain_text("2,960 minions")
    page.get_by_label("Search minions of this job").fill("m2999")
    expect(groups).to_have_count(1)
    expect(job(page)).to_contain_text("1 minion in 1 group")
    groups.first.locator("summary").click()
    expect(returned(page, "m2999")).to_contain_text("ok: true")


def test_a_job_is_run_again_after_a_question(console: Any, stage: Stage) -> None:
    """The new job has the same target and arguments; a function that only reads is not asked about."""
    start(console, stage, "test.arg", FIRST, "a b", {"x": 1}, kwargs={"name": "'quoted'"})
    console.get_by_role("button", name="Run again").click()
    expect(job(console)).to_contain_text("1 of 1 returned")
    expect(returned(console)).to_contain_text("name: \"'quoted'\"")
    first = start(console, stage, "cmd.run", FIRST, "echo again")
    console.get_by_role("button", name="Run again").click()
    dialog = console.get_by_role("dialog", name="Run on 1 minion?")
    expect(dialog).to_contain_text("cmd.run echo again")
    expect(dialog).to_contain_text(FIRST)
    assert violations(console) == []
    dialog.get_by_role("button", name="Run", exact=True).click()
    expect(job(console)).not_to_contain_text(first)
    expect(returned(console)).to_have_text("again")


def test_failed_and_missing_minions_are_run_again_alone(console: Any, stage: Stage) -> None:
    """The new job's target is the list of these minions."""
    with stage.client() as client:
        script = "exit {{ 3 if grains['id'] == '" + FIRST + "' else 0 }}"
        jid = client.ask("cmd", fun="cmd.run", tgt="browser-*", arg=[script], kwargs={"template": "jinja"})["jid"]
    console.goto(f"/console/#/jobs/{jid}")
    expect(job(console)).to_contain_text("2 of 2 returned · 1 failed")
    console.get_by_role("button", name="Run on 1 failed or missing").click()
    console.get_by_role("dialog", name="Run on 1 minion?").get_by_role("button", name="Run", exact=True).click()
    expect(job(console)).to_contain_text("1 of 1 returned · 1 failed")
    expect(job(console)).not_to_contain_text(SECOND)


def test_states_are_tested_first_and_then_applied(console: Any, stage: Stage) -> None:
    """*Test first* is not asked about; *Apply for real* is on the page of the test, and is."""
    start(console, stage, "state.apply", FIRST, "mixed")
    expect(job(console)).to_contain_text("1 of 1 returned")  # a minion refuses to apply states twice at a time
    console.get_by_role("button", name="Test first").click()
    expect(job(console)).to_contain_text("1 would change")
    console.get_by_role("button", name="Apply for real").click()
    console.get_by_role("dialog", name="Run on 1 minion?").get_by_role("button", name="Run", exact=True).click()
    expect(job(console)).to_contain_text("test=false")
    expect(job(console)).to_contain_text("1 changed")


def test_a_job_is_edited_in_the_form_by_its_address(console: Any, stage: Stage) -> None:
    """The target, the function and each argument are filled in."""
    start(console, stage, "test.echo", [FIRST], "5", **LIST)
    console.get_by_role("link", name="Edit and run").click()
    expect(console.get_by_label("Target")).to_have_value(FIRST)
    expect(console.get_by_label("Function")).to_have_value("test.echo")
    expect(console.get_by_label("text (required)")).to_have_value('"5"')
    console.get_by_label("text (required)").fill('"6"')
    console.get_by_role("button", name="Run", exact=True).click()
    expect(returned(console)).to_have_text("6")


def test_a_job_is_copied_as_a_command_without_the_token(pages: Callable[..., Any], stage: Stage) -> None:
    """The clipboard has what is shown; the token is nowhere in the page."""
    page = log_in(pages(permissions=["clipboard-read", "clipboard-write"]))
    start(page, stage, "test.arg", FIRST, "it's", kwargs={"n": 1})
    page.get_by_text("Copy as …").click()
    token = page.evaluate("sessionStorage.getItem('salt-console-token')")
    for name in ("salt", "salt-live", "curl", "Python"):
        page.get_by_role("button", name=f"Copy as {name}", exact=True).click()
        shown = page.get_by_label(f"The call as {name}", exact=True).inner_text().strip()
        wait_until(lambda shown=shown: clipboard(page).strip() == shown, f"the call as {name} in the clipboard")
        assert token not in clipboard(page)
    assert page.get_by_label("The call as salt", exact=True).inner_text() == f"salt {FIRST} test.arg 'it'\\''s' n=1"
    assert token not in page.content()
    assert token not in page.url


def test_a_job_with_a_secret_cannot_be_run_again_as_it_was(console: Any, stage: Stage) -> None:
    """The server hides the secret, so it would be another call; the form has the rest."""
    start(console, stage, "test.arg", FIRST, kwargs={"password": "hunter2", "other": 1})
    expect(job(console)).to_contain_text("Its arguments contain a secret")
    expect(console.get_by_role("button", name="Run again")).to_be_disabled()
    console.get_by_role("link", name="Edit and run").click()
    expect(console.get_by_label("named arguments, name=value").first).to_have_value("other=1")
    assert "hunter2" not in console.content()


def test_a_runner_is_run_again(console: Any, stage: Stage) -> None:
    """Its arguments are those of the run before."""
    with stage.client() as client:
        jid = client.ask("runner", method="test.arg", args=["one"], kwargs={"two": [2]})["jid"]
    console.goto(f"/console/#/jobs/{jid}")
    expect(job(console)).to_contain_text("one")
    console.get_by_role("button", name="Run again").click()
    expect(job(console)).not_to_contain_text(jid)
    expect(console.get_by_label("return", exact=True)).to_contain_text("two:")
    view(console, "Jobs")


def test_an_orchestration_shows_its_steps_while_it_runs_and_then_their_results(console: Any, tmp_path: Path) -> None:
    """It is started in the form. Each step has its job, afterwards the minions' states; what failed is first."""
    file = tmp_path / "go on"
    call = {"arg": json.dumps(["orchestration"]), "kwarg": json.dumps({"pillar": {"file": str(file)}})}
    console.goto(f"/console/#/run?client=runner&fun=state.orchestrate&{urllib.parse.urlencode(call)}")
    expect(console.get_by_label("mods (required)")).to_have_value("orchestration")
    console.get_by_role("button", name="Run", exact=True).click()
    console.get_by_role("dialog", name="Run on the master?").get_by_role("button", name="Run", exact=True).click()
    try:
        step = job(console).get_by_role("list", name="Steps").get_by_role("listitem")
        expect(step).to_contain_text("cmd.run", timeout=90_000)
        expect(step).to_contain_text("0 of 1 returned")
        expect(step.get_by_role("link", name="Job ")).to_be_visible()
    finally:
        file.touch()
    states = job(console).locator("details.one-state")
    expect(job(console)).to_contain_text("3 states: 1 failed, 1 changed, 1 not run", timeout=90_000)
    expect(states.first).to_contain_text("apply the states")
    expect(states.first).to_contain_text("2 minions")
    expect(states.first).to_contain_text("failed: something broke")
    expect(job(console)).to_contain_text("1 state not run because this failed")
    expect(states.first.get_by_role("link", name="Job ")).to_be_visible()
    kinds = [states.first.locator(f".one-state.{kind} .kind").first for kind in ("failed", "same")]
    failed, same = (kind.evaluate("one => getComputedStyle(one).color") for kind in kinds)
    assert failed != same, "what did not fail within a failed step is not red"
