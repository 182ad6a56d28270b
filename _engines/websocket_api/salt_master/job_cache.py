"""Jobs in the master's job cache."""

from __future__ import annotations

import heapq
import logging
import math
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import salt.exceptions
import salt.loader
import salt.payload
import salt.utils.jid

from ..jids import is_jid, made_at, start_time
from .per_thread import LOADING, PerThread, load_cache
from .pool import Pool
from .salt_compat import plain
from .store_errors import report_failures

log = logging.getLogger(__name__)

#: Maximum number of job directories that :meth:`JobCache.recent` reads. A busy master makes tens of thousands a day.
MAX_DIRECTORIES = 200_000
#: Attempts to read a load whose minions are not written yet, and seconds between them.
MINIONS_TRIES, MINIONS_SECONDS = 4, 0.05
#: Left out of lists, because Salt's clients and this engine run it all the time to query jobs.
_HIDDEN = "saltutil.find_job"
#: Not counted among the recent jobs: the console runs them to learn what a minion offers.
_QUERIES = frozenset({"saltutil.running", "sys.argspec", "sys.doc", "sys.list_functions"})
#: Loads that :meth:`JobCache.recent` reads for each job that it may return, because others can be queries or find_job.
MAX_LOADS_PER_JOB = 10
#: Seconds around a time in which a job is searched. Clocks of masters differ, and publishing may be slow.
MARK_SECONDS = 60.0
#: Maximum number of jobs that one such search reads.
MAX_MARKED = 5000
#: Maximum number of loads that a search of a user reads.
MAX_SEARCHED = 5000


class JobCache:
    """Reads the returner of ``ext_job_cache``, else of ``master_job_cache``, as jobs.lookup_jid does."""

    def __init__(self, opts: dict[str, Any], pool: Pool) -> None:
        self._opts = opts
        self._pool = pool
        self._returner = str(opts.get("ext_job_cache") or opts["master_job_cache"])
        self.is_own = self._returner == "local_cache"
        """Whether it has the jobs of this master only: files below its ``cachedir``, not a database."""
        self._returners = PerThread(self._load_returners)

    async def job(self, jid: str) -> dict[str, Any] | None:
        """Return ``{"kind", "reported_by", "load", "returns": {minion: {"return", "retcode", "success"}}}``, or None.

        ``kind`` is job, runner or wheel. ``reported_by`` is None if the master itself stored the load. Else it is the
        minion whose return is the only source, and which could have named any function.

        ``load`` holds jid, fun, arg, tgt, tgt_type, user, start_time (ISO 8601, UTC), minions (ids or None) and, if
        the job has some, metadata. ``arg`` has the form of ``salt/job/JID/new``: keyword arguments are a last object
        with ``"__kwarg__": true``. Runners and wheels have ``runner.`` or ``wheel.`` before fun, and one return, the
        master's own. If ``reported_by`` is a minion, user is empty.

        :raises ApiError: ``master_unavailable``
        """
        if not is_jid(jid):
            return None
        return await self._pool.run(self._job, jid)

    async def recent(self, limit: int) -> list[dict[str, Any]]:
        """Return the loads of the newest ``limit`` jobs, newest first, without returns and without find_job.

        If queries such as ``sys.doc`` are among them, older jobs are added, until ``limit`` are no queries. With the
        default cache :data:`MAX_LOADS_PER_JOB` and :data:`MAX_DIRECTORIES` limit the work. Of other returners this
        calls ``get_jids_filter`` if they have it, else ``get_jids``.

        :raises ApiError: ``master_unavailable``
        """
        return await self._pool.run(self._recent, limit)

    async def marked(self, metadata: Mapping[str, Any], at: float) -> str | None:
        """Return the jid of the job with these metadata that was published near ``at``, in seconds since the epoch.

        :raises ApiError: ``master_unavailable``
        """
        return await self._pool.run(self._marked, dict(metadata), at)

    async def search(
        self, matches: Callable[[Mapping[str, Any]], bool], since: str | None, before: str | None, limit: int
    ) -> list[str]:
        """Return the jids of the newest jobs between two jids for whose load ``matches`` returns True, newest first.

        :data:`MAX_SEARCHED` and :data:`MAX_DIRECTORIES` limit the work.

        :param matches: called in a thread, with the loads of :meth:`recent`
        :raises ApiError: ``master_unavailable``
        """
        return await self._pool.run(self._search, matches, since or "", before or "~", limit)

    # The methods below run in the pool's threads.

    def _load_returners(self) -> Any:
        functions = salt.loader.minion_mods(self._opts, utils=salt.loader.utils(self._opts))
        returners = salt.loader.returners(self._opts, functions)
        returners.get(f"{self._returner}.get_load")  # loads the returner
        return returners

    def _job(self, jid: str) -> dict[str, Any] | None:
        with report_failures("the job cache"):
            stored = self._stored(jid)
            returned = self._returners.get()[f"{self._returner}.get_jid"](jid)
        if not stored and not returned:
            return None
        stored, returned = stored or {}, returned or {}
        call = self._call(jid, stored, returned)
        return {
            "kind": "job" if call is None else call["fun"].partition(".")[0],
            "reported_by": str(stored.get("id", "")) if call is None and "return" in stored else None,
            "load": self._load(jid, stored, call),
            "returns": {str(minion): _outcome(data, call) for minion, data in returned.items()},
        }

    def _call(self, jid: str, stored: dict[str, Any], returned: dict[str, Any]) -> dict[str, Any] | None:
        """Return the ``ret`` event of a runner or wheel, which Salt stores as the master's return, or None for a job.

        Salt stores no load for it (salt.client.mixins, salt.utils.job), so the returner answers with the return. A
        published job has another load, and a minion's return always has a ``cmd``. So no minion can pass off its return
        as such a call, not even with the master's id.
        """
        inner, master = stored.get("return"), self._opts["id"]
        if "cmd" in stored or stored.get("id") != master or any(minion != master for minion in returned):
            return None
        if not isinstance(inner, dict) or inner.get("jid") != jid or inner.get("fun") != stored.get("fun"):
            return None
        return inner if str(inner["fun"]).startswith(("runner.", "wheel.")) else None

    def _stored(self, jid: str) -> dict[str, Any] | None:
        """Return the published load. Retry, because local_cache writes it before its minions."""
        for _ in range(MINIONS_TRIES):
            try:
                stored: dict[str, Any] | None = self._returners.get()[f"{self._returner}.get_load"](jid)
            except salt.exceptions.CommandExecutionError:
                time.sleep(MINIONS_SECONDS)
            else:
                return stored
        if self._returner != "local_cache":
            return None
        # A job that a minion stored by itself never has a list of minions.
        folder = salt.utils.jid.jid_dir(jid, os.path.join(self._opts["cachedir"], "jobs"), self._opts["hash_type"])
        with open(os.path.join(folder, ".load.p"), "rb") as file:
            found: dict[str, Any] | None = salt.payload.load(file)
        return found

    def _load(self, jid: str, stored: dict[str, Any], call: dict[str, Any] | None = None) -> dict[str, Any]:
        # Only the master knows the user. A minion can store any name.
        user = self._owner(stored) if call is None and "return" not in stored else (call or {}).get("user")
        load = {
            "jid": jid,
            "fun": stored.get("fun") or "",
            "arg": plain(stored.get("arg") or (call or stored).get("fun_args") or []),
            "tgt": plain(stored.get("tgt", "")),
            "tgt_type": str(stored.get("tgt_type") or "glob"),
            "user": str(user or ""),
            "minions": plain(stored["Minions"]) if stored.get("Minions") else None,
            "start_time": start_time(jid),
        }
        metadata = stored.get("metadata") or (stored.get("kwargs") or {}).get("metadata")
        if metadata:
            load["metadata"] = plain(metadata)
        return load

    def _owner(self, stored: dict[str, Any]) -> Any:
        """Return the user who started a job.

        A syndic overwrites the load with that of the lower master. That load was published with the lower master's key;
        ``kwargs`` names the user of this master. No user with a token can publish as the key's owner.
        """
        owner, named = stored.get("user"), (stored.get("kwargs") or {}).get("user")
        passed_on = self._opts.get("order_masters") and isinstance(named, str)
        return named if passed_on and owner in ("root", self._opts.get("user")) else owner

    def _recent(self, limit: int) -> list[dict[str, Any]]:
        with report_failures("the job cache"):
            if self._returner == "local_cache":
                return self._recent_files(limit)
            return _newest(self._recent_listed(limit * MAX_LOADS_PER_JOB), limit)

    def _recent_listed(self, limit: int) -> Iterator[dict[str, Any]]:
        returners = self._returners.get()
        if f"{self._returner}.get_jids_filter" in returners:
            listed = returners[f"{self._returner}.get_jids_filter"](limit, True) or []
            rows = [(row.get("JID"), row) for row in listed]
        else:
            rows = list((returners[f"{self._returner}.get_jids"]() or {}).items())
        rows = [(jid, row) for jid, row in rows if isinstance(jid, str) and is_jid(jid)]
        rows = [(jid, row) for jid, row in rows if isinstance(row, dict) and row.get("Function") != _HIDDEN]
        for jid, row in heapq.nlargest(limit, rows, key=lambda item: item[0]):
            yield self._listed(jid, row)

    def _search(self, matches: Callable[[Mapping[str, Any]], bool], since: str, before: str, limit: int) -> list[str]:
        with report_failures("the job cache"):
            if self._returner == "local_cache":
                # A load is written when its job is published, so its time is about that of the jid.
                first, last = self._made(since) - MARK_SECONDS, (self._made(before) or math.inf) + MARK_SECONDS
                files = (file for file in self._job_files() if first <= file[0] <= last)
                loads = self._loads(heapq.nlargest(MAX_SEARCHED, files))
            elif self._returner == "salt_cache":
                jids = (jid for jid in self._cached_jids() if since < jid < before)
                loads = (self._stored_load(jid) for jid in heapq.nlargest(MAX_SEARCHED, jids))
            else:
                loads = self._recent_listed(MAX_SEARCHED)
            shown = (load for load in loads if load["fun"] != _HIDDEN)
            found = [str(load["jid"]) for load in shown if since < load["jid"] < before and matches(load)]
        return heapq.nlargest(limit, found)

    def _marked(self, metadata: dict[str, Any], at: float) -> str | None:
        with report_failures("the job cache"):
            for load in self._around(at):
                known = load.get("metadata")
                if isinstance(known, dict) and all(known.get(name) == value for name, value in metadata.items()):
                    return str(load["jid"])
        return None

    def _around(self, at: float) -> Iterator[dict[str, Any]]:
        """Yield the jobs that were published within a minute of a time."""
        if self._returner == "local_cache":
            files = [(made, path) for made, path in self._job_files() if abs(made - at) <= MARK_SECONDS]
            yield from self._loads(heapq.nsmallest(MAX_MARKED, files, key=lambda file: abs(file[0] - at)))
        elif self._returner == "salt_cache":
            for jid in self._cached_jids():
                if abs(self._made(jid) - at) <= MARK_SECONDS:
                    yield self._stored_load(jid)
        else:
            yield from self._recent_listed(MAX_MARKED)

    def _cached_jids(self) -> Iterator[str]:
        """Yield the jids of salt_cache ("Bank layout" in its source); Salt's own listing reads every load."""
        with LOADING:
            cache = load_cache(dict(self._opts))
        return filter(is_jid, map(str, cache.list("jobs/loads")))

    def _stored_load(self, jid: str) -> dict[str, Any]:
        stored = self._stored(jid) or {}
        return self._load(jid, stored, self._call(jid, stored, {}))

    def _made(self, jid: str) -> float:
        made = made_at(jid)
        return made.timestamp() if made else 0.0

    def _listed(self, jid: str, row: dict[str, Any]) -> dict[str, Any]:
        """Return the load of a row whose fields have Salt's display names (salt.utils.jid.format_jid_instance)."""
        fields = {
            "fun": row.get("Function"),
            "arg": row.get("Arguments"),
            "tgt": row.get("Target"),
            "tgt_type": row.get("Target-type"),
            "user": row.get("User"),
            "metadata": row.get("Metadata"),
            "Minions": row.get("Minions"),
        }
        return self._load(jid, {key: value for key, value in fields.items() if value is not None})

    def _recent_files(self, limit: int) -> list[dict[str, Any]]:
        """Read the default cache by its directories. Salt's own listing reads every load, which takes minutes."""
        files = heapq.nlargest(limit * MAX_LOADS_PER_JOB, self._job_files())
        # A load can be written after those of newer jobs, so more are read than are returned.
        loads = _newest(self._loads(files), limit * 2)
        return _newest(sorted(loads, key=lambda load: str(load["jid"]), reverse=True), limit)

    def _loads(self, files: list[tuple[float, str]]) -> Iterator[dict[str, Any]]:
        for _, path in files:
            try:
                with open(path, "rb") as file:
                    stored = salt.payload.load(file)
                jid = str(stored["jid"])
            except Exception as error:  # noqa: BLE001 - half written, just removed, or not a job
                log.debug("skipping %s: %s", path, type(error).__name__)
                continue
            if is_jid(jid) and stored.get("fun") != _HIDDEN:
                yield self._load(jid, stored, self._call(jid, stored, {}))

    def _job_files(self) -> Iterator[tuple[float, str]]:
        """Yield ``(time of publishing, path of the load)`` of each job: jobs/<2 hex digits>/<other digits>/.load.p."""
        root = os.path.join(self._opts["cachedir"], "jobs")
        seen = 0
        for top in _directories(root):
            for job in _directories(top):
                seen += 1
                if seen > MAX_DIRECTORIES:
                    log.warning("more than %d jobs in the cache: the recent ones may lack some", MAX_DIRECTORIES)
                    return
                path = os.path.join(job, ".load.p")
                try:
                    yield os.stat(path).st_mtime, path
                except OSError:
                    continue  # just published, or just removed


def _newest(loads: Iterable[dict[str, Any]], limit: int) -> list[dict[str, Any]]:
    """Return the first ``limit`` loads, and after them those of no queries, until there are as many of these."""
    found, others = list[dict[str, Any]](), 0
    for load in loads:
        is_query = str(load["fun"]) in _QUERIES  # the function of a compound command is a list
        if len(found) < limit or not is_query:
            found.append(load)
            others += not is_query
        if others >= limit:
            break
    return found


def _directories(path: str) -> list[str]:
    try:
        with os.scandir(path) as entries:
            return [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return []


def _outcome(data: Any, call: dict[str, Any] | None) -> dict[str, Any]:
    """Return one minion's result. ``success`` and ``retcode`` are None if the minion, syndic or returner omits them."""
    if not isinstance(data, dict) or "return" not in data:
        return {"return": plain(data), "retcode": None, "success": None}
    if call is not None:
        data = {**data, **{key: call[key] for key in ("return", "retcode", "success") if key in call}}
    retcode = data.get("retcode")
    success = data.get("success")
    if success is None and retcode is not None:
        success = retcode == 0
    out = {"out": plain(data["out"])} if "out" in data else {}
    return {"return": plain(data["return"]), "retcode": plain(retcode), "success": success, **out}
