"""Unit tests of the Python client: no engine, no Salt, no network but where a test says so."""

from __future__ import annotations

from pathlib import Path

import pytest

import tests.conftest  # noqa: F401 - with Salt installed, pytest needs its repair of Salt's importer
from tests.support.missing import pytest_make_collect_report, pytest_runtest_call  # noqa: F401

HERE = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark all tests below this folder ``unit``."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker("unit")
