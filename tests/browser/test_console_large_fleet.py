"""The console with a fleet of 5,000 minions, on an engine without a master."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("salt")

from playwright.sync_api import expect

from tests.browser.driving import log_in, row
from tests.functional.running import CHECKOUT, Engine
from tests.support.buses import Publisher, stamp

pytestmark = pytest.mark.slow

NAMES = [f"web-{number:04}.example.com" for number in range(5000)]
ROWS = 80  # that the page may contain at once


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """An engine whose master has the keys of 5,000 minions."""
    engine = Engine(tmp_path_factory.mktemp("large"), {"console": str(CHECKOUT / "websocket_api" / "console")})
    engine.give_schemas()
    keys: Path = engine.key_dir / "minions"
    keys.mkdir(parents=True)
    for name in NAMES:
        (keys / name).write_text("a key that nobody looks at\n")
    engine.start()
    try:
        engine.wait()
        yield engine
    finally:
        engine.stop()


@pytest.fixture
def page(open_page: Callable[..., Any], engine: Engine) -> Any:
    """Open the fleet."""
    page = log_in(open_page(f"http://127.0.0.1:{engine.port}"), path="#/fleet")
    expect(page.get_by_text("5,000 minions", exact=True)).to_be_visible()
    return page


def test_only_the_rows_in_view_are_in_the_page(page: Any) -> None:
    """The page draws a few dozen rows of 5,000, at the top, at the end, and after a search."""
    rows = page.locator(".fleet .rows .row")
    expect(row(page, NAMES[0])).to_be_visible()
    assert rows.count() < ROWS
    page.locator(".table.fleet").evaluate("table => table.scrollTo(0, table.scrollHeight)")
    expect(row(page, NAMES[-1])).to_be_visible()
    assert rows.count() < ROWS
    expect(page.get_by_role("table", name="Minions")).to_have_attribute("aria-rowcount", "5001")
    page.get_by_label("Search minions").fill("web-4321")
    expect(page.get_by_text("1 of 5,000 minions")).to_be_visible()
    expect(row(page, "web-4321")).to_be_visible()


def test_all_of_them_are_selected_and_compared_with_a_list(page: Any) -> None:
    """The question names only the first ones."""
    page.get_by_label("Search minions").fill("web-4")
    expect(page.get_by_text("1,000 of 5,000 minions")).to_be_visible()
    page.get_by_label("Select all minions that match").check()
    expect(page.get_by_role("region", name="Selected minions")).to_contain_text("1,000 minions selected")
    page.get_by_role("button", name="Clear the selection").click()
    page.get_by_text("Compare", exact=True).click()
    page.get_by_label("Minions that should exist").fill("\n".join([*NAMES[:300], "web-new"]))
    compared = page.locator(".compare")
    expect(compared).to_contain_text("1 missing: web-new")
    expect(compared).to_contain_text(f"4,700 not in the list: {NAMES[300]}")


def test_the_search_and_the_overview_know_them_all(page: Any, engine: Engine) -> None:
    """Ctrl-K finds one of them by a part of its id."""
    page.keyboard.press("Control+k")
    page.get_by_role("combobox", name="Search views").fill("3999")
    page.get_by_role("option").filter(has_text="web-3999").click()
    expect(page.get_by_role("heading", name=NAMES[3999], level=1)).to_be_visible()
    page.goto("/console/#/overview")
    numbers = page.get_by_role("list", name="Numbers").get_by_role("listitem")
    expect(numbers.filter(has_text="Minions").first).to_contain_text("5,000")


def test_a_job_on_a_long_list_is_run_again_on_all_of_it(page: Any, engine: Engine) -> None:
    """The page follows it with the beginning of its target only, and knows all of it when it offers to run it."""
    jid, names = "20260102030405000001", NAMES[:150]
    new = {"fun": "test.ping", "arg": [], "tgt": names, "tgt_type": "list", "user": "root", "jid": jid}
    returned = {"cmd": "_return", "jid": jid, "fun": "test.ping", "retcode": 0, "success": True, "return": True}
    with contextlib.closing(Publisher(engine.sock_dir)) as bus:
        bus.send((f"salt/job/{jid}/new", {**new, "minions": names, "missing": [], "_stamp": stamp(jid)}))
        page.goto("/console/#/jobs")
        expect(page.get_by_role("link", name="test.ping").first).to_be_visible()
        page.goto(f"/console/#/jobs/{jid}")
        job = page.get_by_role("region", name=f"Job {jid}")
        edit = job.get_by_role("link", name="Edit and run")
        expect(edit).to_have_attribute("href", re.compile(names[-1]))
        bus.send(*[(f"salt/job/{jid}/ret/{name}", {**returned, "id": name}) for name in names])
        expect(job).to_contain_text("150 of 150 returned")
        expect(edit).to_have_attribute("href", re.compile(names[-1]))
        expect(job.get_by_role("button", name="Run again")).to_be_enabled()
