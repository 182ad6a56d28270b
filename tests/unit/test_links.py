"""Links and paths in the documents lead somewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.any_python

ROOT = Path(__file__).parents[2]
ENGINE = ROOT / "_engines" / "websocket_api"
PAGES = sorted(
    {
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "changelog").glob("*.md"),
        ROOT / "examples" / "README.md",
    }
)
CODE = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^()\s]+)\)|^\[[^\]]+\]: (\S+)$", re.MULTILINE)
PATH = re.compile(r"`([\w./-]+/[\w.-]+\.(?:py|js|json|sls|md|sh|in|yaml))`|`(\w+\.py)`")


def prose(page: Path) -> str:
    """The text without code blocks."""
    return CODE.sub("", page.read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub and the site make them."""
    found: set[str] = set()
    for heading in re.findall(r"^#+ +(.*?)\s*$", prose(page), re.MULTILINE):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        anchor = re.sub(r"[^\w -]", "", words.lower()).replace(" ", "-")
        assert anchor not in found, f"{page.name} has the heading {heading!r} twice: links to it are ambiguous"
        found.add(anchor)
    return found


def links() -> Iterator[tuple[str, str]]:
    """Yield each page with each of its links that stay in this repository."""
    for page in PAGES:
        for match in LINK.finditer(re.sub(r"`[^`\n]*`", "", prose(page))):
            target = match[1] or match[2]
            if not re.match(r"[a-z]+:", target):
                yield str(page.relative_to(ROOT)), target


def paths() -> Iterator[tuple[str, str]]:
    """Yield each page for people who change the code with each path that it names, but for placeholders (NAME)."""
    for name in ("docs/decisions.md", "docs/architecture.md", "docs/salt-notes.md", "CONTRIBUTING.md"):
        for match in PATH.finditer(prose(ROOT / name)):
            if "NAME" not in match[0]:
                yield name, match[1] or match[2]


def test_there_are_links_to_check() -> None:
    """The expression finds links on every page for readers."""
    checked = {page for page, _ in links()}
    assert {"README.md", "CONTRIBUTING.md", "SECURITY.md", "docs/protocol.md", "docs/install.md"} <= checked


@pytest.mark.parametrize(("page", "target"), sorted(set(links())))
def test_a_link_has_a_target(page: str, target: str) -> None:
    """A relative link leads to a file of this repository, and its anchor to a heading of that page."""
    file, _, anchor = target.partition("#")
    path = (ROOT / page).parent / file if file else ROOT / page
    assert path.exists(), f"{page} links to {file}, which does not exist"
    assert path.resolve().is_relative_to(ROOT), f"{page} links to {file}, outside of this repository"
    if anchor:
        assert anchor in anchors(path), f"{page} links to {target}, which has no such heading"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_headings_of_a_page_are_unique(page: Path) -> None:
    """Otherwise an anchor leads to the first of them."""
    anchors(page)


@pytest.mark.parametrize(("page", "path"), sorted(set(paths())))
def test_a_named_file_exists(page: str, path: str) -> None:
    """Paths are those of the engine, of its tests, or of the repository; a bare name is a module of the engine."""
    if "/" in path:
        assert any((folder / path).exists() for folder in (ENGINE, ROOT, ROOT / "tests")), f"{page} names {path}"
    else:
        assert any(ENGINE.rglob(path)), f"{page} names {path}"
