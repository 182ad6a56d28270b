"""The event loop that the engine serves on, with and without uvloop."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from websocket_api import event_loop


class Package(SimpleNamespace):
    """What the engine uses of uvloop, on asyncio's loop."""

    def __init__(self, **broken: Any) -> None:
        parts = {"__version__": "1.2.3", "new_event_loop": asyncio.new_event_loop, "run": asyncio.run}
        super().__init__(**{**parts, **broken})


def fails() -> None:
    raise OSError("the kernel has no epoll")


async def nothing() -> None:
    """Run, and end."""


def install(monkeypatch: pytest.MonkeyPatch, load: Callable[[], Any]) -> None:
    """Have the import of uvloop do this."""
    find = event_loop.importlib.import_module
    monkeypatch.setattr(
        event_loop.importlib, "import_module", lambda name, *more: load() if name == "uvloop" else find(name, *more)
    )


def test_an_installed_uvloop_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its name has the release, for the log."""
    package = Package()
    install(monkeypatch, lambda: package)
    assert event_loop.choose(True) == ("uvloop 1.2.3", package.run)


def test_the_option_switches_it_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not even imported."""
    install(monkeypatch, lambda: pytest.fail("it was imported"))
    assert event_loop.choose(False) is event_loop.ASYNCIO


def test_without_the_package_asyncio_serves(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """That is usual: nothing is logged."""
    monkeypatch.setitem(sys.modules, "uvloop", None)
    assert event_loop.choose(True) is event_loop.ASYNCIO
    assert caplog.records == []


def missing_library() -> Any:
    raise ImportError("libuv.so.1: cannot open shared object file")


def missing_dependency() -> Any:
    raise ModuleNotFoundError("No module named 'uvloop.loop'", name="uvloop.loop")


@pytest.mark.parametrize(
    ("load", "reason"),
    [
        (missing_library, "ImportError: libuv.so.1: cannot open shared object file"),
        (missing_dependency, "ModuleNotFoundError: No module named 'uvloop.loop'"),
        (lambda: Package(new_event_loop=fails), "OSError: the kernel has no epoll"),
        (SimpleNamespace, "AttributeError: 'types.SimpleNamespace' object has no attribute 'new_event_loop'"),
        (lambda: SimpleNamespace(__version__="0.1", new_event_loop=asyncio.new_event_loop), "AttributeError: "),
    ],
)
def test_a_uvloop_that_does_not_work_is_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, load: Callable[[], Any], reason: str
) -> None:
    """It is built for another Python, lacks a library, or is too old to run a coroutine: the engine serves without."""
    install(monkeypatch, load)
    chosen = event_loop.choose(True)
    assert chosen is event_loop.ASYNCIO
    (record,) = [record for record in caplog.records if record.levelno >= logging.INFO]
    assert record.levelno == logging.WARNING
    assert f"cannot use uvloop: {reason}" in record.getMessage()
    chosen.run(nothing())
