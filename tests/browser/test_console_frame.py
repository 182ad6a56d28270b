"""The console's frame: views that load on demand."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.driving import log_in

pytestmark = pytest.mark.slow


def test_a_view_that_cannot_be_loaded_is_tried_again(page: Any) -> None:
    """The notice says what to do, and the rest of the page works."""
    page.route("**/console/views/jobs.js", lambda route: route.abort())
    log_in(page)
    page.get_by_role("navigation").get_by_role("link", name="Jobs", exact=True).click()
    notice = page.get_by_role("alert").filter(has_text="could not be loaded")
    expect(notice).to_contain_text("Try again when the server answers.")
    page.get_by_role("navigation").get_by_role("link", name="Fleet", exact=True).click()
    expect(page.get_by_role("heading", name="Fleet", level=1)).to_be_visible()
    page.get_by_role("navigation").get_by_role("link", name="Jobs", exact=True).click()
    expect(notice).to_be_visible()
    page.unroute("**/console/views/jobs.js")
    notice.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("heading", name="Jobs", level=1)).to_be_visible()


def test_views_that_were_not_opened_are_loaded_in_the_background(page: Any) -> None:
    """So they open while the server is away; none of them is needed for the login."""
    loaded: list[str] = []
    page.on("requestfinished", lambda request: loaded.append(request.url.partition("/console/")[2]))
    page.goto("/console/")
    expect(page.get_by_label("User name")).to_be_visible()
    assert "views/run.js" not in loaded
    with page.expect_request_finished(lambda request: request.url.endswith("views/connection.js")):
        log_in(page)
    page.context.set_offline(True)
    page.get_by_role("navigation").get_by_role("link", name="Run", exact=True).click()
    expect(page.get_by_role("heading", name="Run", level=1)).to_be_visible()
