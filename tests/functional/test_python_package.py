"""The Python client as a wheel: built, and installed in an empty environment."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

CLIENT = Path(__file__).resolve().parents[2] / "clients" / "python"
SECONDS = 300  # for pip on a loaded machine
PROGRAM = """
import importlib.metadata, sys
import salt_live, salt_live.messages, salt_live.error_codes
assert salt_live.__version__ == importlib.metadata.version("salt-live")
assert "salt" not in sys.modules
try:
    salt_live.Client("127.0.0.1:9", token="0" * 32).connect()
except salt_live.ConnectionFailed as error:
    print(error)
"""

pytestmark = [pytest.mark.costly, pytest.mark.timeout(2 * SECONDS)]


def run(*command: str) -> str:
    """Run a command outside the checkout and return what it prints."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    ran = subprocess.run(
        command, cwd="/", env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_the_wheel_works_in_an_empty_environment(tmp_path: Path) -> None:
    """It has its types, and needs neither Salt nor the engine. Its version is that of the engine."""
    run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(tmp_path), str(CLIENT))
    (wheel,) = tmp_path.glob("salt_live-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert "salt_live/py.typed" in names
    assert not [name for name in names if "test" in name]
    version = (CLIENT.parents[1] / "schemas" / "VERSION").read_text(encoding="utf-8").strip()
    assert wheel.name.split("-")[1] == version
    python = str(tmp_path / "venv" / "bin" / "python")
    run(sys.executable, "-m", "venv", str(tmp_path / "venv"))
    run(python, "-m", "pip", "install", "-q", str(wheel))
    assert run(python, "-c", PROGRAM) == "cannot connect to ws://127.0.0.1:9/ws: connection refused\n"
