"""The console's list of jobs: states, kinds, durations, and the search in the master's job cache."""

from __future__ import annotations

import datetime
import re
from typing import Any

import pytest
import salt.loader
from playwright.sync_api import expect

from tests.browser.conftest import FIRST
from tests.browser.driving import log_in, row
from tests.integration.staging import Stage

pytestmark = pytest.mark.slow

NEVER = "test.never_run_here"


@pytest.fixture(scope="module")
def stored(stage: Stage) -> str:
    """Store a job in the master's job cache only, as one that ran before the engine started; return its jid."""
    opts = dict(stage.master.config)
    returners = salt.loader.returners(opts, salt.loader.minion_mods(opts))
    jid = (datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(hours=2)).strftime("%Y%m%d%H%M%S%f")
    load = {"jid": jid, "fun": NEVER, "arg": ["x"], "tgt": FIRST, "tgt_type": "glob", "user": "root"}
    returners["local_cache.prep_jid"](passed_jid=jid)
    returners["local_cache.save_load"](jid, load, [FIRST])
    returners["local_cache.returner"](
        {"jid": jid, "id": FIRST, "fun": NEVER, "fun_args": ["x"], "return": "old", "retcode": 0, "success": True}
    )
    return jid


def test_jobs_are_chosen_by_state_kind_and_words(page: Any, stage: Stage) -> None:
    """States can be combined; runners are listed too, and ended jobs have a duration."""
    with stage.client() as client:
        good = client.ask("cmd", fun="test.version", tgt=FIRST, mode="sync")["jid"]
        bad = client.ask("cmd", fun="cmd.run", tgt=FIRST, arg=["exit 5"], mode="sync")["jid"]
        client.ask("runner", method="jobs.active", mode="sync")
    log_in(page, path="#/jobs")

    def of(jid: str) -> Any:
        return page.get_by_role("row").filter(has=page.locator(f'a[href="#/jobs/{jid}"]'))

    expect(of(good)).to_contain_text(re.compile(r"\d s"))
    expect(of(bad)).to_be_visible()
    states = page.get_by_role("group", name="States")
    states.get_by_role("button", name="Failed").click()
    expect(of(good)).to_have_count(0)
    expect(of(bad)).to_be_visible()
    states.get_by_role("button", name="Complete").click()
    expect(of(good)).to_be_visible()
    expect(page).to_have_url(re.compile(r"#/jobs\?state=failed%2Ccomplete$"))
    states.get_by_role("button", name="All").click()
    page.get_by_label("Kind").select_option("runner")
    expect(row(page, "jobs.active")).to_be_visible()
    expect(of(good)).to_have_count(0)
    page.get_by_label("Kind").select_option("")
    page.get_by_label("Search jobs").fill(f"VERSION {good}")
    expect(of(good)).to_be_visible()
    expect(of(bad)).to_have_count(0)


def test_a_job_that_only_the_job_cache_has_is_found(page: Any, stored: str) -> None:
    """By its words, and between two times; its page shows the returns."""
    log_in(page, path="#/jobs")
    page.get_by_label("Search jobs").fill(NEVER)
    expect(page.get_by_text("No job matches the filter.")).to_be_visible()
    page.get_by_role("button", name="Search the job cache").click()
    expect(page.get_by_text("1 job found in the job cache")).to_be_visible()
    expect(row(page, NEVER)).to_contain_text("1 of 1 returned")
    zone = page.evaluate("new Date().getTimezoneOffset()")
    made = datetime.datetime.strptime(stored[:14], "%Y%m%d%H%M%S") - datetime.timedelta(minutes=zone)  # noqa: DTZ007
    later = (made + datetime.timedelta(minutes=5)).strftime("%Y-%m-%dT%H:%M")
    page.get_by_label("From", exact=True).fill(later)
    expect(row(page, NEVER)).to_have_count(0)
    page.get_by_label("From", exact=True).fill("")
    page.get_by_label("To", exact=True).fill(later)
    expect(row(page, NEVER)).to_be_visible()
    row(page, NEVER).get_by_role("link").click()
    expect(page.get_by_role("region", name=f"Job {stored}")).to_contain_text(NEVER)
