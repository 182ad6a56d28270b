"""Read what the master knows of its minions: keys, cached grains, and the ids that a target matches."""

from __future__ import annotations

import os
from collections.abc import Collection
from typing import Any

import salt.key
import salt.utils.minions
import salt.utils.verify

from . import targets
from .below import match_below
from .key_list import key_list, list_through
from .per_thread import PerThread, load_cache, with_driver
from .pool import Pool
from .salt_compat import SALT_LINE, plain
from .store_errors import report_failures

#: Salt's names of the key states. The last one wins, because an id can be denied and accepted at the same time.
_STATES = {
    "minions_denied": "denied",
    "minions_rejected": "rejected",
    "minions_pre": "pending",
    "minions": "accepted",
}


class MinionStore:
    """Reads the master's key store and minion data cache. Its methods raise ``master_unavailable`` if these fail."""

    def __init__(self, opts: dict[str, Any], pool: Pool) -> None:
        self._opts = opts
        self._pool = pool
        self._known_keys = key_list(opts)
        self._key = PerThread(self._make_key)
        self._checker = PerThread(self._make_checker)
        self._cache = PerThread(lambda: load_cache(self._opts))

    async def keys(self) -> dict[str, str]:
        """Return ``{minion id: "accepted" | "pending" | "rejected" | "denied"}``."""
        return await self._pool.run(self._keys)

    async def grains(self, ids: list[str] | None) -> dict[str, dict[str, Any]]:
        """Return ``{minion id: grains}`` of these minions, or of all, without those that the cache lacks."""
        return await self._pool.run(self._grains, ids)

    async def match(
        self,
        tgt: str | list[str],
        tgt_type: str,
        delimiter: str = targets.DELIMITER,
        *,
        trusted: bool = False,
        below: Collection[str] = (),
    ) -> list[str]:
        """Return the ids of the minions that a target matches, sorted.

        :param delimiter: separates the levels of a grain or pillar
        :param trusted: true if the target is from ``external_auth``, false if a client sent it
        :param below: minions of masters below, which a target can match by their ids only
        :raises ApiError: ``bad_message`` if the expression is invalid
        """
        return await self._pool.run(self._match, tgt, tgt_type, delimiter, trusted, below)

    async def resources(self) -> dict[str, tuple[str, str]]:
        """Return the type and the minion of each resource that minions have registered, by id.

        Of equal ids of several types, one is returned.
        """
        return {} if SALT_LINE < 3008 else await self._pool.run(self._resources)

    async def syndics(self) -> list[str]:
        """Return the minions that the master has marked as syndics, because they passed on a return."""
        return await self._pool.run(self._syndics)

    # The methods below run in the pool's threads.

    def _make_key(self) -> Any:
        key = salt.key.get_key(self._opts)
        if hasattr(key, "cache"):  # 3007 reads the folders itself
            with_driver(key.cache)
        return list_through(self._known_keys, key)

    def _make_checker(self) -> Any:
        checker = salt.utils.minions.CkMinions(self._opts)
        with_driver(checker.cache)
        if hasattr(checker, "key"):  # 3007 reads the folders itself
            with_driver(checker.key.cache)
            list_through(self._known_keys, checker.key)
        return checker

    def _keys(self) -> dict[str, str]:
        with report_failures("the key store"):
            listed = self._key.get().list_keys()
        return {str(name): state for salts, state in _STATES.items() for name in listed.get(salts, ())}

    def _grains(self, ids: list[str] | None) -> dict[str, dict[str, Any]]:
        with report_failures("the minion data cache"):
            return self._read_grains(self._cache.get(), ids)

    def _read_grains(self, cache: Any, ids: list[str] | None) -> dict[str, dict[str, Any]]:
        # 3008 keeps grains in a bank of that name; 3007 beside the pillar, in a bank per minion.
        if ids is None:
            ids = cache.list("grains" if SALT_LINE >= 3008 else "minions") or []
        found = {}
        for name in ids:
            if not salt.utils.verify.valid_id(self._opts, name):
                continue  # the driver would use it as a path
            if SALT_LINE >= 3008:
                grains = cache.fetch("grains", name) or self._resource_grains(cache, name)
            else:
                grains = (cache.fetch(f"minions/{name}", "data") or {}).get("grains")
            if grains:
                found[name] = plain(grains)
        return found

    def _resource_grains(self, cache: Any, name: str) -> Any:
        """Return the grains of a resource; empty for other names."""
        registry = self._checker.get().registry
        keys = [f"{kind}:{name}" for kind, _ in registry.resolve_bare_resource_id(name)]
        valid = [key for key in keys if salt.utils.verify.valid_id(self._opts, key)]
        return cache.fetch("resource_grains", valid[-1]) if valid else {}

    def _resources(self) -> dict[str, tuple[str, str]]:
        with report_failures("the resource registry"):
            registry = self._checker.get().registry
            accepted = self._key.get().list_keys().get("minions", ())
            return {
                str(name): (str(kind), str(minion))
                for minion in accepted
                for kind, names in registry.get_resources_for_minion(minion).items()
                for name in names
            }

    def _syndics(self) -> list[str]:
        try:
            return os.listdir(self._opts["syndic_dir"])
        except FileNotFoundError:
            return []

    def _match(
        self, tgt: str | list[str], tgt_type: str, delimiter: str, trusted: bool, below: Collection[str]
    ) -> list[str]:
        targets.check(self._opts, tgt, tgt_type, delimiter, trusted=trusted)
        if not trusted:  # Salt itself resolves the targets of an auth list
            tgt, tgt_type = targets.resolve(self._opts, tgt, tgt_type)
        checker = self._checker.get()
        found = {str(name) for name in checker.check_minions(tgt, tgt_type, delimiter)["minions"]}
        if below:
            found |= match_below(self._opts, tgt, tgt_type, delimiter, below)
        return sorted(found)
