"""Asks one minion about its functions with the client's token, and caches the answer (core/minions/answers.py).

A busy minion needs minutes for an answer that takes one second when it is idle. So a cached answer is returned at once.
If it is older than a minute, the minion is asked again, and its answer is for the next call.
"""

from __future__ import annotations

import asyncio
from typing import Any

from ..core.jobs.job import Job
from ..core.jobs.part import RETURNED
from ..core.minions.answers import Key, Requester
from ..errors import ApiError
from .call import Call
from .commands import publish, starting

MAY_BE_EMPTY = frozenset({"sys.doc"})
"""Functions without a docstring have an empty ``sys.doc``. Other empty answers mean "unknown", so ask again."""


async def ask(call: Call, minion: str, fun: str, arg: list[Any]) -> Any:
    """Return what a function returns on one minion. The answer may be one hour old.

    The caller has checked that the user may run the function there. Salt decides too: a user gets a cached answer only
    if the master accepted the same request of this user, with the same permissions, in the last minute.

    :param arg: one argument or none
    :raises ApiError: the master refuses the request, or the minion does not answer in time
    """
    answers = call.services.answers
    key, requester = answers.key(minion, fun, argument(arg)), _requester(call)
    known = answers.get(key)
    if known is not None and not known.value and fun not in MAY_BE_EMPTY:
        known = None
    if known is not None and answers.settles(known, requester):
        return known.value
    job = await _sent(call, key, requester, arg)
    if known is not None:
        return known.value
    await call.wait_for_end(job)
    return _returned(job, minion)


def argument(arg: list[Any]) -> str:
    """Return the argument as part of the key of an answer."""
    return str(arg[0]) if arg else ""


def _requester(call: Call) -> Requester:
    return call.session.user, call.session.eauth, call.permissions.key


async def _sent(call: Call, key: Key, requester: Requester, arg: list[Any]) -> Job:
    """Send the request and return its job, unless the same request of this user is already sent."""
    answers = call.services.answers
    sent = answers.sent(key, requester)
    if sent is not None:
        return await asyncio.shield(sent)
    answers.send(key, requester)
    try:
        with starting(call, sync=True):
            job = await publish(call, key[2], arg, {}, [key[0]], "list")
    except BaseException as error:
        answers.failed(key, requester, error)
        raise
    answers.expect(key, requester, job)
    return job


def _returned(job: Job, minion: str) -> Any:
    part = job.parts[minion]
    where = {"minion": minion, "jid": job.jid}
    if part.state not in RETURNED:
        raise ApiError("timeout", "the minion did not answer in time", where)
    if part.state == "failed":
        raise ApiError("unknown_function", "the minion could not answer", where)
    return part.value
