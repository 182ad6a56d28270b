"""Unit tests where Salt is not installed: those marked ``with_salt`` are skipped, and may be; all others must run.

``make test`` runs a unit test on a Python with Salt only if it has the mark: without it, what is skipped here would
never run. A ``conftest.py`` imports both hooks.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Generator
from typing import Any

import pytest

NO_SALT = importlib.util.find_spec("salt") is None
UNMARKED = "needs Salt, or what only comes with it: mark this unit test with_salt"
MISSING = "could not import"
"""How the reason begins with which ``pytest.importorskip`` skips."""


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Generator[None, Any, Any]:
    """Fail a file that is skipped as a whole without the mark."""
    report = yield
    skipped = NO_SALT and report.outcome == "skipped" and MISSING in str(report.longrepr)
    if skipped and "with_salt" not in collector.path.read_text(encoding="utf-8"):
        report.outcome, report.longrepr = "failed", f"{collector.nodeid}: {UNMARKED}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Skip a marked test that reaches Salt; fail any other that does, or that is skipped for a package."""
    if not NO_SALT:
        return (yield)
    marked = item.get_closest_marker("with_salt") is not None
    try:
        return (yield)
    except pytest.skip.Exception as skipped:
        if not marked and str(skipped).startswith(MISSING):
            pytest.fail(UNMARKED)
        raise
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "salt":
            raise
        if not marked:
            pytest.fail(UNMARKED)
        pytest.skip("needs Salt")
