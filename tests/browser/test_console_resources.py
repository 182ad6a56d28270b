"""Resources of Salt 3008 in the console: devices that a minion manages, on a real master."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect
from salt.version import __saltstack_version__

from tests.browser.accessibility import violations
from tests.browser.driving import job, log_in, row
from tests.integration.test_resources import DUMMIES, MINION, stage  # noqa: F401 - the master of this file

pytestmark = [
    pytest.mark.slow,
    pytest.mark.costly,
    pytest.mark.timeout(300),
    pytest.mark.skipif(__saltstack_version__.major < 3008, reason="Salt 3007 has no resources"),
]


def test_resources_are_beside_their_minion(page: Any) -> None:
    """The fleet shows them with their type, filters them, and their pages lead to their minion and back."""
    log_in(page, path="#/fleet")
    for name in DUMMIES:
        expect(row(page, name)).to_contain_text(f"dummy of {MINION}")
    page.get_by_role("button", name=f"Resources {len(DUMMIES)}").click()
    expect(page.get_by_role("row")).to_have_count(1 + len(DUMMIES))
    assert violations(page) == []
    row(page, DUMMIES[0]).get_by_role("link", name=DUMMIES[0]).click()
    expect(page.get_by_role("heading", name=DUMMIES[0], level=1)).to_be_visible()
    expect(page.get_by_text("dummy, managed by")).to_be_visible()
    expect(page.get_by_role("region", name="Overview")).to_contain_text("dummy_grain_1")
    assert violations(page) == []
    page.get_by_role("button", name="Ping").click()
    expect(job(page)).to_contain_text("1 of 1 returned")
    page.get_by_role("link", name=MINION, exact=True).click()
    expect(page.get_by_role("heading", name=MINION, level=1)).to_be_visible()
    for name in DUMMIES:
        expect(page.get_by_role("region", name="Overview").get_by_role("link", name=name, exact=True)).to_be_visible()


@pytest.mark.parametrize(
    ("tgt", "tgt_type", "returned"),
    [(",".join(DUMMIES), "list", DUMMIES), ("T@dummy", "compound", DUMMIES), (DUMMIES[0], "glob", DUMMIES[:1])],
)
def test_a_function_runs_on_resources(page: Any, tgt: str, tgt_type: str, returned: list[str]) -> None:
    """The form shows which ones a target matches. Their returns are grouped like those of minions."""
    log_in(page, path=f"#/run?fun=test.ping&tgt={tgt}&tgt_type={tgt_type}")
    number = len(returned)
    expect(page.get_by_text(f"matches {number} minion")).to_contain_text(", ".join(returned))
    page.get_by_role("button", name="Run", exact=True).click()
    expect(job(page)).to_contain_text(f"{number} of {number} returned")
    for name in returned:
        expect(job(page).locator("details.part")).to_contain_text(name)
