"""The master's runner and wheel functions, and their signatures."""

from __future__ import annotations

import inspect
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import salt.loader
import salt.utils.args

from ..errors import ApiError
from . import arguments
from .per_thread import LOADING
from .pool import Pool
from .salt_compat import plain

#: Seconds after which the loaders are rebuilt, so that newly synced runners are found.
KEEP_SECONDS = 60.0


class MasterFunctions:
    """Looks up the master's functions. The parameter ``client`` is always ``"runner"`` or ``"wheel"``."""

    def __init__(self, opts: dict[str, Any], pool: Pool) -> None:
        self._opts = opts
        self._pool = pool
        # Salt's loaders are not thread safe, so one thread uses them at a time.
        self._lock = threading.Lock()
        # The clients whose functions were all loaded once.
        self._complete: set[str] = set()
        # client -> (time of creation, Salt's loader). The names are cached because the first listing takes a second.
        self._loaders: dict[str, tuple[float, Any]] = {}
        self._names: dict[str, tuple[float, list[str]]] = {}

    async def names(self, client: str) -> list[str]:
        """Return the names of all functions, sorted. The list is at most :data:`KEEP_SECONDS` old."""
        known = self._names.get(client)
        if known and time.monotonic() - known[0] < KEEP_SECONDS:
            return known[1]
        return await self._pool.run(self._list, client)

    async def signature(self, client: str, fun: str) -> dict[str, Any] | None:
        """Return the signature of a function, or None if there is no such function.

        :return: ``{"args": names, "defaults": values of the last names, "varargs": name after ``*``, "keywords": name
            after ``**``, "doc": docstring}``; all but ``args`` may be None
        """
        return await self._pool.run(self._inspect, client, fun)

    async def read_for_runner(
        self, fun: str, arg: list[Any], kwarg: dict[str, Any]
    ) -> tuple[list[Any], dict[str, Any]]:
        """Return the arguments that ``RunnerClient`` sends for the arguments of a low.

        :raises ApiError: ``unknown_function``, ``bad_message``
        """
        return await self._pool.run(self._read_for_runner, fun, arg, kwarg)

    async def argument_mismatch(self, client: str, fun: str, arg: list[Any], kwarg: dict[str, Any]) -> str | None:
        """Return Python's complaint if an existing function does not accept these arguments, else None."""
        return await self._pool.run(self._bind, client, fun, arg, kwarg)

    # The methods below run in the pool's threads.

    @contextmanager
    def _turn(self, client: str) -> Iterator[None]:
        """Use the loaders of a client.

        Nobody else loads anything before all of its functions were loaded once, which imports what they need. To load
        them again takes up to a second as well, but imports nothing: so logins need not wait for it.
        """
        with self._lock, nullcontext() if client in self._complete else LOADING:
            yield

    def _loader(self, client: str) -> Any:
        made, loader = self._loaders.get(client, (0.0, None))
        if loader is None or time.monotonic() - made > KEEP_SECONDS:
            if client == "runner":
                loader = salt.loader.runner(self._opts, utils=salt.loader.utils(self._opts), context={})
            elif client == "wheel":
                loader = salt.loader.wheels(self._opts, context={})
            else:
                raise ValueError(f"client is {client!r}, not runner or wheel")
            self._loaders[client] = (time.monotonic(), loader)
        return loader

    def _find(self, client: str, fun: str) -> Any:
        """Return a function, or None if there is none. To learn that, Salt loads all others."""
        loader = self._loader(client)
        if "." in fun and fun in loader:
            return loader[fun]
        if "." in fun:
            self._complete.add(client)
        return None

    def _list(self, client: str) -> list[str]:
        with self._turn(client):
            names = sorted(str(name) for name in self._loader(client) if "." in name)
            self._names[client] = (time.monotonic(), names)
            self._complete.add(client)
        return names

    def _bind(self, client: str, fun: str, arg: list[Any], kwarg: dict[str, Any]) -> str | None:
        with self._turn(client):
            signature = inspect.signature(self._loader(client)[fun])
        try:
            signature.bind(*arg, **kwarg)
        except TypeError as error:
            return str(error)
        return None

    def _read_for_runner(self, fun: str, arg: list[Any], kwarg: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
        with self._turn("runner"):
            function = self._find("runner", fun)
        if function is None:
            raise ApiError("unknown_function", f"there is no runner function {fun}")
        return arguments.read_for_runner(function, fun, arg, kwarg)

    def _inspect(self, client: str, fun: str) -> dict[str, Any] | None:
        with self._turn(client):
            function = self._find(client, fun)
            if function is None:
                return None
            spec = salt.utils.args.get_function_argspec(function)
            doc = inspect.getdoc(function)
        return {
            "args": list(spec.args),
            "defaults": plain(spec.defaults) if spec.defaults else None,
            "varargs": spec.varargs or None,
            "keywords": spec.keywords or None,
            "doc": doc or None,
        }
