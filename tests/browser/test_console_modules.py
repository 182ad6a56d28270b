"""Modules of the console that depend on the browser; tests/javascript tests the others."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.accessibility import violations

pytestmark = pytest.mark.slow

CONSOLE = Path(__file__).parents[2] / "websocket_api" / "console"


def test_whole_numbers_stay_exact(chromium: Any, stage: Any) -> None:
    """This includes numbers that JavaScript would round; a text stays a text."""
    text = '{"a":12345678901234567891,"b":[-9007199254740993, 1.5, 7],"jid":"20261125221427006867"}'
    with chromium.new_context(base_url=f"http://127.0.0.1:{stage.port}") as context:
        page = context.new_page()
        page.goto("/console/")
        expect(page.get_by_label("User name")).to_be_visible()
        script = "async (text) => (await import('/console/client/wire.js')).decode(text)"
        shown = page.evaluate(script, text)
    assert shown["b"][1:] == [1.5, 7]
    assert shown["jid"] == "20261125221427006867"
    assert [str(shown["a"]), str(shown["b"][0])] == ["12345678901234567891", "-9007199254740993"]


def test_the_browser_has_every_event_that_the_page_listens_to(chromium: Any) -> None:
    """Preact listens to `FocusIn` if an element has no property `onfocusin`, and no such event ever comes."""
    sources = [path.read_text(encoding="utf-8") for path in CONSOLE.rglob("*.js") if path.parent.name != "vendor"]
    names = sorted({name for text in sources for name in re.findall(r"\b(on[A-Z]\w+)=\$", text)})
    assert "onClick" in names
    with chromium.new_context() as context:
        page = context.new_page()
        script = "names => names.filter((name) => !(name.toLowerCase() in document.createElement('div')))"
        assert page.evaluate(script, names) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_violations_in_both_color_schemes(chromium: Any, scheme: str) -> None:
    """Other tests rely on it: here a button has no name, and text has too little contrast in one scheme only."""
    style = f"<style>@media (prefers-color-scheme: {scheme}) {{ p {{ color: #777; background: #888 }} }}</style>"
    with chromium.new_context(color_scheme="light") as context:
        page = context.new_page()
        page.set_content(
            f"<html lang=en><title>Page</title>{style}<main><h1>Title</h1><p>text</p><button></button></main>"
        )
        found = [one.partition(":")[0] for one in violations(page)]
    assert sorted(found) == ["button-name", "color-contrast"]
