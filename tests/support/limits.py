"""End a worker whose test hangs in its teardown.

After a failure pytest-timeout and pytest's own faulthandler_timeout are off. A daemon that does not end would then
hold up the run without limit. pytest-xdist reports the ended worker by its test, and starts another one.
"""

from __future__ import annotations

import faulthandler
import os
import sys
from collections.abc import Generator

import pytest

_stderr = pytest.StashKey[int]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option to pytest's configuration."""
    parser.addini("teardown_timeout", "seconds that a teardown may take before its process is ended", default="300")


def pytest_configure(config: pytest.Config) -> None:
    """Keep the real standard error: during tests its file descriptor is captured."""
    assert sys.__stderr__ is not None
    config.stash[_stderr] = os.dup(sys.__stderr__.fileno())


def pytest_unconfigure(config: pytest.Config) -> None:
    """Close the copy."""
    os.close(config.stash[_stderr])


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, None, None]:
    """Print all stacks and end the process if a teardown takes too long."""
    seconds = float(item.config.getini("teardown_timeout"))
    faulthandler.dump_traceback_later(seconds, exit=True, file=item.config.stash[_stderr])
    try:
        return (yield)
    finally:
        faulthandler.cancel_dump_traceback_later()
