"""Minions as the master knows them: keys, cached grains, and which of them a target means. None is commanded."""

from __future__ import annotations

import threading
from typing import Any

import salt.cache
import salt.key
import salt.utils.minions
import salt.utils.verify

from . import targets
from .pool import Pool
from .salt_compat import SALT_LINE, plain
from .store_errors import report_failures

#: Salt's names of the key states, the one that counts most last: an id can be denied and accepted at once.
_STATES = {
    "minions_denied": "denied",
    "minions_rejected": "rejected",
    "minions_pre": "pending",
    "minions": "accepted",
}


class MinionStore:
    """Reads the master's key store and minion data cache; ``master_unavailable`` is raised when they fail."""

    def __init__(self, opts: dict[str, Any], pool: Pool) -> None:
        self._opts = opts
        self._pool = pool
        # Key, Cache and CkMinions carry Salt loaders, which are not thread safe: one of each in every thread.
        self._local = threading.local()

    async def keys(self) -> dict[str, str]:
        """``{minion id: "accepted" | "pending" | "rejected" | "denied"}``."""
        return await self._pool.run(self._keys)

    async def grains(self, ids: list[str] | None) -> dict[str, dict[str, Any]]:
        """``{minion id: grains}`` of these minions, or of all, from the master's cache, as far as it has them."""
        return await self._pool.run(self._grains, ids)

    async def match(
        self, tgt: str | list[str], tgt_type: str, delimiter: str = targets.DELIMITER, *, trusted: bool = False
    ) -> list[str]:
        """The ids of the minions that the master takes a target to mean, sorted.

        :param delimiter: what separates the levels of a grain or pillar
        :param trusted: the operator wrote it, not a client
        :raises ApiError: ``bad_message`` for an expression that cannot be matched
        """
        return await self._pool.run(self._match, tgt, tgt_type, delimiter, trusted)

    # What follows runs in the pool's threads.

    def _one(self, name: str, make: Any) -> Any:
        if not hasattr(self._local, name):
            setattr(self._local, name, make(self._opts))
        return getattr(self._local, name)

    def _keys(self) -> dict[str, str]:
        with report_failures("the key store"):
            listed = self._one("key", salt.key.get_key).list_keys()
        return {str(name): state for salts, state in _STATES.items() for name in listed.get(salts, ())}

    def _grains(self, ids: list[str] | None) -> dict[str, dict[str, Any]]:
        with report_failures("the minion data cache"):
            return self._read_grains(self._one("cache", salt.cache.factory), ids)

    def _read_grains(self, cache: Any, ids: list[str] | None) -> dict[str, dict[str, Any]]:
        # 3008 keeps grains in a bank of that name; 3007 beside the pillar, in a bank per minion.
        if ids is None:
            ids = cache.list("grains" if SALT_LINE >= 3008 else "minions") or []
        found = {}
        for name in ids:
            if not salt.utils.verify.valid_id(self._opts, name):
                continue  # it would become a path
            if SALT_LINE >= 3008:
                grains = cache.fetch("grains", name)
            else:
                grains = (cache.fetch(f"minions/{name}", "data") or {}).get("grains")
            if grains:
                found[name] = plain(grains)
        return found

    def _match(self, tgt: str | list[str], tgt_type: str, delimiter: str, trusted: bool) -> list[str]:
        targets.check(self._opts, tgt, tgt_type, delimiter, trusted=trusted)
        if not trusted:  # what Salt's own check makes of an auth list is left to it
            tgt, tgt_type = targets.resolve(self._opts, tgt, tgt_type)
        checker = self._one("checker", salt.utils.minions.CkMinions)
        return sorted({str(name) for name in checker.check_minions(tgt, tgt_type, delimiter)["minions"]})
