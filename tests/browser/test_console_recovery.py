"""The console after the engine, the connection or the login ends. Work is not lost."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import FIRST
from tests.browser.driving import job, log_in, row, run, type_login, view
from tests.client import Client, Closed
from tests.integration.staging import Stage

pytestmark = pytest.mark.slow

BACK_SECONDS = 90.0  # until a killed engine must serve again


def token_of(page: Any) -> list[str]:
    """Return a list that gets each token that the page receives from now on."""
    tokens: list[str] = []

    def look(payload: Any) -> None:
        with contextlib.suppress(ValueError, TypeError):
            result = json.loads(payload).get("result")
            if isinstance(result, dict) and "token" in result:
                tokens.append(result["token"])

    page.on("websocket", lambda wire: wire.on("framereceived", look))
    return tokens


def test_the_page_recovers_from_a_killed_engine(page: Any, stage: Stage) -> None:
    """The view, the filter and the events stay, and new events arrive."""
    log_in(page, path="#/events")
    page.get_by_label("Filter by tag").fill("kill/")
    page.get_by_label("Filter by tag").press("Enter")
    with stage.client() as client:
        client.ask("event", tag="kill/before", body={})
        expect(row(page, "kill/before")).to_be_visible()
    engine = stage.engine
    supervisor = engine.parent()
    supervisor.suspend()  # it would start the next engine before the page is looked at
    try:
        engine.kill()
        expect(page.locator(".wire.waiting, .wire.connecting")).to_be_visible()
        expect(row(page, "kill/before")).to_be_visible()
    finally:
        supervisor.resume()
    stage.comes_back(BACK_SECONDS)
    expect(page.locator(".wire.open")).to_be_visible()
    # A new engine cannot resume from positions of the old one, so a gap is shown.
    expect(page.get_by_text("the engine was restarted")).to_be_visible()
    with stage.client() as client:
        client.ask("event", tag="kill/after", body={})
    expect(row(page, "kill/after")).to_be_visible()
    expect(row(page, "kill/before")).to_be_visible()
    expect(page.get_by_label("Filter by tag")).to_have_value("kill/")
    view(page, "Connection")
    expect(page.locator(".notes")).to_contain_text("connection lost")
    expect(page.locator(".notes")).to_contain_text("connected again")


def test_after_a_lost_connection_events_resume_without_a_gap(page: Any, stage: Stage) -> None:
    """Events of the meantime are sent in order, and the log says that none is missing."""
    wires: list[Any] = []
    page.route_web_socket("**/ws", lambda wire: wires.append((wire, wire.connect_to_server())))
    log_in(page, path="#/events")
    page.get_by_label("Filter by tag").fill("resume/")
    page.get_by_label("Filter by tag").press("Enter")
    with stage.client() as client:
        client.ask("event", tag="resume/1", body={})
        expect(row(page, "resume/1")).to_be_visible()
        for end in wires.pop():
            end.close(code=4410, reason="cut by the test")
        client.ask("event", tag="resume/2", body={})
        expect(page.locator(".wire.open")).to_be_visible()
        client.ask("event", tag="resume/3", body={})
    for number in (1, 2, 3):
        expect(row(page, f"resume/{number}")).to_be_visible()
    view(page, "Connection")
    expect(page.locator(".notes")).to_contain_text("resumed: no event is missing")


def test_a_login_that_ends_loses_no_work(page: Any, stage: Stage) -> None:
    """The login form covers the page; the form and the returns behind it stay."""
    tokens = token_of(page)
    log_in(page)
    run(page, "test.echo", FIRST, **{"text (required)": "not lost"})
    expect(job(page)).to_contain_text("1 of 1 returned")
    with contextlib.suppress(Closed), Client(stage.url) as client:
        client.ask("logout", token=tokens[-1])
    expect(page.get_by_role("dialog", name="Log in again")).to_be_visible()
    expect(page.get_by_role("dialog")).to_contain_text("Your login has ended")
    type_login(page, "demo", "demo")
    expect(page.locator(".wire.open")).to_be_visible()
    expect(page.get_by_label("Function")).to_have_value("test.echo")
    expect(page.get_by_label("text (required)")).to_have_value("not lost")
    page.get_by_label("text (required)").fill("and on")
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_label(f"return of {FIRST}", exact=True)).to_have_text("and on")


def test_a_wrong_password_in_the_middle_of_work_is_refused(page: Any, stage: Stage) -> None:
    """As at the first login; with the right one, the page continues."""
    tokens = token_of(page)
    log_in(page, path="#/jobs")
    with contextlib.suppress(Closed), Client(stage.url) as client:
        client.ask("logout", token=tokens[-1])
    expect(page.get_by_role("dialog", name="Log in again")).to_be_visible()
    type_login(page, "demo", "wrong")
    expect(page.get_by_role("alert")).to_contain_text("Check the user name, the password and the backend.")
    expect(page.get_by_label("User name")).to_have_value("demo")
    page.get_by_label("Password").fill("demo")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_role("heading", name="Jobs")).to_be_visible()


def test_a_stored_login_is_restored_when_the_master_answers_again(page: Any) -> None:
    """A master that does not answer says nothing about the token."""
    refused: list[str] = []

    def pass_on(wire: Any) -> None:
        server = wire.connect_to_server()

        def to_server(text: str) -> None:
            message = json.loads(text)
            if message["type"] == "auth" and "token" in message and len(refused) < 2:
                refused.append(text)
                error = {"code": "master_unavailable", "message": "busy", "details": None, "retryable": True}
                wire.send(json.dumps({"id": message["id"], "type": "error", "error": error}))
            else:
                server.send(text)

        wire.on_message(to_server)

    log_in(page, stay=True)
    page.route_web_socket("**/ws", pass_on)
    page.reload()
    expect(page.locator(".wire.open")).to_be_visible()
    expect(row(page, FIRST)).to_be_visible()
    assert len(refused) == 2


# The page reconnects after at most eight seconds. Here it never does, so only the button can.
NO_LONG_WAIT_ENDS = """{
    const wait = window.setTimeout;
    window.setTimeout = (act, ms, ...rest) => wait(act, ms > 5000 ? 600000 : ms, ...rest);
}"""


def test_a_lost_connection_is_shown_above_every_view_and_can_be_retried_at_once(page: Any) -> None:
    """The notice says that the page shows the last known state."""
    wires: list[Any] = []
    page.add_init_script(NO_LONG_WAIT_ENDS)
    page.route_web_socket("**/ws", lambda wire: wires.append((wire, wire.connect_to_server())))
    log_in(page)
    expect(row(page, FIRST)).to_be_visible()
    page.route_web_socket("**/ws", lambda wire: wire.close(code=1012, reason="retry in 8 s"))
    for end in wires.pop():
        end.close(code=1012, reason="retry in 8 s")
    expect(page.get_by_text("the page shows the last known state")).to_be_visible()
    page.unroute_all()
    page.route_web_socket("**/ws", lambda wire: wires.append((wire, wire.connect_to_server())))
    page.get_by_role("button", name="Try now").click()
    expect(page.locator(".wire.open")).to_be_visible()
    expect(page.get_by_text("the page shows the last known state")).to_have_count(0)


def test_another_user_sees_nothing_of_the_user_before(page: Any, stage: Stage) -> None:
    """After a login as another user the page starts empty."""
    tokens = token_of(page)
    log_in(page)
    run(page, "test.echo", FIRST, **{"text (required)": "for demo only"})
    expect(job(page)).to_contain_text("1 of 1 returned")
    with contextlib.suppress(Closed), Client(stage.url) as client:
        client.ask("logout", token=tokens[-1])
    expect(page.get_by_role("dialog", name="Log in again")).to_be_visible()
    asked: list[str] = []
    page.on("websocket", lambda wire: wire.on("framesent", lambda text: asked.append(json.loads(text)["type"])))
    type_login(page, "viewer", "demo")
    expect(page.locator(".wire.open")).to_be_visible()
    expect(page.get_by_role("navigation")).to_be_visible()
    assert asked.index("whoami") < asked.index("subscribe"), "subscriptions of the user before are not repeated"
    expect(page.get_by_label("Function")).to_have_value("")
    expect(page.get_by_text("for demo only")).to_have_count(0)
