"""A test that hangs ends its run with a message, whatever failed before."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
HANGING = """
import time
import pytest

@pytest.fixture
def daemon():
    yield
    time.sleep(600)

@pytest.fixture
def fails(daemon):
    raise AssertionError("it does not start")

def test_with_a_daemon_that_does_not_end(fails):
    pass
"""


def test_a_teardown_that_hangs_after_a_failure_ends_the_run(tmp_path: Path) -> None:
    """The output holds the stack, so that one can see where it hung."""
    (tmp_path / "test_hanging.py").write_text(HANGING)
    (tmp_path / "pytest.ini").write_text("[pytest]\nteardown_timeout = 0.5\n")
    command = [sys.executable, "-m", "pytest", "-p", "tests.support.limits", "-p", "no:cacheprovider", str(tmp_path)]
    ended = subprocess.run(command, check=False, cwd=CHECKOUT, capture_output=True, text=True, timeout=100)
    assert ended.returncode == 1
    assert "Timeout (0:00:00.500000)" in ended.stderr
    assert "test_hanging.py" in ended.stderr
    assert "in daemon" in ended.stderr


def test_the_slowest_files_exist() -> None:
    """A file that was moved would lose its place at the front."""
    from tests.conftest import HERE, SLOWEST

    assert [name for name in SLOWEST if not (HERE / name).is_file()] == []
