"""The state of the engine follows from the parts that it depends on."""

from __future__ import annotations

from typing import Any

import pytest
from websocket_api.core.health import Health


@pytest.mark.parametrize(
    ("faults", "status"),
    [
        ({}, "ok"),
        ({"disk": "is full"}, "degraded"),
        ({"disk": "is full", "store": "fails"}, "degraded"),
        ({"bus": "is lost"}, "down"),
        ({"bus": "is lost", "disk": "is full"}, "down"),
    ],
)
def test_the_worst_part_decides(faults: dict[str, str], status: str) -> None:
    """A vital part that fails takes the engine down, another one degrades it."""
    health = Health()
    parts = {name: health.register(name, vital=name == "bus") for name in ("bus", "disk", "store")}
    for name, fault in faults.items():
        parts[name].fault = fault
    report = health.report()
    assert report["status"] == status
    assert list(report["parts"]) == ["bus", "disk", "store"]
    assert {name: part["fault"] for name, part in report["parts"].items() if "fault" in part} == faults
    assert {part["status"] for name, part in report["parts"].items() if name not in faults} <= {"ok"}


def test_a_part_that_works_again_is_ok() -> None:
    """Nothing stays of an earlier fault."""
    health = Health()
    disk = health.register("disk")
    disk.fault = "is full"
    assert health.report()["status"] == "degraded"
    disk.fault = None
    assert health.report() == {"status": "ok", "parts": {"disk": {"status": "ok"}}}


def test_a_check_is_asked_at_each_request() -> None:
    """Its answer is not older than the report."""
    answers: list[Any] = [None, "is lost", None]
    health = Health()
    health.register("bus", vital=True, check=lambda: answers.pop(0))
    assert [health.report()["status"] for _ in range(3)] == ["ok", "down", "ok"]


def test_a_name_stands_for_one_part() -> None:
    """Parts of the code that register the same name share its state."""
    health = Health()
    assert health.register("disk") is health.register("disk")
