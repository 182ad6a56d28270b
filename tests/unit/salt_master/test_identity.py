"""Masters are distinguished by their id and their cache directory, never by the name of their host."""

from __future__ import annotations

import os
import platform
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from websocket_api.salt_master.identity import FILE, identity


def test_a_restart_keeps_the_identity(tmp_path: Path) -> None:
    """The next run of the engine goes on with its own batches at once."""
    assert identity(str(tmp_path), "m1") == identity(str(tmp_path), "m1")
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_masters_of_one_cache_directory_differ_by_their_id(tmp_path: Path) -> None:
    """The masters of a cluster share it, and may run on one host."""
    assert identity(str(tmp_path), "127.0.0.1") != identity(str(tmp_path), "127.0.0.2")


def test_masters_of_one_id_differ_by_their_cache_directory(tmp_path: Path) -> None:
    """Two masters with a common Redis may have the same id."""
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        folder.mkdir()
    first, second = (identity(str(folder), "salt") for folder in folders)
    assert first != second


def test_the_name_of_the_host_does_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A renamed host, or a container with another name, is the same master."""
    before = identity(str(tmp_path), "m1")
    monkeypatch.setattr(platform, "node", lambda: "renamed")
    assert identity(str(tmp_path), "m1") == before


def test_masters_that_start_at_once_agree_on_the_directory(tmp_path: Path) -> None:
    """Otherwise one of them would have another identity after a restart."""
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: identity(str(tmp_path), "m1"), range(8)))
    assert found == {identity(str(tmp_path), "m1")}
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_a_file_system_without_hard_links_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some network file systems have none."""

    def refuse(source: str, target: str) -> None:
        raise PermissionError("Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    assert identity(str(tmp_path), "m1") == identity(str(tmp_path), "m1")
    assert [path.name for path in tmp_path.iterdir()] == [FILE]
