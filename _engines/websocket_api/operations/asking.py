"""Questions to one minion about its functions: asked with the client's token, answered from memory where that is known.

A busy minion needs minutes for what takes it a second when it is idle. So an answer is kept
(core/minions/answers.py), and a known one is returned at once. When it is older than a minute the question is sent
again, and the answer to that is for the next call.
"""

from __future__ import annotations

import asyncio
from typing import Any

from ..core.jobs.job import RETURNED, Job
from ..core.minions.answers import Asker, Key
from ..errors import ApiError
from .call import Call
from .commands import publish

MAY_BE_EMPTY = frozenset({"sys.doc"})
"""Functions without a docstring have an empty ``sys.doc``. Other empty answers mean "unknown", and are asked again."""


async def ask(call: Call, minion: str, fun: str, arg: list[Any]) -> Any:
    """Return what a function returns on one minion, at most an hour old.

    The caller has checked that the user may run the function there. Salt itself decides it too: a user gets a known
    answer only if the master accepted this user's same question within the last minute, with the same permissions.

    :param arg: one argument or none
    :raises ApiError: the master refuses the question, or the minion does not answer in time
    """
    answers = call.services.answers
    key, asker = answers.key(minion, fun, argument(arg)), _asker(call)
    known = answers.get(key)
    if known is not None and not known.value and fun not in MAY_BE_EMPTY:
        known = None
    if known is not None and answers.settles(known, asker):
        return known.value
    job = await _sent(call, key, asker, arg)
    if known is not None:
        return known.value
    await call.services.job_watcher.wait_for_end(job, call.get("timeout", 60), call.caller)
    return _returned(job, minion)


def argument(arg: list[Any]) -> str:
    """Return the argument of a question as part of its key."""
    return str(arg[0]) if arg else ""


def _asker(call: Call) -> Asker:
    return call.session.user, call.session.eauth, call.permissions.key


async def _sent(call: Call, key: Key, asker: Asker, arg: list[Any]) -> Job:
    """Send a question, unless the same user's is on its way already, and return its job."""
    answers = call.services.answers
    sent = answers.sent(key, asker)
    if sent is not None:
        return await asyncio.shield(sent)
    answers.send(key, asker)
    try:
        job = await publish(call, key[2], arg, {}, [key[0]], "list")
    except BaseException as fault:
        answers.failed(key, asker, fault)
        raise
    answers.expect(key, asker, job)
    return job


def _returned(job: Job, minion: str) -> Any:
    part = job.parts[minion]
    where = {"minion": minion, "jid": job.jid}
    if part.state not in RETURNED:
        raise ApiError("timeout", "the minion did not answer in time", where)
    if part.state == "failed":
        raise ApiError("unknown_function", "the minion could not answer", where)
    return part.value
