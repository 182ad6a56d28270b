"""The console when things break: the engine, the connection, the login. Work is not lost."""

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

BACK_SECONDS = 30.0  # until a killed engine must be there again


def token_of(page: Any) -> list[str]:
    """Return a list to which each token is added that the page gets from now on."""
    tokens: list[str] = []

    def look(payload: Any) -> None:
        with contextlib.suppress(ValueError, TypeError):
            result = json.loads(payload).get("result")
            if isinstance(result, dict) and "token" in result:
                tokens.append(result["token"])

    page.on("websocket", lambda wire: wire.on("framereceived", look))
    return tokens


def test_a_killed_engine_is_told_and_the_page_recovers_in_its_place(page: Any, stage: Stage) -> None:
    """The view, the filter and what was seen stay; the jobs are there again, and new events come."""
    log_in(page, path="#/events")
    page.get_by_label("Filter by tag").fill("kill/")
    page.get_by_label("Filter by tag").press("Enter")
    with stage.client() as client:
        client.ask("event", tag="kill/before", body={})
        expect(row(page, "kill/before")).to_be_visible()
    stage.engine.kill()
    expect(page.locator(".wire.waiting, .wire.connecting")).to_be_visible()
    expect(row(page, "kill/before")).to_be_visible()
    stage.comes_back(BACK_SECONDS)
    expect(page.locator(".wire.open")).to_be_visible()
    # Positions of the engine that died mean nothing to the new one: that something may be missing is said.
    expect(page.get_by_text("(epoch)")).to_be_visible()
    with stage.client() as client:
        client.ask("event", tag="kill/after", body={})
    expect(row(page, "kill/after")).to_be_visible()
    expect(row(page, "kill/before")).to_be_visible()
    expect(page.get_by_label("Filter by tag")).to_have_value("kill/")
    view(page, "Connection")
    expect(page.locator(".notes")).to_contain_text("connection lost")
    expect(page.locator(".notes")).to_contain_text("connected again")


def test_after_a_lost_connection_the_events_are_resumed_without_a_hole(page: Any, stage: Stage) -> None:
    """What happened while the page was away is sent after it, in order, and that nothing is missing is said."""
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
    expect(page.locator(".notes")).to_contain_text("resumed: nothing is missing")


def test_a_login_that_ends_in_the_middle_of_work_costs_nothing_of_it(page: Any, stage: Stage) -> None:
    """The login is asked for over the page; behind it the form and the answer stay, and go on after it."""
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


def test_a_wrong_password_in_the_middle_of_work_is_told(page: Any, stage: Stage) -> None:
    """Over the page, as at the first login; the right one then goes on where it was."""
    tokens = token_of(page)
    log_in(page, path="#/jobs")
    with contextlib.suppress(Closed), Client(stage.url) as client:
        client.ask("logout", token=tokens[-1])
    expect(page.get_by_role("dialog", name="Log in again")).to_be_visible()
    type_login(page, "demo", "wrong")
    expect(page.get_by_role("alert")).to_contain_text("unauthenticated")
    expect(page.get_by_label("User name")).to_have_value("demo")
    page.get_by_label("Password").fill("demo")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_role("heading", name="Jobs")).to_be_visible()


def test_a_kept_login_outlives_a_master_that_does_not_answer(page: Any) -> None:
    """The token says nothing wrong: it is taken up when the master is there again."""
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


# The page waits for eight seconds before it tries again by itself: here it never does, however slow the machine is.
NO_LONG_WAIT_ENDS = """{
    const wait = window.setTimeout;
    window.setTimeout = (act, ms, ...rest) => wait(act, ms > 5000 ? 600000 : ms, ...rest);
}"""


def test_a_lost_connection_is_told_above_every_view_and_can_be_tried_at_once(page: Any) -> None:
    """What is shown is of before, and says so."""
    wires: list[Any] = []
    page.add_init_script(NO_LONG_WAIT_ENDS)
    page.route_web_socket("**/ws", lambda wire: wires.append((wire, wire.connect_to_server())))
    log_in(page)
    expect(row(page, FIRST)).to_be_visible()
    page.route_web_socket("**/ws", lambda wire: wire.close(code=1012, reason="retry in 8 s"))
    for end in wires.pop():
        end.close(code=1012, reason="retry in 8 s")
    expect(page.get_by_text("what is shown is of before")).to_be_visible()
    page.unroute_all()
    page.route_web_socket("**/ws", lambda wire: wires.append((wire, wire.connect_to_server())))
    page.get_by_role("button", name="Try now").click()
    expect(page.locator(".wire.open")).to_be_visible()
    expect(page.get_by_text("what is shown is of before")).to_have_count(0)


def test_another_user_sees_nothing_of_the_one_before(page: Any, stage: Stage) -> None:
    """After a login as somebody else the page begins anew."""
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
    assert asked.index("whoami") < asked.index("subscribe"), "what the one before followed is followed no more"
    expect(page.get_by_label("Function")).to_have_value("")
    expect(page.get_by_text("for demo only")).to_have_count(0)
