"""The console's form of a command: completion, states, pillar, and commands that are used again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.accessibility import violations
from tests.browser.conftest import FIRST, SECOND
from tests.browser.driving import job, log_in, view

pytestmark = pytest.mark.slow


@pytest.fixture
def form(page: Any) -> Any:
    """Open the form as a user with all permissions."""
    log_in(page)
    view(page, "Run")
    return page


def options_of(form: Any) -> Any:
    """Return the suggestions that are shown; a choice of one line has options, too."""
    return form.get_by_role("listbox", name="Suggestions").get_by_role("option")


def test_target_and_function_are_completed_by_keyboard(form: Any) -> None:
    """A grain brings its type of target; functions have a line of their documentation. Escape closes the list."""
    target, function = form.get_by_label("Target"), form.get_by_label("Function")
    target.click()
    expect(options_of(form)).to_have_count(2)
    target.press_sequentially("debia")
    option = options_of(form).filter(has_text="os:Debian")
    expect(option).to_contain_text("grain of 2 minions")
    assert violations(form) == []
    target.press("ArrowDown")
    expect(option).to_have_attribute("aria-selected", "true")
    expect(target).to_have_attribute("aria-activedescendant", option.get_attribute("id"))
    target.press("Enter")
    expect(target).to_have_value("os:Debian")
    expect(form.get_by_label("Type")).to_have_value("grain")
    expect(form.get_by_text("matches 2 minions")).to_be_visible()
    function.press_sequentially("test.ver")
    expect(options_of(form).filter(has_text="test.version").first).to_contain_text("Return the version of salt")
    function.press("Escape")
    expect(options_of(form)).to_have_count(0)
    function.press("ArrowDown")
    function.press("ArrowUp")
    expect(options_of(form).last).to_have_attribute("aria-selected", "true")


def test_a_nodegroup_is_a_target(form: Any) -> None:
    """Its name is completed, and the preview has its minions."""
    form.get_by_label("Type").select_option("nodegroup")
    target = form.get_by_label("Target")
    target.press_sequentially("sec")
    option = options_of(form).filter(has_text="the-second")
    expect(option).to_contain_text("nodegroup")
    target.press("ArrowDown")
    target.press("Enter")
    expect(target).to_have_value("the-second")
    expect(form.get_by_text("matches 1 minion")).to_contain_text(SECOND)
    form.get_by_label("Function").fill("test.ping")
    form.get_by_role("button", name="Run", exact=True).click()
    expect(job(form)).to_contain_text("1 of 1 returned")


def test_states_are_chosen_from_those_of_a_minion_and_pillar_is_checked_first(form: Any) -> None:
    """Nothing is sent while the pillar is not valid; the function's documentation is a link away."""
    form.get_by_label("Target").fill(FIRST)
    form.get_by_label("Function").fill("state.apply")
    form.get_by_role("button", name="List the states").click()
    expect(form.get_by_text(f"on {FIRST}; choose in the field above")).to_be_visible()
    mods = form.get_by_label("mods")
    mods.press_sequentially("mix")
    mods.press("ArrowDown")
    mods.press("Enter")
    expect(mods).to_have_value("mixed")
    form.get_by_text("Pillar for this run").click()
    pillar = form.get_by_label("Pillar, as YAML or JSON")
    pillar.fill("site: [1, 2")
    form.get_by_role("button", name="Test run").click()
    expect(form.get_by_role("alert")).to_contain_text("The pillar is not valid: line 1: a bracket is not closed.")
    expect(job(form)).to_have_count(0)
    pillar.fill("site:\n  port: 8080\n")
    form.get_by_role("button", name="Test run").click()
    expect(job(form)).to_contain_text("1 of 1 returned")
    expect(job(form)).to_contain_text("mods=mixed")
    expect(job(form)).to_contain_text('"port": 8080')
    form.get_by_text("Documentation", exact=True).click()
    expect(form.get_by_role("region", name="Documentation")).to_contain_text("state.highstate")
    link = form.get_by_role("link", name="state.apply in Salt's documentation")
    expect(link).to_have_attribute(
        "href", "https://docs.saltproject.io/en/latest/ref/modules/all/salt.modules.state.html#salt.modules.state.apply"
    )


def test_an_argument_has_several_lines_and_ctrl_enter_runs(form: Any) -> None:
    """Enter alone runs it too; with Shift it begins a new line."""
    form.get_by_label("Target").fill(FIRST)
    form.get_by_label("Function").fill("test.echo")
    text = form.get_by_label("text (required)")
    text.press_sequentially("one")
    text.press("Shift+Enter")
    text.press_sequentially("two")
    text.press("Control+Enter")
    returned = form.get_by_label(f"return of {FIRST}", exact=True)
    expect(returned).to_have_text("one\ntwo")
    text.fill("three")
    text.press("Enter")
    expect(returned).to_have_text("three")


def test_commands_are_used_again_and_their_secrets_are_not_kept(form: Any, tmp_path: Path) -> None:
    """They survive a reload, and go through a file to another browser."""
    form.get_by_label("Target").fill(SECOND)
    form.get_by_label("Function").fill("test.arg")
    form.get_by_label("named arguments").fill("password=hunter2\ncolour=blue")
    form.get_by_role("button", name="Run", exact=True).click()
    expect(job(form)).to_contain_text("1 of 1 returned")
    form.get_by_text("Recent and saved commands").click()
    form.get_by_label("Save this command as").fill("my command")
    form.get_by_role("button", name="Save", exact=True).click()
    assert "hunter2" not in form.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}, location.href])")
    with form.expect_download() as download:
        form.get_by_role("button", name="Export to a file").click()
    file = tmp_path / "commands.json"
    download.value.save_as(file)
    assert "hunter2" not in file.read_text()
    form.get_by_role("button", name="Delete my command").click()
    expect(form.get_by_role("button", name="my command", exact=True)).to_have_count(0)
    form.reload()
    expect(form.get_by_label("Function")).to_have_value("")
    form.get_by_text("Recent and saved commands").click()
    form.get_by_label("File of commands").set_input_files(file)
    form.get_by_role("button", name="my command", exact=True).click()
    expect(form.get_by_text("Not stored, type again: password.")).to_be_visible()
    expect(form.get_by_label("Function")).to_have_value("test.arg")
    expect(form.get_by_label("Target")).to_have_value(SECOND)
    expect(form.get_by_label("named arguments")).to_have_value("colour=blue")
    recent = form.get_by_role("region", name="Recent commands")
    recent.get_by_role("button", name="Clear").click()
    expect(recent).to_contain_text("None yet.")


def test_templates_of_saltgui_are_found_and_used_by_the_keyboard(form: Any) -> None:
    """They become saved commands, which Ctrl-K finds; the address of one can be bookmarked."""
    form.get_by_text("Recent and saved commands").click()
    form.get_by_role("button", name="Import SaltGUI's templates").click()
    expect(form.get_by_text("1 command read from the master's configuration.")).to_be_visible()
    form.get_by_role("navigation", name="Views").get_by_role("link", name="Fleet", exact=True).click()
    expect(form.get_by_role("heading", name="Fleet", level=1)).to_be_visible()
    form.keyboard.press("Control+k")
    form.get_by_role("combobox", name="Search views").fill("sum")
    expect(form.get_by_role("option", name="Sum up saved command")).to_be_visible()
    form.keyboard.press("Enter")
    for _ in ("from the search", "from its address"):
        expect(form.get_by_label("Function")).to_have_value("test.fib")
        expect(form.get_by_label("Target")).to_have_value(FIRST)
        expect(form.get_by_label("num")).to_have_value("10")
        form.reload()
    form.get_by_role("button", name="Run", exact=True).click()
    expect(job(form)).to_contain_text("1 of 1 returned")
