"""The files of the web console, and their replacement while the engine serves."""

from __future__ import annotations

from pathlib import Path

from websocket_api.protocols.http.console import Console


def made(directory: Path, page: str) -> Console:
    directory.mkdir()
    (directory / "index.html").write_text(page)
    return Console(directory)


def page_of(console: Console) -> bytes:
    found = console.get("")
    assert found is not None
    return found.body


def test_a_newer_console_replaces_the_present_one(tmp_path: Path) -> None:
    """At once, for each next request."""
    console = made(tmp_path / "old", "old")
    console.replace(made(tmp_path / "new", "new"))
    assert page_of(console) == b"new"


def test_a_console_without_files_replaces_nothing(tmp_path: Path) -> None:
    """The file server may have none now, or fail: the present one works."""
    console = made(tmp_path / "old", "old")
    console.replace(Console(None))
    assert page_of(console) == b"old"
