"""Objects of Salt that hold a loader. It is not thread safe: each thread has its own, and only one thread loads."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import salt.cache

Made = TypeVar("Made")

#: Held while such an object is made. If two threads import a backend at the same time, Salt's loader may not find it in
#: one of them: a login with the right password was then refused.
LOADING = threading.RLock()


class PerThread(Generic[Made]):
    """One object for each thread.

    :param make: makes it, and loads the modules that it needs
    """

    def __init__(self, make: Callable[[], Made]) -> None:
        self._make = make
        self._local = threading.local()

    def get(self) -> Made:
        """Return this thread's object; the first call makes it."""
        made: Made | None = getattr(self._local, "made", None)
        if made is None:
            with LOADING:
                made = self._local.made = self._make()
        return made


def load_cache(opts: dict[str, Any]) -> Any:
    """Return Salt's cache by the options, with its driver loaded. Call it while :data:`LOADING` is held."""
    return with_driver(salt.cache.factory(opts))


def with_driver(cache: Any) -> Any:
    """Load the driver of a cache of Salt, and return the cache. Call it while :data:`LOADING` is held.

    Salt itself would load it at the first call, whichever thread that is in.
    """
    cache.modules.get(f"{cache.driver}.fetch")
    getattr(cache, "kwargs", None)  # 3008 asks the driver for them at the first call
    return cache
