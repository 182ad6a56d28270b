"""Releases of this project: what `make release` builds, and a checkout that pretends to be another release."""

from __future__ import annotations

import hashlib
import re
import subprocess
import venv
from pathlib import Path

from tests.integration.conftest import CHECKOUT

BUILD_SECONDS = 400


def build_release(folder: Path) -> Path:
    """Build the release in an environment that only has what `make release` installs for it; return its folder.

    :param folder: an empty folder
    """
    venv.create(folder / "venv", with_pip=True)
    python = folder / "venv" / "bin" / "python"
    pip = [str(python), "-m", "pip", "install", "--quiet", "-r", "requirements/release.txt"]
    subprocess.run(pip, cwd=CHECKOUT, check=True, timeout=BUILD_SECONDS)
    subprocess.run([str(python), "tools/release.py", str(folder / "dist")], cwd=CHECKOUT, check=True)
    return folder / "dist"


def set_release(root: Path, version: str, schemas: str | None = None) -> None:
    """Make a copy of this checkout another release: its versions, and the digest of the changed schema file.

    :param schemas: another version of the schemas, which makes it an incomplete release
    """
    digest = hashlib.sha256(f"{version}\n".encode()).hexdigest()
    for name, pattern, value in (
        ("_engines/websocket_api/__init__.py", r'^__version__ = ".*"', f'__version__ = "{version}"'),
        ("_engines/websocket_api/contract/manifest.py", r'"VERSION": "\w+"', f'"VERSION": "{digest}"'),
        ("websocket_api/schemas/VERSION", r".*\n", f"{schemas or version}\n"),
    ):
        path = root / name
        changed, count = re.subn(pattern, value, path.read_text(), count=1, flags=re.MULTILINE)
        assert count == 1, f"{path} has no {pattern}"
        path.write_text(changed)
