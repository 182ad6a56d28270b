"""``make test`` runs two commands at the same time, and fails if one of them does."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.any_python

PROGRAM = Path(__file__).parents[2] / "tools" / "beside.sh"


@pytest.mark.parametrize(
    ("beside", "main", "code"),
    [("true", "true", 0), ("exit 3", "true", 3), ("true", "exit 4", 4)],
)
def test_both_run_to_their_end(beside: str, main: str, code: int) -> None:
    """What the first one prints is shown after what the second one prints."""
    command = [str(PROGRAM), f"echo beside; echo fault >&2; {beside}", f"echo main; {main}"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (ran.returncode, ran.stdout, ran.stderr) == (code, "main\nbeside\nfault\n", "")


def test_they_run_at_the_same_time(tmp_path: Path) -> None:
    """Each waits for the other one's file."""
    one, two = tmp_path / "one", tmp_path / "two"

    def meets(mine: Path, other: Path) -> str:
        return f"touch '{mine}'; until [ -e '{other}' ]; do sleep 0.01; done"

    subprocess.run([str(PROGRAM), meets(one, two), meets(two, one)], timeout=60, check=True)


def test_the_first_one_has_a_low_priority() -> None:
    """Tests on masters have deadlines."""
    ran = subprocess.run([str(PROGRAM), "nice", "nice"], capture_output=True, text=True, timeout=60, check=True)
    main, beside = map(int, ran.stdout.split())
    assert beside > main or main >= 15
