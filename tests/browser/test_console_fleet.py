"""The console's fleet: sort, filter, choose columns, select many minions and act on them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.accessibility import violations
from tests.browser.conftest import FIRST, SECOND
from tests.browser.driving import job, log_in, row, view
from tests.browser.keys import FOLDERS, keys
from tests.integration.staging import Stage
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow


@pytest.fixture
def fleet(page: Any) -> Any:
    """Open the fleet as a user with all permissions."""
    log_in(page, path="#/fleet")
    expect(row(page, SECOND)).to_be_visible()
    return page


def test_a_column_sorts_in_both_directions_and_stays_in_the_address(fleet: Any) -> None:
    """The header says how the table is sorted."""
    fleet.get_by_label("Search minions").fill("browser-")  # other tests' minions may be known for a while
    header = fleet.get_by_role("columnheader", name="Minion", exact=True)
    expect(header).to_have_attribute("aria-sort", "ascending")
    expect(fleet.get_by_role("row").nth(1)).to_contain_text(FIRST)
    header.get_by_role("button").click()
    expect(header).to_have_attribute("aria-sort", "descending")
    expect(fleet.get_by_role("row").nth(1)).to_contain_text(SECOND)
    expect(fleet).to_have_url(re.compile("sort=-name"))
    fleet.reload()
    expect(fleet.get_by_role("row").nth(1)).to_contain_text(SECOND)


def test_filters_are_saved_and_used_again(fleet: Any) -> None:
    """The link back from a minion keeps the filters."""
    search = fleet.get_by_label("Search minions")
    search.fill(SECOND)
    expect(row(fleet, FIRST)).to_have_count(0)
    fleet.get_by_text("Filters", exact=True).click()
    fleet.get_by_label("Save the present filters as").fill("the other")
    fleet.get_by_role("button", name="Save", exact=True).click()
    assert violations(fleet) == []
    fleet.get_by_role("button", name="Clear all filters").click()
    expect(row(fleet, FIRST)).to_be_visible()
    fleet.get_by_role("button", name="the other", exact=True).click()
    expect(search).to_have_value(SECOND)
    expect(fleet).to_have_url(re.compile("search="))
    row(fleet, SECOND).get_by_role("link", name=SECOND).click()
    fleet.get_by_role("link", name="← Fleet").click()
    expect(search).to_have_value(SECOND)
    expect(row(fleet, SECOND)).to_be_visible()
    expect(row(fleet, FIRST)).to_have_count(0)


def test_the_minions_of_nodegroups_are_shown_and_selected(fleet: Any) -> None:
    """Also those of several ones: the selection stays when the filter changes. The address has the nodegroup."""
    fleet.get_by_text("Filters", exact=True).click()
    group = fleet.get_by_label("Nodegroup")
    group.focus()
    expect(fleet.locator("#nodegroups option")).to_have_count(2)
    selected = fleet.get_by_role("region", name="Selected minions")
    for name, minion, other, count in (
        ("the-first", FIRST, SECOND, "1 minion"),
        ("the-second", SECOND, FIRST, "2 minions"),
    ):
        group.fill(name)
        group.press("Enter")
        expect(fleet.get_by_role("row").filter(has_text=other)).to_have_count(0)
        expect(row(fleet, minion)).to_be_visible()
        expect(fleet).to_have_url(re.compile(f"group={name}"))
        fleet.get_by_label("Select all minions that match").check()
        expect(selected).to_contain_text(f"{count} selected")
    fleet.reload()
    expect(row(fleet, SECOND)).to_be_visible()
    expect(fleet.get_by_role("row").filter(has_text=FIRST)).to_have_count(0)


def test_the_fleet_is_compared_with_a_list(fleet: Any) -> None:
    """What differs is named, live; the list stays in the browser."""
    fleet.get_by_text("Compare", exact=True).click()
    field = fleet.get_by_label("Minions that should exist")
    field.fill(f"# from the inventory\n{FIRST} false\nno-such-minion\n")
    compared = fleet.locator(".compare")
    expect(compared).to_contain_text("1 missing: no-such-minion")
    expect(compared).to_contain_text(f"1 up, should be down: {FIRST}")
    expect(compared.get_by_role("link", name=SECOND)).to_be_visible()
    assert violations(fleet) == []
    fleet.reload()
    fleet.get_by_text("Compare", exact=True).click()
    expect(compared).to_contain_text("1 missing: no-such-minion")


def test_columns_are_chosen_and_kept(fleet: Any) -> None:
    """Fixed ones by a box each, grains by their names."""
    fleet.get_by_text("Columns", exact=True).click()
    assert violations(fleet) == []
    fleet.get_by_label("Last seen").uncheck()
    expect(fleet.get_by_role("columnheader", name="Last seen")).to_have_count(0)
    fleet.reload()
    expect(fleet.get_by_role("columnheader", name="Last job")).to_be_visible()
    expect(fleet.get_by_role("columnheader", name="Last seen")).to_have_count(0)


def test_selected_minions_get_a_function_and_a_highstate_after_a_question(fleet: Any) -> None:
    """A click on the box does not open the minion; the form of *Run* gets the ids as its target."""
    fleet.get_by_label(f"Select {FIRST}").check()
    fleet.get_by_label(f"Select {SECOND}").check()
    selected = fleet.get_by_role("region", name="Selected minions")
    expect(selected).to_contain_text("2 minions selected")
    assert violations(fleet) == []
    selected.get_by_role("button", name="Apply the highstate …").click()
    dialog = fleet.get_by_role("dialog", name="Run on 2 minions?")
    for minion in (FIRST, SECOND):
        expect(dialog).to_contain_text(minion)
    dialog.get_by_role("button", name="No, go back").click()
    fleet.get_by_label("Search minions").fill("browser-")
    expect(fleet.get_by_label("Select all minions that match")).to_be_checked()
    fleet.get_by_label("Select all minions that match").uncheck()
    expect(selected).to_have_count(0)
    fleet.get_by_label("Select all minions that match").check()
    selected.get_by_role("button", name="Test the highstate").click()
    expect(job(fleet)).to_contain_text("2 of 2 returned")
    expect(job(fleet)).to_contain_text("test=true")
    view(fleet, "Fleet")
    selected.get_by_role("button", name="Run a function …").click()
    expect(fleet.get_by_label("Target")).to_have_value(f"{FIRST},{SECOND}")
    expect(fleet.get_by_label("Type")).to_have_value("list")
    expect(fleet.get_by_text("matches 2 minions")).to_be_visible()


@pytest.fixture
def key_states(stage: Stage) -> Iterator[dict[str, str]]:
    """Keys that are not accepted, with the fingerprint of the first minion's; and the state of each."""
    states = {"new-1": "pending", "new-2": "rejected", "new-3": "denied"}
    with keys(stage, states):
        yield states


def test_keys_of_each_state_are_shown_compared_and_deleted_together(
    fleet: Any, stage: Stage, key_states: dict[str, str]
) -> None:
    """A pasted fingerprint names the minions whose key has it. Deleting asks first."""
    with stage.client() as client:
        found = client.ask("wheel", method="key.finger", kwargs={"match": FIRST}, mode="sync")
    fleet.get_by_role("button", name="Keys").click()
    tools = fleet.get_by_role("region", name="Keys", exact=True)
    table = fleet.get_by_role("table").get_by_role("row")
    for name, state in {FIRST: "accepted", **key_states}.items():
        tools.get_by_role("button", name=re.compile(f"^{state.title()}")).click()
        expect(row(fleet, name)).to_contain_text(state)
        for other in key_states.keys() - {name}:
            expect(table.filter(has_text=other)).to_have_count(0)
        assert violations(fleet) == [], state
    fleet.get_by_label("Search minions").fill("new-")
    paste = tools.get_by_label("Paste a fingerprint to compare")
    paste.fill(found["minions"][FIRST].upper())
    for name in (FIRST, *key_states):
        expect(tools.get_by_role("link", name=name, exact=True)).to_be_visible()
    paste.fill("00:" * 31 + "00")
    expect(tools).to_contain_text("No key on this master has this fingerprint.")
    for text in ("no fingerprint", "12:34:ab"):
        paste.fill(text)
        expect(tools).to_contain_text("This is not a fingerprint, which has 16 to 64 pairs")
    assert violations(fleet) == []
    tools.get_by_role("button", name="All but accepted").click()
    for name in key_states:
        expect(row(fleet, name)).to_be_visible()
    fleet.get_by_label("Select all minions that match").check()
    for act in ("Accept", "Reject", "Delete"):
        fleet.get_by_role("button", name=f"{act} keys …").click()
        dialog = fleet.get_by_role("dialog", name=f"{act} keys of ")
        assert violations(fleet) == [], act
        if act != "Delete":
            dialog.get_by_role("button", name="No, go back").click()
    expect(dialog).to_contain_text("Delete keys of 3 minions?")
    for name in key_states:
        expect(dialog).to_contain_text(name)
    dialog.get_by_role("button", name="Delete keys").click()
    expect(fleet.get_by_text("No minion matches the filters.")).to_be_visible()
    pki = Path(stage.master.config["pki_dir"])
    assert not any((pki / folder / name).exists() for folder in FOLDERS.values() for name in key_states)
    assert (pki / "minions" / FIRST).exists()


def test_the_page_of_a_key_has_its_state_and_asks_before_it_is_deleted(fleet: Any, key_states: dict[str, str]) -> None:
    """A minion without an accepted key has no other tabs and no functions to run."""
    for name, state in key_states.items():
        fleet.goto(f"/console/#/fleet/{name}")
        main = fleet.get_by_role("main")
        expect(main.locator(".facts")).to_contain_text(state)
        main.get_by_role("button", name=f"delete the key of {name}").click()
        expect(main.get_by_role("button", name=f"delete the key of {name}: confirm")).to_be_visible()
        expect(main.get_by_role("button", name="Ping")).to_have_count(0)
        assert violations(fleet) == [], state
    main.get_by_role("button", name=f"delete the key of {name}: confirm").click()
    expect(fleet.get_by_role("alert")).to_contain_text("There is no minion with this id")


def test_the_highstate_is_applied_to_all_and_to_one(fleet: Any) -> None:
    """After a question. The overview counts how it ended, and the minion's page has the details."""
    fleet.get_by_label("Search minions").fill("browser-")
    fleet.get_by_label("Select all minions that match").check()
    fleet.get_by_role("button", name="Apply the highstate …").click()
    dialog = fleet.get_by_role("dialog", name="Run on 2 minions?")
    assert violations(fleet) == []
    dialog.get_by_role("button", name="Run", exact=True).click()
    expect(job(fleet)).to_contain_text("2 of 2 returned", timeout=90_000)
    expect(job(fleet).locator("details.one-state strong")).to_have_text(["in the highstate"])
    fleet.goto(f"/console/#/fleet/{FIRST}")
    fleet.get_by_role("button", name="Apply the highstate …").click()
    dialog = fleet.get_by_role("dialog", name="Run on 1 minion?")
    assert violations(fleet) == []
    dialog.get_by_role("button", name="Run", exact=True).click()
    expect(job(fleet)).to_contain_text("1 of 1 returned", timeout=90_000)
    jid = job(fleet).get_attribute("aria-label").removeprefix("Job ")
    fleet.get_by_role("navigation", name="About ").get_by_role("link", name="Highstate", exact=True).click()
    details = fleet.get_by_role("region", name="Highstate", exact=True)
    expect(details.locator(f'a[href="#/jobs/{jid}"]')).to_be_visible()
    expect(details.locator("details.one-state strong").last).to_have_text("in the highstate")
    view(fleet, "Overview")
    expect(fleet.locator("section").filter(has_text="Last highstate of each minion")).to_contain_text("2 succeeded")


def test_the_overview_counts_only_minions_with_an_accepted_key(
    fleet: Any, stage: Stage, key_states: dict[str, str]
) -> None:
    """Pending keys have a number of their own; rejected and denied ones have none."""
    for name, state in key_states.items():
        expect(row(fleet, name)).to_contain_text(state)
    view(fleet, "Overview")
    tiles = fleet.get_by_role("list", name="Numbers").get_by_role("listitem")

    def agree() -> bool:
        # Other tests' minions may be known for a while.
        known = client.ask("list_minions", grains=False)
        return all(
            tiles.filter(has_text=name).locator(".tile-value").text_content()
            == str(sum(minion["key"] in states for minion in known))
            for name, states in {"Minions": ("accepted", None), "Keys waiting": ("pending",)}.items()
        )

    with stage.client() as client:
        wait_until(agree, "the numbers of minions and keys", timeout=30, every=0.2)


def test_one_of_the_tools_is_open_at_a_time_and_escape_closes_it(fleet: Any) -> None:
    """After Escape its name has the focus again. Each is within the view, so that nothing scrolls sideways."""
    filters, columns = (fleet.locator("details").filter(has_text=name).first for name in ("Nodegroup", "Last seen"))
    fleet.get_by_text("Filters", exact=True).click()
    expect(filters).to_have_attribute("open", "")
    fleet.get_by_text("Columns", exact=True).click()
    expect(columns).to_have_attribute("open", "")
    expect(filters).not_to_have_attribute("open", "")
    columns.get_by_label("Last seen").focus()
    fleet.keyboard.press("Escape")
    expect(columns).not_to_have_attribute("open", "")
    expect(fleet.locator("summary").filter(has_text="Columns")).to_be_focused()
    for width in (1400, 1280, 1100, 950, 800):
        fleet.set_viewport_size({"width": width, "height": 700})
        for name in ("Filters", "Compare", "Columns"):
            fleet.get_by_text(name, exact=True).click()
            expect(fleet.locator("details[open] > .popover")).to_be_visible()
            assert fleet.locator("main").evaluate("one => one.scrollWidth <= one.clientWidth"), (name, width)
            assert fleet.locator("details[open] > .popover").evaluate(
                "one => one.getBoundingClientRect().left >= document.querySelector('main').getBoundingClientRect().left"
            ), (name, width)
            fleet.get_by_text(name, exact=True).click()
            expect(fleet.locator("details[open]")).to_have_count(0)
