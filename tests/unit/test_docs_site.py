"""The documents as a site: its navigation, and the small changes of its Markdown."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

pytestmark = pytest.mark.any_python

ROOT = Path(__file__).parents[2]
SETTINGS = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def site() -> ModuleType:
    """``tools/docs_site.py``."""
    spec = importlib.util.spec_from_file_location("docs_site", ROOT / "tools" / "docs_site.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def entries(nav: Any) -> Iterator[str]:
    """Yield the pages of the navigation."""
    for entry in nav:
        for value in entry.values():
            yield from [value] if isinstance(value, str) else entries(value)


def test_the_navigation_has_each_page_once(site: ModuleType, tmp_path: Path) -> None:
    """A new page of docs/ needs an entry."""
    site.copy_pages(tmp_path / "pages")
    pages = sorted(str(path.relative_to(tmp_path / "pages")) for path in (tmp_path / "pages").rglob("*.md"))
    assert sorted(entries(SETTINGS["nav"])) == pages


def test_broken_links_and_forgotten_pages_are_warnings_which_fail_the_build() -> None:
    """The build is strict: a warning is an error."""
    checks = {f"{group}.{name}" for group, rules in SETTINGS["validation"].items() for name in rules}
    assert {"links.not_found", "links.anchors", "nav.omitted_files"} <= checks
    assert {level for rules in SETTINGS["validation"].values() for level in rules.values()} == {"warn"}


def test_the_site_loads_nothing_from_other_servers() -> None:
    """The theme's highlighting would."""
    assert SETTINGS["theme"]["highlightjs"] is False


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("text\n* one\n* two\n", "text\n\n* one\n* two\n"),
        ("text\n\n1. one\n\n   ```\n   code\n   ```\n", "text\n\n1. one\n\n    ```\n    code\n    ```\n"),
        ("* one\n  goes on\n\nend\n  kept\n", "* one\n    goes on\n\nend\n  kept\n"),
        ("text\n```\ncode\n* code\n```\n", "text\n```\ncode\n* code\n```\n"),
    ],
    ids=["a list after text", "code in a list", "a list that ends", "a code block"],
)
def test_lists_are_written_as_the_site_reads_them(site: ModuleType, text: str, expected: str) -> None:
    """Python-Markdown wants an empty line before a list, and four spaces in it."""
    assert site.for_markdown(text) == expected
