"""The console's first page: what needs attention, and where it leads."""

from __future__ import annotations

import re
from typing import Any

import pytest
import salt.cache
from playwright.sync_api import expect

from tests.browser.accessibility import violations
from tests.browser.conftest import FIRST, SECOND
from tests.browser.driving import job, log_in, row, view
from tests.browser.keys import keys
from tests.browser.test_console_frame import tile
from tests.integration.staging import Stage

pytestmark = pytest.mark.slow

DOWN, WAITS = "does-not-run", "waits-for-you"
OLDER = "3005.1"  # a version of Salt that the master does not have


def test_the_health_is_unknown_without_a_connection(page: Any) -> None:
    """A notice says that the page shows the last known state; that does not tell whether the server is healthy."""
    wires, away = list[Any](), list[bool]()

    def connect(wire: Any) -> None:
        if away:
            wire.close()
        else:
            wires.append((wire, wire.connect_to_server()))

    page.route_web_socket("**/ws", connect)
    log_in(page, path="#/overview")
    expect(tile(page, "Master")).to_contain_text("healthy")
    away.append(True)
    for end in wires[-1]:
        end.close(code=4410, reason="cut by the test")
    expect(page.get_by_text("The connection is lost")).to_be_visible()
    expect(tile(page, "Master")).to_contain_text("unknown")
    away.clear()
    expect(tile(page, "Master")).to_contain_text("healthy")


def test_what_needs_attention_leads_to_where_it_can_be_acted_on(page: Any, stage: Stage) -> None:
    """Minions that are down or have another version of Salt, waiting keys, and failed highstates."""
    salt.cache.factory(dict(stage.master.config)).store("grains", DOWN, {"id": DOWN, "saltversion": OLDER})
    with keys(stage, {DOWN: "accepted", WAITS: "pending"}), stage.client() as client:
        client.ask("cmd", fun="test.ping", tgt=DOWN, mode="sync")
        failing = {"pillar": {"fail": True}}
        jid = client.ask("cmd", fun="state.highstate", tgt=SECOND, kwargs=failing, mode="sync", patience=90)["jid"]
        log_in(page, path="#/overview")
        for name, link, minion in (
            ("Minions", re.compile(r"\d+ down"), DOWN),
            ("Minions", f"1 with Salt {OLDER}", DOWN),
            ("Keys waiting", re.compile(r"Keys waiting \d+"), WAITS),
        ):
            tile(page, name).get_by_role("link", name=link).click()
            expect(page.get_by_role("heading", name="Fleet", level=1)).to_be_visible()
            expect(row(page, minion)).to_be_visible()
            expect(page.get_by_role("row").filter(has_text=FIRST)).to_have_count(0)
            view(page, "Overview")
        assert violations(page) == []
        highstates = page.locator("section").filter(has_text="Last highstate of each minion")
        expect(highstates.get_by_role("link", name=SECOND)).to_be_visible()
        highstates.locator(f'a[href="#/jobs/{jid}"]').click()
        expect(job(page)).to_contain_text("1 of 1 returned · 1 failed")
