"""A disk that the master cannot write to is noticed by writing to it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from websocket_api.salt_master import disk
from websocket_api.salt_master.pool import Pool

ENGINES = Path(__file__).resolve().parents[3] / "_engines"


@pytest.fixture(autouse=True)
def enough_space(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine of the tests may have little space."""
    monkeypatch.setattr(disk, "LOW_BYTES", 0)


def test_a_disk_that_works_has_no_fault(tmp_path: Path) -> None:
    """And the check leaves nothing behind, not even what a killed check left."""
    assert disk.find_fault(str(tmp_path)) is None
    (tmp_path / disk.PROBE_FILE).write_bytes(b"of a check that was killed")
    assert disk.find_fault(str(tmp_path)) is None
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_a_fault(tmp_path: Path) -> None:
    """Everybody can read the fault, so it names no path."""
    found = disk.find_fault(str(tmp_path / "missing"))
    assert found == "the master cannot write into its cache directory"


def test_little_space_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is noticed before the first write fails."""
    monkeypatch.setattr(disk, "LOW_BYTES", 1 << 60)
    found = disk.find_fault(str(tmp_path))
    assert found is not None
    assert found.startswith("the disk of the master's caches has less than ")


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    """Another user of the directory could otherwise make the master overwrite a file."""
    target = tmp_path / "precious"
    target.write_text("kept")
    (tmp_path / disk.PROBE_FILE).symlink_to(target)
    assert disk.find_fault(str(tmp_path)) == "the master cannot write into its cache directory"
    assert target.read_text() == "kept"


MOUNTS = {
    "size=32k": "the disk of the master's caches is full",
    "size=1m,ro": "the disk of the master's caches is read-only",
    "size=1m,nr_inodes=1": "the disk of the master's caches is full",
    "size=1m": "None",
}


@pytest.mark.parametrize("options", MOUNTS)
def test_real_disks_tell_what_is_wrong(tmp_path: Path, options: str) -> None:
    """A small file system in memory, in a namespace of its own."""
    code = f"""
import sys
sys.path.insert(0, {str(ENGINES)!r})
from websocket_api.salt_master import disk
disk.LOW_BYTES = 0
print(disk.find_fault({str(tmp_path)!r}))
"""
    user = [] if os.geteuid() == 0 else ["--map-root-user"]
    mount = f'mount -t tmpfs -o {options} tmpfs "$0" && exec "$@"'
    command = ["unshare", *user, "--mount", "sh", "-c", mount, str(tmp_path), sys.executable, "-c", code]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except FileNotFoundError:
        pytest.skip("this system has no unshare")
    if "unshare" in done.stderr or "mount:" in done.stderr:
        pytest.skip(f"this system forbids mounts: {done.stderr.strip()}")
    assert done.stdout.strip() == MOUNTS[options], done.stderr


async def test_a_disk_that_hangs_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as a network file system whose server is gone. One thread waits for it, however often it is checked."""
    pool, release, calls = Pool(2, "test"), threading.Event(), []
    monkeypatch.setattr(disk, "ANSWER_SECONDS", 0.01)

    def hang(folder: str) -> str | None:
        calls.append(folder)
        release.wait(60)
        return None

    monkeypatch.setattr(disk, "find_fault", hang)
    checked = disk.Disk({"cachedir": str(tmp_path)}, pool)
    assert [await checked.fault() for _ in range(3)] == ["the disk of the master's caches does not answer"] * 3
    assert len(calls) == 1
    release.set()
    monkeypatch.setattr(disk, "ANSWER_SECONDS", 60)
    assert await checked.fault() is None
    pool.close()
