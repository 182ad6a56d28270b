"""Parse tags of events. Tags can have any form: parsing never fails, and trusts only what the master checked.

Sources: `Salt Master Events <https://docs.saltproject.io/en/latest/topics/event/master_events.html>`_ and measurements
on real masters (docs/salt-notes.md).
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from sys import intern
from typing import Any, NamedTuple

from ...jids import is_jid


class Kind(enum.Enum):
    """The rows of the visibility table in docs/security.md."""

    JOB_NEW = "a job was published"
    JOB_MINION = "a minion's part of a job"
    CONTROL = "internal to the master"
    RUN = "a runner"
    WHEEL = "a wheel"
    KEY = "minion keys and authentication"
    MINION = "a minion started"
    PRESENCE = "which minions are connected"
    REFRESH = "a minion's data was refreshed"
    BEACON = "a beacon"
    CUSTOM = "an event that a minion sent"
    OTHER = "anything else"

    # Enum's own is written in Python, and takes longer than the look-ups that need it.
    __hash__ = object.__hash__


class Topic(NamedTuple):
    """What the tag and the envelope of an event tell: its kind, and the job, minion and action that it is about."""

    kind: Kind
    jid: str | None = None
    minion: str | None = None
    action: str = ""
    believed: bool = True
    """False for an event that a minion sent itself (``cmd: _minion_event``): shown, but it changes nothing here."""


MINIONS_MARK = "_minion_event"
"""``cmd`` of an event that a minion sent, whose ``id`` the master has checked."""

RESOURCES = "resource"
"""The first part of tags about the resources of a minion, and the action of such an event."""

_REFRESH = {"minion": "", RESOURCES: RESOURCES}
"""The action of ``X/refresh/MINION``, by X."""

_OTHER = Topic(Kind.OTHER)
_CONTROL = Topic(Kind.CONTROL)
_KEY = Topic(Kind.KEY)

SALT_PREFIXES = frozenset({"key", "cluster", "syndic", "__schedule_return"})
"""First parts of tags about the master's own work; ``__schedule_return`` has what its schedule ran, with returns."""

_SALTS_RECORDS = frozenset({"stats", "cluster", "syndic", "batch", "state_result"})
"""Second parts after ``salt``: for example batches of Salt 3008, and states of an orchestration with ``fire_event``."""

_LIKE_A_JID = re.compile(r"[0-9]{14}")
"""Matches the start of a tag that is only a jid: Salt 3007 fires one with the minions of each published job."""


def interned(name: Any) -> str:
    """Return a name as an object that all events, jobs and minions share: each job has the names of its minions."""
    return intern(name) if type(name) is str else str(name)


def topic(tag: str, data: Mapping[str, Any]) -> Topic:
    """Return what an event is about.

    :param tag: the tag as it was on the bus
    :param data: the event's data as it was on the bus, still wrapped if a minion sent it
    """
    if data.get("cmd") == MINIONS_MARK:
        return _by_minion(tag, str(data.get("id", "")))
    about = _by_master(tag)
    return _CONTROL if about is _OTHER and _is_failed_state(tag, data) else about


def _is_failed_state(tag: str, data: Mapping[str, Any]) -> bool:
    """Return whether this may be Salt's copy of a failed state, with a tag like ``file.managed``.

    For each failed state of a ``state.sls`` or ``state.highstate`` the master fires the state's whole result twice
    (``_fire_ret_load_specific_fun``): as ``salt/job/JID/sub/MINION/error/FUN``, which belongs to its job, and before
    that with the state's module and function as the tag, without the job or minion. ``result`` is always False, and
    the minion's ``retcode`` is added. Events that clients fire here have ``_via``.
    """
    return data.get("result") is False and "retcode" in data and "." in tag and "_via" not in data


def _by_master(tag: str) -> Topic:
    parts = tag.split("/")
    if len(parts) == 3 and parts[0] in _REFRESH and parts[1] == "refresh":
        return Topic(Kind.REFRESH, minion=parts[2], action=_REFRESH[parts[0]])
    if parts[0] != "salt" or len(parts) < 2:
        return _CONTROL if parts[0] in SALT_PREFIXES or _LIKE_A_JID.match(tag) else _OTHER
    second = parts[1]
    if second == "job":
        return _job(parts)
    if second in ("run", "wheel"):
        if len(parts) >= 4 and is_jid(parts[2]):
            return Topic(Kind.RUN if second == "run" else Kind.WHEEL, jid=parts[2], action=parts[3])
        return _CONTROL
    if second in ("auth", "key"):
        return _KEY
    if second in _SALTS_RECORDS:
        return _CONTROL
    if second == "presence":
        return Topic(Kind.PRESENCE, action=parts[2] if len(parts) > 2 else "")
    if second == "minion" and len(parts) == 4 and parts[2] == "refresh":
        return Topic(Kind.REFRESH, minion=parts[3])
    if second == "minion" and len(parts) == 4:
        return Topic(Kind.MINION, minion=parts[2], action=parts[3])
    if second == "beacon" and len(parts) >= 4:
        return Topic(Kind.BEACON, minion=parts[2], action=parts[3])
    return _OTHER


def _job(parts: list[str]) -> Topic:
    if len(parts) < 4 or not is_jid(parts[2]):
        return _CONTROL
    jid, action = intern(parts[2]), intern(parts[3])
    if action == "new" and len(parts) == 4:
        return Topic(Kind.JOB_NEW, jid=jid, action=action)
    if len(parts) >= 5 and parts[4]:
        return Topic(Kind.JOB_MINION, jid=jid, minion=intern(parts[4]), action=action)
    return _CONTROL  # error, publish, and actions of later versions


def _by_minion(tag: str, sender: str) -> Topic:
    """Return the topic of a minion's event. Minions can forge tags, but not their id."""
    claimed = _by_master(tag)
    own = bool(sender) and claimed.minion == sender
    if own and claimed.kind is Kind.JOB_MINION and claimed.action == "prog":
        return Topic(Kind.JOB_MINION, jid=claimed.jid, minion=sender, action="prog", believed=False)
    if own and claimed.kind in (Kind.MINION, Kind.REFRESH, Kind.BEACON):
        return Topic(claimed.kind, minion=sender, action=claimed.action, believed=False)
    return Topic(Kind.CUSTOM, minion=sender, believed=False)


BELOW = "syndic/"
"""How tags of events begin that a syndic passed on; its id and the tag on the lower master follow."""


def named_below(tag: str) -> str | None:
    """Return the job whose minions an event from a master below names.

    Salt 3008 announces a job as ``salt/job/JID/new``, Salt 3007 also with the bare jid as the tag.
    """
    parts = tag.split("/")
    if parts[0] != "syndic":
        return None
    if len(parts) == 3:
        jid = parts[2]
    elif len(parts) == 6 and parts[2:4] == ["salt", "job"] and parts[5] == "new":
        jid = parts[4]
    else:
        return None
    return jid if is_jid(jid) else None


_RESERVED = re.compile(
    r"(?:(?:salt|cluster|syndic|minion|websocket_api)(?:/|\Z)|resource/refresh/|key\Z|rotate_.*|minion_start\Z|syndic_start\Z|stats|[0-9]{14})",
    re.DOTALL,
)


_UNSAFE = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")


def is_sendable(tag: str) -> bool:
    """Return whether ``tag`` arrives on the bus unchanged.

    On the wire a tag ends with an empty line. So text after an empty line inside a tag is read as the event's data, and
    ``key`` followed by an empty line as the master's own ``key``. No control character is useful in a tag.
    """
    return _UNSAFE.search(tag) is None


def is_reserved(tag: str) -> bool:
    """Return whether the master or engines act on ``tag``, so that clients must not fire it."""
    return _RESERVED.match(tag) is not None
