"""Check a page of the console with axe-core, which is in the package axe-playwright-python."""

from __future__ import annotations

from typing import Any

from axe_playwright_python.base import AXE_SCRIPT

ALL = {"resultTypes": ["violations"], "rules": {"target-size": {"enabled": True}}}  # off by default, but in WCAG 2.2 AA
OF_COLORS = {"resultTypes": ["violations"], "runOnly": ["color-contrast", "link-in-text-block"]}
RUN = """async (options) => {
  const { violations } = await axe.run(options);
  return violations.flatMap((one) => one.nodes.map((node) => `${one.id}: ${node.html.slice(0, 200)}`));
}"""


def violations(page: Any) -> list[str]:
    """Return all violations that axe-core finds, with their elements: of WCAG 2.2 AA and of best practices.

    The other color scheme is checked too. It differs in colors only, so only the rules of colors are checked there.
    """
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE_SCRIPT)
    is_dark = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    found: list[str] = page.evaluate(RUN, ALL)
    page.emulate_media(color_scheme="light" if is_dark else "dark")
    found += page.evaluate(RUN, OF_COLORS)
    page.emulate_media(color_scheme="dark" if is_dark else "light")
    return found
