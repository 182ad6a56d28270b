"""The minion's part of the websocket API: signatures of functions, and progress reports from jobs.

Synced with ``salt '*' saltutil.sync_modules``. It works without the engine: a progress
report is then just an event on the master's bus.
"""

from __future__ import annotations

import inspect
import logging
import math
import os
import threading
import time
from typing import Any

import salt.payload
import salt.utils.args
import salt.utils.ctx
import salt.utils.files
from salt.exceptions import CommandExecutionError, SaltInvocationError

log = logging.getLogger(__name__)

# The loader sets these. Annotations only, because a default here would hide the loader's values.
__opts__: dict[str, Any]
__salt__: dict[str, Any]
__context__: dict[str, Any]

__proxyenabled__ = ["*"]

# Minimum seconds between two reports of one job. A progress bar needs no more, and each report passes the minion's bus,
# the master's request server and the master's bus.
INTERVAL = 0.5

# Maximum length of a message in characters. Longer texts belong into the return.
MESSAGE_LENGTH = 1000


def signature(function: str) -> dict[str, Any]:
    """Return how ``function`` of this minion is called.

    :param function: full name of an execution function, such as ``pkg.install``
    :return: ``args`` (names, in order), ``defaults`` (of the last ``args``, or None), ``varargs`` and ``keywords``
        (the names after ``*`` and ``**``, or None) and ``doc`` (or None). A default that is no plain value is its
        ``repr``.
    :raises CommandExecutionError: this minion has no such function

    CLI Example:

    .. code-block:: bash

        salt 'minion' websocket_api.signature pkg.install
    """
    if not isinstance(function, str) or function not in __salt__:
        raise CommandExecutionError(f"This minion has no function {function!r}")
    func = __salt__[function]
    spec = salt.utils.args.get_function_argspec(func)
    return {
        "args": list(spec.args),
        "defaults": None if spec.defaults is None else [_plain(value) for value in spec.defaults],
        "varargs": spec.varargs,
        "keywords": spec.keywords,
        "doc": inspect.getdoc(func),
    }


def progress(percent: float, message: str = "") -> bool:
    """Report the progress of the calling job.

    For use inside execution functions and state functions, as ``__salt__["websocket_api.progress"](40, "unpacked")``.
    At most two reports a second are sent for each process of a job, and the first 100 without delay. A report that
    cannot be sent is logged, and never breaks the caller.

    :param percent: a number from 0 to 100
    :param message: one line for people, cut at 1000 characters
    :return: True if the minion sends the report; False if it came too soon, if there is no job (``salt-call``), or if
        it could not be sent
    :raises SaltInvocationError: ``percent`` is not a number from 0 to 100

    CLI Example:

    .. code-block:: bash

        salt 'minion' websocket_api.progress 40 'unpacked'
    """
    percent = _percent(percent)
    try:
        jid = _jid()
        if jid is None:
            return False
        data = {"percent": percent, "message": str(message)[:MESSAGE_LENGTH]}
        if not _due(jid, data):
            return False
        # Without preload this uses the minion's bus and its authenticated connection, and takes a millisecond. A new
        # request channel would need a key exchange.
        tag = f"salt/job/{jid}/prog/{__opts__['id']}/websocket_api"
        return bool(__salt__["event.fire_master"](data, tag))
    except Exception:  # the job matters more than its progress report
        log.warning("A progress report was not sent", exc_info=True)
        return False


def _percent(value: Any) -> float:
    # bool is an int to Python, and progress(True) is a mistake.
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise SaltInvocationError(f"percent must be a number from 0 to 100, not {value!r}")
    if not 0 <= value <= 100:
        raise SaltInvocationError(f"percent must be from 0 to 100, not {value!r}")
    return value


def _plain(value: Any) -> Any:
    """Return ``value`` if it reaches the master unchanged, else its repr."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    return repr(value)


def _jid() -> str | None:
    """Return the jid of the job that this call is part of, or None.

    Salt sets the request context in the process or thread of each job. The loader, the state system and a forked
    parallel state inherit it. Proxy minions do not set it. There the files of running jobs in ``cachedir/proc`` name
    the job of this process or thread.
    """
    jid = salt.utils.ctx.get_request_context().get("data", {}).get("jid")
    return str(jid) if jid else _jid_from_proc_dir()


def _jid_from_proc_dir() -> str | None:
    proc_dir = os.path.join(__opts__["cachedir"], "proc")
    thread = threading.current_thread().name
    mine = []
    for name in os.listdir(proc_dir) if os.path.isdir(proc_dir) else []:
        try:
            with salt.utils.files.fopen(os.path.join(proc_dir, name), "rb") as file:
                job = salt.payload.loads(file.read())
        except Exception:  # just ended, or not written yet
            log.debug("Unreadable job file %s", name, exc_info=True)
            continue
        # salt-call leaves such a file too, with a jid that no master knows.
        if isinstance(job, dict) and job.get("pid") == os.getpid() and job.get("tgt") != "salt-call":
            mine.append(str(job["jid"]))
    if __opts__.get("multiprocessing", True):
        return mine[0] if len(mine) == 1 else None
    # Jobs are then threads of one process, named after their jid. A guess could report to another user's job.
    return next((jid for jid in mine if jid in thread), None)


def _due(jid: str, data: dict[str, Any]) -> bool:
    """Return whether a report of this job may be sent now, and remember its time."""
    # Not a global variable, because the state system reloads modules during a run.
    sent = __context__.setdefault("websocket_api.progress", {})
    now = time.monotonic()
    last = sent.get(jid)
    if last is not None:
        when, percent = last
        # The end may be reported early, but only once, even if each step of a job reports 100 %.
        if now - when < INTERVAL and (data["percent"] != 100 or percent == 100):
            return False
    # A minion that runs jobs as threads keeps this dictionary, so drop old entries.
    for old in [key for key, (when, _) in sent.items() if now - when >= INTERVAL]:
        del sent[old]
    sent[jid] = (now, data["percent"])
    return True
