"""Store batches in Salt's cache, with the master's driver. It needs no set-up, and a shared cache shares the batches.

Banks, all below ``websocket_api/``:

    batches      id -> the record of a batch's state (core/batches/records.py), with its driver
    requests/ID  number of a chunk -> requests; ``calls`` -> the functions that these call
    orders       id -> a cancel request for the master that drives the batch
    pauses       id -> the newest request to pause or resume, for that master
    masters      number -> {identity, last}: the master that allocates ids with this number, and its last millisecond
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import salt.exceptions

from ..errors import ApiError
from .cluster import shares_cache
from .identity import identity
from .per_thread import PerThread, load_cache
from .pool import Pool
from .store_errors import report_failures

log = logging.getLogger(__name__)
T = TypeVar("T")

BATCHES, REQUESTS, ORDERS, PAUSES, MASTERS = (
    f"websocket_api/{name}" for name in ("batches", "requests", "orders", "pauses", "masters")
)
CALLS = "calls"
LOCAL_DRIVERS = frozenset({"localfs", "localfs_key", "mmap_cache"})
"""Drivers that store data in the master's cache directory, which other masters use only in a cluster."""


class BatchStore:
    """Reads and writes batches. Every method raises ``master_unavailable`` if the store fails.

    :param opts: the master's configuration
    """

    def __init__(self, opts: Mapping[str, Any], pool: Pool) -> None:
        self._driver = str(opts.get("cache") or "localfs")
        # In the options, because 3007 ignores the argument ``driver``. A memory cache would hide other masters' writes.
        self._opts = {**opts, "cache": self._driver, "memcache_expire_seconds": 0}
        self._shares_cache = shares_cache(opts)
        self._pool = pool
        self._damaged: set[tuple[str, str]] = set()
        """Unreadable entries that were already logged."""
        self._cache = PerThread(lambda: load_cache(self._opts))

    @property
    def shared(self) -> bool:
        """Whether other masters may write to the same store."""
        return self._driver not in LOCAL_DRIVERS or self._shares_cache

    async def identity(self) -> str:
        """Return this master's unique identity, which lasts as long as its cache directory."""
        own = str(self._opts["cachedir"]), str(self._opts["id"])
        return await self._pool.run(self._call_store, lambda: identity(*own))

    async def ids(self) -> list[int]:
        """Return the ids of all batches."""
        return await self._pool.run(self._call_store, lambda: self._ids(BATCHES))

    async def record(self, id_: int) -> dict[str, Any] | None:
        """Return the record of a batch, or None."""
        return await self._pool.run(self._call_store, lambda: self._fetch(BATCHES, str(id_)))

    async def records(self, ids: list[int]) -> dict[int, dict[str, Any]]:
        """Return the records of these batches; leave out batches that do not exist."""
        return await self._pool.run(self._call_store, lambda: self._records(ids))

    async def requests(self, id_: int, numbers: list[int]) -> list[list[Any]]:
        """Return chunks of a batch's requests, in the order of ``numbers``."""
        bank = f"{REQUESTS}/{id_}"
        return await self._pool.run(self._call_store, lambda: [self._fetch(bank, str(one)) or [] for one in numbers])

    async def calls(self, id_: int) -> list[dict[str, Any]]:
        """Return the calls that a batch's requests refer to."""
        return await self._pool.run(self._call_store, lambda: self._fetch(f"{REQUESTS}/{id_}", CALLS) or [])

    async def write(
        self,
        id_: int,
        record: Mapping[str, Any],
        chunks: Mapping[int, list[Any]],
        calls: list[dict[str, Any]] | None = None,
    ) -> None:
        """Write chunks, and then the record that refers to them."""
        await self._pool.run(self._call_store, lambda: self._write(id_, record, chunks, calls))

    async def remove(self, id_: int) -> None:
        """Remove a batch, if it exists."""
        await self._pool.run(self._call_store, lambda: self._remove(id_))

    async def write_cancel(self, id_: int, fields: Mapping[str, Any]) -> None:
        """Write a cancel request for the driver of a batch."""
        await self._pool.run(self._call_store, lambda: self._cache.get().store(ORDERS, str(id_), dict(fields)))

    async def cancels(self) -> dict[int, dict[str, Any]]:
        """Return the cancel requests by batch."""
        return await self._pool.run(self._call_store, lambda: self._all(ORDERS))

    async def cancel(self, id_: int) -> dict[str, Any] | None:
        """Return the cancel request for a batch, or None."""
        return await self._pool.run(self._call_store, lambda: self._fetch(ORDERS, str(id_)))

    async def remove_cancel(self, id_: int) -> None:
        """Remove a cancel request that was handled."""
        await self._pool.run(self._call_store, lambda: self._cache.get().flush(ORDERS, str(id_)))

    async def write_pause(self, id_: int, fields: Mapping[str, Any]) -> None:
        """Write a request to pause or resume, for the driver of a batch; it replaces an earlier one."""
        await self._pool.run(self._call_store, lambda: self._cache.get().store(PAUSES, str(id_), dict(fields)))

    async def pauses(self) -> dict[int, dict[str, Any]]:
        """Return the requests to pause or resume by batch."""
        return await self._pool.run(self._call_store, lambda: self._all(PAUSES))

    async def pause(self, id_: int) -> dict[str, Any] | None:
        """Return the request to pause or resume a batch, or None."""
        return await self._pool.run(self._call_store, lambda: self._fetch(PAUSES, str(id_)))

    async def remove_pause(self, id_: int) -> None:
        """Remove the request to pause or resume a batch."""
        await self._pool.run(self._call_store, lambda: self._cache.get().flush(PAUSES, str(id_)))

    async def claim_number(self, identity: str, maximum: int) -> tuple[int, int]:
        """Return this master's number, below ``maximum``, and its last millisecond. Claim a free number if needed."""
        return await self._pool.run(self._call_store, lambda: self._claim_number(identity, maximum))

    async def write_last(self, identity: str, number: int, last: int) -> None:
        """Write the last millisecond for which an id was allocated."""
        value = {"identity": identity, "last": last}
        await self._pool.run(self._call_store, lambda: self._cache.get().store(MASTERS, str(number), value))

    # The methods below run in the pool's threads.

    @staticmethod
    def _call_store(call: Callable[[], T]) -> T:
        # The writer retries until the store answers, and logs the failure once (core/batches/writer.py).
        with report_failures("the batch store", logging.DEBUG):
            return call()

    def _fetch(self, bank: str, key: str) -> Any:
        try:
            return self._cache.get().fetch(bank, key) or None
        except salt.exceptions.SaltDeserializationError:
            # A file that a crash of the machine left half written must not block the other batches.
            if (bank, key) not in self._damaged:
                self._damaged.add((bank, key))
                log.error("%s/%s in the store of batches is damaged, and its content is lost", bank, key)
            return None

    def _ids(self, bank: str) -> list[int]:
        return [int(key) for key in self._cache.get().list(bank) if str(key).isascii() and str(key).isdigit()]

    def _records(self, ids: list[int]) -> dict[int, dict[str, Any]]:
        found = {id_: self._fetch(BATCHES, str(id_)) for id_ in ids}
        return {id_: record for id_, record in found.items() if record is not None}

    def _write(
        self, id_: int, record: Mapping[str, Any], chunks: Mapping[int, list[Any]], calls: list[dict[str, Any]] | None
    ) -> None:
        cache, bank = self._cache.get(), f"{REQUESTS}/{id_}"
        if calls is not None:
            cache.store(bank, CALLS, calls)
        for number, rows in chunks.items():
            cache.store(bank, str(number), rows)
        cache.store(BATCHES, str(id_), dict(record))

    def _remove(self, id_: int) -> None:
        cache = self._cache.get()
        # The record first: without it nothing finds what a crash leaves of the batch.
        cache.flush(BATCHES, str(id_))
        cache.flush(f"{REQUESTS}/{id_}")

    def _all(self, bank: str) -> dict[int, dict[str, Any]]:
        """Return what a bank has for each batch."""
        found = {id_: self._fetch(bank, str(id_)) for id_ in self._ids(bank)}
        return {id_: fields for id_, fields in found.items() if fields is not None}

    def _claim_number(self, identity: str, maximum: int) -> tuple[int, int]:
        first = int(hashlib.sha256(identity.encode()).hexdigest(), 16) % maximum
        for step in range(maximum):
            number = (first + step) % maximum
            known = self._fetch(MASTERS, str(number))
            if known is None:
                self._cache.get().store(MASTERS, str(number), {"identity": identity, "last": 0})
                return number, 0
            if known["identity"] == identity:
                return number, int(known["last"])
        raise ApiError("master_unavailable", f"all {maximum} numbers of masters in the store of batches are in use")
