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


def test_the_page_names_its_files_below_the_folder_of_their_release(tmp_path: Path) -> None:
    """Other addresses stay as they are, such as those of an operator's own page."""
    page = '<script src="a.js"></script><a href="b.js">b</a><a href="/a.js">root</a><img src="https://x/a.js">'
    console = made(tmp_path / "own", page)
    (tmp_path / "own" / "a.js").write_text("1")
    assert page_of(console).decode() == page  # it had no such file when it was read
    console.replace(Console(tmp_path / "own"))
    assert page_of(console).decode() == page.replace('src="a.js"', f'src="{console.release}/a.js"')


def test_the_folder_changes_with_any_file(tmp_path: Path) -> None:
    """What a browser keeps below it stays right; the files of another release are not there."""
    console = made(tmp_path / "own", "page")
    (tmp_path / "own" / "a.js").write_text("1")
    first, same = Console(tmp_path / "own"), Console(tmp_path / "own")
    (tmp_path / "own" / "a.js").write_text("2")
    second = Console(tmp_path / "own")
    assert first.release == same.release
    assert len({console.release, first.release, second.release}) == 3
    path = f"{first.release}/a.js"
    found = first.get(path)
    assert found is not None
    assert (found.body, first.is_of_release(path)) == (b"1", True)
    first.replace(second)
    assert (first.get(path), first.is_of_release(path)) == (None, False)
    assert not first.is_of_release("a.js")
