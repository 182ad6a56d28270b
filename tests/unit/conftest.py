"""Unit tests also run where Salt is not installed: the few that call a function of Salt are skipped there."""

from __future__ import annotations

import importlib.util
from collections.abc import Generator
from typing import Any

import pytest

if importlib.util.find_spec("salt") is None:

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
        """Skip a test that reaches Salt; Salt's own reading of YAML and arguments has no substitute here."""
        try:
            return (yield)
        except ModuleNotFoundError as error:
            if error.name is None or error.name.partition(".")[0] != "salt":
                raise
            pytest.skip("needs Salt")
