"""Jobs: get_job, list_jobs, cancel."""

from __future__ import annotations

import asyncio
import fnmatch
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..core.jobs.job import SIGNALS, Job
from ..core.jobs.short_targets import with_short_target
from ..errors import ApiError
from .call import Call, operation
from .commands import publish, require_client
from .masters import masters_wanted
from .stored_jobs import apply_cancels, find, from_store

MAX_STORED = 300
"""Jobs of the job cache whose returns a request reads."""


async def visible(call: Call, jid: str) -> tuple[Job, dict[str, Any]]:
    """Return a job and the part of it that the client may see.

    :raises ApiError: not_found, also if the client may not see it
    """
    job = await find(call.services, jid)
    view: dict[str, Any] | None = None

    def render() -> Iterator[None]:
        nonlocal view
        if job is not None:
            view = call.services.job_feed.view(job, call.viewer)
        yield

    await call.in_turns(render())
    if job is None or view is None:
        raise no_job()
    return job, view


async def visible_jobs(call: Call, jids: Iterable[str]) -> list[Job]:
    """Return jobs that the client may see, at least in part.

    :raises ApiError: not_found, also if the client may not see one of them
    """
    found = [await find(call.services, jid) for jid in dict.fromkeys(jids)]
    jobs = [job for job in found if job is not None]

    def check() -> Iterator[None]:
        for job in jobs:
            if not call.services.job_feed.sees_job(job, call.viewer):
                raise no_job()
            yield

    if len(jobs) < len(found):
        raise no_job()
    await call.in_turns(check())
    return jobs


def no_job() -> ApiError:
    """Return the error for a job that does not exist, or that the client may not see."""
    return ApiError("not_found", "there is no such job, or you may not see it")


@operation("get_job")
async def get_job(call: Call) -> dict[str, Any]:
    """Return one job with its minions, or with one of them."""
    _, view = await visible(call, call.message["jid"])
    minion = call.get("minion")
    if minion is None:
        return view
    if minion not in view["minions"]:
        raise ApiError("not_found", f"{minion} has no part in this job, or you may not see it")
    return {**view, "minions": {minion: view["minions"][minion]}}


@operation("list_jobs")
async def list_jobs(call: Call) -> list[dict[str, Any]]:
    """Return jobs, newest first, without their minions, or with the state of one minion."""
    found: list[dict[str, Any]] = []
    # For a user who sees few of 10,000 jobs, every part of each job is checked.
    await call.in_turns(_listed(call, call.services.jobs.newest_first(), found))
    if not call.get("stored"):
        return found
    await _list_stored(call, found)
    found.sort(key=lambda view: str(view["jid"]), reverse=True)
    return found[: call.get("limit", 100)]


async def _list_stored(call: Call, found: list[dict[str, Any]]) -> None:
    """Add the requested jobs that are in the master's job cache only."""
    services, message = call.services, call.message
    known = {job.jid for job in services.jobs.newest_first()}

    def matches(load: Mapping[str, Any]) -> bool:
        return load["jid"] not in known and _load_matches(message, load)

    stored = await services.job_cache.search(matches, call.get("since"), call.get("before"), MAX_STORED)
    added: list[dict[str, Any]] = []
    for jid in stored:
        if len(added) >= call.get("limit", 100):
            break
        record = await services.job_cache.job(jid)
        if record is not None:
            # A job of thousands of minions takes 50 ms and more, and there may be hundreds.
            job = await asyncio.to_thread(from_store, jid, record)
            services.jobs.name_master_of_cached(job)
            apply_cancels(job, services.jobs.newest_first())
            await call.in_turns(_listed(call, iter([job]), added))
    found += added


def _load_matches(message: Mapping[str, Any], load: Mapping[str, Any]) -> bool:
    """Return whether a load of the job cache can be of a requested job; its returns decide the rest."""
    kind, _, name = load["fun"].partition(".")
    fun = name if kind in ("runner", "wheel") else load["fun"]
    if "fun" in message and not fnmatch.fnmatchcase(fun, message["fun"]):
        return False
    if "user" in message and load["user"] != message["user"]:
        return False
    return _has_words(message, load["jid"], fun, load["tgt"], load["user"])


def _has_words(message: Mapping[str, Any], *fields: Any) -> bool:
    words = message.get("search", "").lower().split()
    text = " ".join(str(field) for field in fields if field is not None).lower() if words else ""
    return all(word in text for word in words)


def _listed(call: Call, jobs: Iterator[Job], found: list[dict[str, Any]]) -> Iterator[None]:
    """Add the requested ones of ``jobs``, newest first, to ``found``, one in each step."""
    maximum, before, since = call.get("limit", 100), call.get("before"), call.get("since")
    minion: str | None = call.get("minion")
    masters = masters_wanted(call)
    for job in jobs:
        yield
        if before is not None and job.jid >= before:
            continue
        if since is not None and job.jid <= since:
            break
        if (masters and job.master not in masters) or not _wanted(call.message, job):
            continue
        feed, viewer = call.services.job_feed, call.viewer
        view = feed.cached_view(job, viewer) if minion is None else feed.view(job, viewer, parts={minion})
        if view is None or ("state" in call.message and view["state"] != call.message["state"]):
            continue
        # What the viewer may not see does not match either: words could find out arguments of others.
        if "search" in call.message and not _has_words(
            call.message, *(view[name] for name in ("jid", "fun", "tgt", "user"))
        ):
            continue
        if minion is not None:
            if minion not in view["minions"]:
                continue  # the viewer may see other parts only
            del view["minions"][minion]["return"]
        # After the search, which looks at the whole target.
        found.append(view if call.get("whole_targets") else with_short_target(view))
        if len(found) == maximum:
            break


def _wanted(message: Mapping[str, Any], job: Job) -> bool:
    if "minion" in message and message["minion"] not in job.parts:
        return False
    if "fun" in message and not (job.fun and fnmatch.fnmatchcase(job.fun, message["fun"])):
        return False
    if any(name in message and message[name] != getattr(job, name) for name in ("user", "kind")):
        return False
    wanted = message.get("metadata")
    if wanted is None:
        return True
    has = job.metadata if isinstance(job.metadata, Mapping) else {}
    return all(name in has and has[name] == value for name, value in wanted.items())


@operation("cancel", audited=True)
async def cancel(call: Call) -> dict[str, Any]:
    """Stop a job on the minions that still run it."""
    services, jid = call.services, call.message["jid"]
    call.audit_fields["jid"] = jid
    require_client(call, "local_async", "local")
    job, view = await visible(call, jid)
    call.audit_fields["fun"] = job.fun
    if job.kind != "job":
        raise ApiError("conflict", f"Salt cannot stop a {job.kind}")
    if job.elsewhere:
        raise ApiError("conflict", f"the job runs at the master {job.master}: cancel it there", {"master": job.master})
    waiting = [name for name in job.waiting if name in view["minions"]]
    if not waiting and view["state"] == "running":
        raise ApiError("conflict", "the masters below have not named the minions of the job yet: try again")
    if not waiting:
        raise ApiError("conflict", "the job has ended")
    stop = SIGNALS[call.get("signal", "term")]
    if services.visibility.owns(call.viewer, job):
        # The owner needs no permission for term_job. The master's key is used for this job and its minions only.
        with call.effect.sending(services.wall()):
            published = await services.commands.publish_as_master(stop, [jid], {}, waiting)
        canceling = published["jid"]
        call.effect.started(canceling)
    else:
        started = await publish(call, stop, [jid], {}, waiting, "list")
        canceling = started.jid
        call.audit_fields["jid"] = jid
    services.job_watcher.watch_cancel(canceling, jid)
    return {"jid": jid, "minions": waiting}
