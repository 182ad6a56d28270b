"""Use the console as a person does: by labels, names and texts on the screen."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import expect

from tests.browser.profiles import PATIENCE
from tests.integration.staging import Stage

expect.set_options(timeout=PATIENCE)


def log_in(
    page: Any, username: str = "demo", password: str = "demo", *, stay: bool = False, path: str = "#/fleet"
) -> Any:
    """Open the console and log in."""
    page.goto(f"/console/{path}")
    type_login(page, username, password, stay=stay)
    expect(page.locator(".wire.open")).to_be_visible()
    return page


def type_login(page: Any, username: str, password: str, *, stay: bool = False) -> None:
    """Fill in the form of the login."""
    page.get_by_label("User name").fill(username)
    page.get_by_label("Password").fill(password)
    if stay:
        page.get_by_label("Stay logged in").check()
    page.get_by_role("button", name="Log in").click()


def view(page: Any, name: str) -> None:
    """Open a view."""
    page.get_by_role("navigation", name="Views").get_by_role("link", name=name, exact=True).click()
    expect(page.get_by_role("heading", name=name, exact=True, level=1)).to_be_visible()


def run(page: Any, fun: str, target: str, *, confirm: bool = False, **typed: str) -> None:
    """Fill in the required fields of the command form, and send it.

    :param confirm: whether to confirm the question that the console asks first
    :param typed: texts for the fields of the function's arguments
    """
    view(page, "Run")
    page.get_by_label("Target").fill(target)
    page.get_by_label("Function").fill(fun)
    for name, value in typed.items():
        page.get_by_label(name).fill(value)
    page.get_by_role("button", name="Run", exact=True).click()
    if confirm:
        page.get_by_role("dialog").get_by_role("button", name="Run", exact=True).click()


def start(page: Any, stage: Stage, fun: str, tgt: str, *arg: Any, **fields: Any) -> str:
    """Run a function with another client, open the job's page, and return its jid."""
    with stage.client() as client:
        jid: str = client.ask("cmd", fun=fun, tgt=tgt, arg=list(arg), **fields)["jid"]
    page.evaluate("jid => { location.hash = `#/jobs/${jid}`; }", jid)
    expect(job(page)).to_contain_text(jid)
    return jid


def job(page: Any) -> Any:
    """Return the job on the page."""
    return page.get_by_role("region", name="Job ")


def row(page: Any, text: str) -> Any:
    """Return the first row of the view's table that contains a text."""
    return page.get_by_role("row").filter(has_text=text).first


def clipboard(page: Any) -> str:
    """Return the text in the clipboard. Wait for it: a button says only for two seconds that it has copied."""
    return str(page.evaluate("navigator.clipboard.readText()"))
