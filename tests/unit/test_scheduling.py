"""Few of the processes that run tests start a shared master."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.scheduling import choose, master_of

pytestmark = pytest.mark.any_python

TESTS = Path(__file__).parents[1]
WAITING = {"own.py": None, "salt.py": "integration", "page.py": "browser"}


@pytest.mark.parametrize(
    ("mine", "others", "expected"),
    [
        (set(), [], "own.py"),
        ({"browser", None}, ["browser"], "page.py"),
        ({"integration"}, ["integration", "integration"], "salt.py"),
        ({None}, [None, None], "own.py"),
    ],
)
def test_a_process_gets_files_of_its_master_first(
    mine: set[str | None], others: list[str | None], expected: str
) -> None:
    """Else the longest."""
    assert choose(WAITING, mine, others) == expected


def test_a_third_process_starts_a_shared_master_only_if_nothing_else_waits() -> None:
    """It takes longer to start than most files."""
    waiting = {"salt.py": "integration", "page.py": "browser"}
    assert choose(waiting, set(), ["integration", "integration", "browser"]) == "page.py"
    assert choose(waiting, set(), ["integration", "browser"] * 2) == "salt.py"


@pytest.mark.parametrize(
    ("name", "master"),
    [
        ("integration/test_visibility.py", "integration"),
        ("integration/salt_master/test_stores.py", "integration"),
        ("integration/test_faults.py", None),
        ("integration/test_demo.py", None),
        ("integration/formula/test_apply.py", None),
        ("browser/test_console_jobs.py", "browser"),
        ("functional/test_native.py", None),
    ],
)
def test_the_master_of_a_file_is_known(name: str, master: str | None) -> None:
    """Without collecting its tests."""
    assert master_of(TESTS / name) == master
