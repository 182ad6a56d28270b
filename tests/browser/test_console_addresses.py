"""The addresses of the console: each view opens with its filters, directly and after a reload."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import FIRST, SECOND
from tests.browser.driving import log_in, row
from tests.integration.staging import Stage

pytestmark = pytest.mark.slow

VERSIONS = "test.version"
AGO, LATER = "2014-11-03T07:33", "2114-11-03T07:33"
LOGIN = "location.protocol === 'http:' && sessionStorage.setItem('salt-console-token', 'TOKEN')"
ARGUMENTS = "arg=%5B%22exit+0%22%5D&kwarg=%7B%22timeout%22%3A60%7D"

# An address with {jid} and {batch}, its heading, fields by their labels, pressed buttons, and texts on the page.
ADDRESSES: list[tuple[str, str, dict[str, str], list[str], list[str]]] = [
    ("", "Overview", {}, [], ["Minions", "Running now"]),
    ("#/overview", "Overview", {}, [], ["Minions", "Running now"]),
    (f"#/fleet?search={SECOND}&kind=up&sort=-name", "Fleet", {"Search minions": SECOND}, ["Up"], [SECOND]),
    (f"#/fleet?search=os:debian {SECOND}", "Fleet", {"Search minions": f"os:debian {SECOND}"}, [], [SECOND]),
    ("#/fleet?kind=keys&key=accepted", "Fleet", {}, ["Keys", "Accepted"], [FIRST, SECOND]),
    (f"#/fleet/{FIRST}", FIRST, {}, [], ["Operating system"]),
    *(
        (f"#/fleet/{FIRST}?tab={tab}", FIRST, {}, [], [text])
        for tab, text in [
            ("grains", "osfullname"),
            ("pillar", "Values are hidden"),
            ("highstate", "Drift"),
            ("jobs", VERSIONS),
            ("schedule", "from schedule.list"),
            ("beacons", "from beacons.list"),
            ("mine", "from mine.valid"),
        ]
    ),
    (
        f"#/jobs?search=version&state=complete,failed&kind=job&from={AGO}&to={LATER}&helpers=1",
        "Jobs",
        {"Search jobs": "version", "Kind": "job", "From": AGO, "To": LATER},
        ["Complete", "Failed"],
        [VERSIONS],
    ),
    ("#/jobs/{jid}", VERSIONS, {}, [], ["2 of 2 returned", "{jid}"]),
    (
        f"#/run?client=local&fun=cmd.run&tgt={FIRST},{SECOND}&tgt_type=list&{ARGUMENTS}",
        "Run",
        {"Target": f"{FIRST},{SECOND}", "Type": "list", "Function": "cmd.run", "cmd (required)": "exit 0"},
        ["Minions"],
        ["matches 2 minions"],
    ),
    ("#/run?client=runner&fun=jobs.active", "Run", {"Function": "jobs.active"}, ["Runner"], []),
    (
        f"#/events?tag=salt/job/&match=find&search={VERSIONS}&from={AGO}&to={LATER}&columns=fun,jid&history=1",
        "Events",
        {
            "Filter by tag": "salt/job/",
            "Match the tag by": "find",
            "Search in tags and data": VERSIONS,
            "From": AGO,
            "To": LATER,
            "Columns": "fun,jid",
        },
        [],
        ["/ret/", VERSIONS],
    ),
    ("#/events?history=1", "Events", {}, [], ["salt/"]),
    ("#/batches", "Batches", {}, [], ["addresses"]),
    ("#/batches/{batch}", "addresses", {}, [], ["2 of 2 done"]),
    ("#/connection", "Connection", {}, [], ["Permissions"]),
]


@pytest.fixture(scope="module")
def made(stage: Stage) -> dict[str, str]:
    """A job and a batch that ended before the page is opened."""
    with stage.client() as client:
        jid = client.ask("cmd", fun=VERSIONS, tgt="browser-*", mode="sync")["jid"]
        batch = client.ask("batch", batch=[{"fun": VERSIONS, "tgt": "browser-*"}], name="addresses")["id"]
    return {"jid": jid, "batch": str(batch)}


@pytest.fixture(scope="module")
def token(stage: Stage) -> str:
    """A login for all tabs."""
    with stage.client() as client:
        return str(client.ask("auth", username="demo", password="demo")["token"])


@pytest.mark.parametrize(("address", "heading", "fields", "pressed", "texts"), ADDRESSES, ids=[a[0] for a in ADDRESSES])
def test_an_address_opens_its_view_directly_and_after_a_reload(
    page: Any,
    made: dict[str, str],
    token: str,
    address: str,
    heading: str,
    fields: dict[str, str],
    pressed: list[str],
    texts: list[str],
) -> None:
    """It is the first page of the tab, so nothing was read before."""
    page.add_init_script(LOGIN.replace("TOKEN", token))
    page.goto(f"/console/{address.format(**made)}")
    for opened in ("directly", "after a reload"):
        if opened == "after a reload":
            page.reload()
        main = page.get_by_role("main")
        expect(main.get_by_role("heading", level=1)).to_contain_text(heading)
        for label, value in fields.items():
            expect(main.get_by_label(re.compile(f"^{re.escape(label)}")).first).to_have_value(value)
        for name in pressed:
            button = main.get_by_role("button", name=re.compile(rf"^{name}\b")).first
            expect(button).to_have_attribute("aria-pressed", "true")
        for text in texts:
            expect(main.get_by_text(text.format(**made)).first).to_be_visible()
        if "history=1" in address:
            expect(main.get_by_label("Whole history")).to_be_checked()
        if "helpers=1" in address:
            expect(main.get_by_label("Helper jobs")).to_be_checked()


def test_a_login_leads_to_the_address_that_was_opened(page: Any, made: dict[str, str]) -> None:
    """A link in a chat works for users who have not logged in yet."""
    log_in(page, path=f"#/jobs?search={made['jid']}")
    expect(page.get_by_label("Search jobs")).to_have_value(made["jid"])
    expect(row(page, VERSIONS)).to_be_visible()


def test_invalid_parts_of_an_address_are_reported_or_ignored(page: Any, pages: Callable[..., Any], token: str) -> None:
    """Addresses are typed by hand, and outlive what they name."""
    page.add_init_script(LOGIN.replace("TOKEN", token))
    table = [
        ("#/no-such-view", "Overview", ""),
        ("#/jobs/1", "Job 1", "A job id has 20 digits"),
        ("#/jobs?state=nonsense&kind=nonsense&from=then", "Jobs", ""),
        ("#/batches/x", "Batch x", "A batch id is a number"),
        ("#/fleet/no-such-minion", "no-such-minion", "There is no minion with this id"),
        (f"#/fleet/{FIRST}?tab=nonsense", FIRST, "Operating system"),
        ("#/events?match=nonsense&columns=,,", "Events", ""),
        ("#/run?fun=test.ping&arg=nonsense", "Run", ""),
    ]
    for address, heading, text in table:
        page.goto("about:blank")
        page.goto(f"/console/{address}")
        expect(page.get_by_role("heading", level=1)).to_contain_text(heading)
        if text:
            expect(page.get_by_text(text).first).to_be_visible()
