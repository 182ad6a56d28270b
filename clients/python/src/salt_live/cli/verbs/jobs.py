"""List jobs, watch them, and read, follow or stop one."""

from __future__ import annotations

import asyncio
from typing import Any

from salt_live.cli import exit_codes
from salt_live.cli.interrupts import Detached, Interrupts
from salt_live.cli.parser import UsageError
from salt_live.cli.patience import Patience
from salt_live.cli.returns import Returns
from salt_live.cli.text import one_line, visible
from salt_live.cli.verbs import cmd, master
from salt_live.cli.verbs.context import Context

NEWS_SECONDS = 0.1  # between two looks at the table of jobs, while many change
FILTERS = ("fun", "user", "state", "kind", "master")
SIGNALS = {"kill": "kill", "term": "term", "terminate": "term"}


async def run(context: Context) -> int:
    """List jobs, newest first; with ``--watch`` also those that start and end from now on."""
    options = context.options
    names = (*FILTERS, "since", "before")
    filters = {name: getattr(options, name) for name in names if getattr(options, name)}
    async with context.login.client() as client:
        found = await client.list_jobs(**filters, limit=max(1, min(options.limit, 1000)))
        if context.screen.form and not options.watch:
            context.screen.returned({job["jid"]: job for job in found})
            return exit_codes.OK
        for job in reversed(found) if options.watch else found:
            context.screen.line(_row(job))
        return await _watch(context, client, {job["jid"]: job for job in found}) if options.watch else exit_codes.OK


async def _watch(context: Context, client: Any, known: dict[str, dict[str, Any]]) -> int:
    """Write a line for each job that starts or ends."""
    table = await client.jobs(master=context.options.master, short_targets=True)
    oldest = min(known, default="")

    async def changes() -> Any:
        version = -1
        while True:
            version = await table.changed(version)
            for jid in sorted(table):
                job, seen = table[jid], known.get(jid)
                if jid >= oldest and (seen is None or seen["state"] != job["state"]) and _wanted(context.options, job):
                    known[jid] = job
                    yield job
            await asyncio.sleep(NEWS_SECONDS)

    interrupts, patience = Interrupts(), Patience(client, context.screen.note)
    with interrupts.caught():
        try:
            async for job in interrupts.watch(changes(), patience.check):
                context.screen.line(_row(job))
        except Detached:
            pass
    return exit_codes.INTERRUPTED


def _wanted(options: Any, job: dict[str, Any]) -> bool:
    return all(getattr(options, name) in (None, job.get(name)) for name in FILTERS)


def _row(job: dict[str, Any]) -> str:
    """Return a job as one line."""
    start = str(job["start_time"] or "")[:19].replace("T", " ")
    counts = f"{job['done']}/{job['total']}" if job["kind"] == "job" else job["kind"]
    failed = f", {job['failed']} failed" if job["failed"] else ""
    target = f"{job['tgt'] or ''}"
    if "tgt_length" in job:
        unit = "names" if isinstance(job["tgt"], list) else "characters"
        target += f" … ({job['tgt_length']} {unit} in all)"
    row = f"{job['jid']}  {start}  {job['state']:<8}  {counts + failed:<14} {job['fun']}  {target}"
    where = f"  {job['master']}" if job.get("master") else ""
    return one_line(f"{row}  {job['user'] or ''}".rstrip() + where)


async def run_job(context: Context) -> int:
    """Write a job's returns; ``-w`` waits for the others; ``kill`` and ``term`` stop it."""
    options, words = context.options, context.words
    action = words.pop(0) if words and words[0] in SIGNALS else "kill" if options.kill else None
    if len(words) == 2 and words[1] in SIGNALS:
        action = words.pop()
    if len(words) != 1:
        raise UsageError("use salt-live job JID, with -w to follow it, or salt-live job kill JID")
    jid = words[0]
    async with context.login.client() as client:
        if action:
            canceled = await client.cancel(jid, SIGNALS[action])
            context.screen.line(f"sent to {', '.join(map(visible, canceled['minions'])) or 'no minion'}")
            return exit_codes.OK
        job = await client.get_job(jid)
        if options.watch and job["state"] == "running":
            if job["kind"] == "job":
                return await cmd.follow(context, client, jid, job["fun"] or "")
            return await master.follow(context, client, jid, options.timeout)
    if job["kind"] != "job":
        if job["state"] == "running":
            context.screen.note(f"it still runs on the master; wait for it with: salt-live job {jid} -w")
            return exit_codes.OK
        return master.written(context, job)
    returns = Returns(context.screen, options, f"salt-live job {jid}", fun=job["fun"] or "")
    for minion, part in sorted(job["minions"].items()):
        if part["state"] in ("returned", "failed"):
            returns.add(minion, part)
    waiting = [minion for minion, part in job["minions"].items() if part["state"] in ("pending", "running")]
    if waiting:
        context.screen.note(f"the job still runs on {len(waiting)} minions; follow it with: salt-live job {jid} -w")
        if not returns.codes:
            return exit_codes.OK
    gone = [minion for minion, part in job["minions"].items() if part["state"] in ("missing", "canceled")]
    returns.without(gone, set())
    return returns.finish()
