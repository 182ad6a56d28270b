"""Mark the unit tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.missing import pytest_make_collect_report, pytest_runtest_call  # noqa: F401

HERE = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark all tests below this folder ``unit``, before pytest selects by marks."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker("unit")
            # The Makefile finds the files with such tests by this word.
            assert not item.get_closest_marker("with_salt") or "with_salt" in item.path.read_text(), item.nodeid
