"""The benchmark of a large fleet names who took the CPU by the titles of processes."""

from __future__ import annotations

import pytest

from tests.benchmarks.titles import CLIENTS, OTHERS, PUBLISHER, SIMULATED, WORKERS, who_is

pytestmark = pytest.mark.any_python

SALT = "/venv/bin/python /venv/bin/salt-master -c /tmp/wsb-x/etc"
CHILD = ["/venv/bin/python", "-m"]


@pytest.mark.parametrize(
    ("title", "salts", "who"),
    [
        ([f"{SALT} EventPublisher"], True, PUBLISHER),
        ([f"{SALT} RequestServer MWorker-0"], True, WORKERS),
        ([f"{SALT} RequestServer MWorker-default-0"], True, WORKERS),
        ([f"{SALT} RequestServer MWorkerQueue"], True, OTHERS),
        ([f"{SALT} BatchManager"], True, OTHERS),
        ([SALT], True, OTHERS),
        ([], True, OTHERS),
        ([*CHILD, "tests.benchmarks.simulated", "{}"], False, SIMULATED),
        ([*CHILD, "tests.benchmarks.sender", "{}"], False, SIMULATED),
        ([*CHILD, "tests.benchmarks.listener", '{"hello": "EventPublisher"}'], False, CLIENTS),
        ([*CHILD, "tests.benchmarks.scale"], False, CLIENTS),
    ],
)
def test_a_process_belongs_to_whom_its_title_names(title: list[str], salts: bool, who: str) -> None:
    """On both lines of Salt, whose workers have other titles."""
    assert who_is(title, salts=salts) == who
