"""The benchmark of a large fleet assigns CPU time to roles by the titles of processes."""

from __future__ import annotations

import pytest

from tests.benchmarks.process_roles import CLIENTS, OTHERS, PUBLISHER, SIMULATED, WORKERS, role_of

pytestmark = pytest.mark.any_python

SALT = "/venv/bin/python /venv/bin/salt-master -c /tmp/wsb-x/etc"
CHILD = ["/venv/bin/python", "-m"]


@pytest.mark.parametrize(
    ("title", "salts", "role"),
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
def test_the_title_tells_the_role_of_a_process(title: list[str], salts: bool, role: str) -> None:
    """On both lines of Salt, whose workers have other titles."""
    assert role_of(title, salts=salts) == role
