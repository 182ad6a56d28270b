"""Mark the unit tests; skip those marked ``with_salt`` where Salt is not installed."""

from __future__ import annotations

import importlib.util
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark all tests below this folder ``unit``, before pytest selects by marks."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker("unit")
            # The Makefile finds the files with such tests by this word.
            assert not item.get_closest_marker("with_salt") or "with_salt" in item.path.read_text(), item.nodeid


if importlib.util.find_spec("salt") is None:

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
        """Skip a marked test that reaches Salt; fail any other, so that it gets the mark."""
        try:
            return (yield)
        except ModuleNotFoundError as error:
            if error.name is None or error.name.partition(".")[0] != "salt":
                raise
            if item.get_closest_marker("with_salt") is None:
                pytest.fail("a unit test that needs Salt must be marked with_salt")
            pytest.skip("needs Salt")
