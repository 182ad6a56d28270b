"""Folders that are costly to make, and are kept from one run of the tests to the next."""

from __future__ import annotations

import fcntl
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path


def kept(folder: Path, make: Callable[[Path], None]) -> Path:
    """Return a folder, which is made if it is missing, once also if several processes of pytest-xdist need it.

    :param make: fills an empty folder; if it raises, nothing is kept
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if folder.exists():
            return folder
        new = Path(tempfile.mkdtemp(prefix=f"{folder.name}-", dir=folder.parent))
        try:
            make(new)
            new.chmod(0o755)
            new.rename(folder)  # only a whole one has this name
        finally:
            shutil.rmtree(new, ignore_errors=True)
    return folder
