"""Chooses the event loop of the serving process: uvloop's if it is installed, else asyncio's own."""

from __future__ import annotations

import asyncio
import importlib
import logging
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple

log = logging.getLogger(__name__)

PACKAGE = "uvloop"


class EventLoop(NamedTuple):
    """An event loop."""

    name: str
    """As the log names it, with the release of uvloop."""
    run: Callable[[Coroutine[Any, Any, None]], None]
    """Runs a coroutine to its end, on a new loop. Other threads keep their own loops."""


ASYNCIO = EventLoop("asyncio", asyncio.run)


def choose(wants_uvloop: bool) -> EventLoop:
    """Return the loop to serve on: asyncio's if uvloop is missing, or does not work (which is logged).

    :param wants_uvloop: the option ``uvloop``
    """
    if not wants_uvloop:
        return ASYNCIO
    try:
        uvloop = importlib.import_module(PACKAGE)
        uvloop.new_event_loop().close()  # what is wrong with it shows before anything is built
        return EventLoop(f"{PACKAGE} {uvloop.__version__}", uvloop.run)
    except Exception as error:  # noqa: BLE001 - a package built for another system can raise anything
        if not (isinstance(error, ModuleNotFoundError) and error.name == PACKAGE):
            log.warning(
                "cannot use uvloop: %s: %s; asyncio's loop is used: install uvloop again, or uninstall it",
                type(error).__name__,
                error,
            )
        return ASYNCIO
