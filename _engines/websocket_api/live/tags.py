"""What an event's tag says about it. Tags can have any shape; parsing never fails and believes nothing it cannot.

Sources: `Salt Master Events <https://docs.saltproject.io/en/latest/topics/event/master_events.html>`_ and what was
measured on real masters (docs/salt-notes.md).
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

JID = re.compile(r"[0-9]{20}(?:_[0-9]+)?")


class Kind(enum.Enum):
    """The rows of the visibility table in docs/security.md."""

    JOB_NEW = "a job was published"
    JOB_MINION = "a minion's part of a job"
    CONTROL = "the master's own business"
    RUN = "a runner"
    WHEEL = "a wheel"
    KEY = "minion keys and authentication"
    MINION = "a minion started"
    PRESENCE = "which minions are connected"
    REFRESH = "a minion's data was refreshed"
    BEACON = "a beacon"
    CUSTOM = "an event that a minion sent"
    OTHER = "anything else"


@dataclass(frozen=True)
class Topic:
    """What the tag and the envelope of an event say: its kind, and the job, minion and action that it is about."""

    kind: Kind
    jid: str | None = None
    minion: str | None = None
    action: str = ""
    believed: bool = True
    """False for what a minion sent itself (``cmd: _minion_event``): shown, but it changes nothing in the engine."""


_OTHER = Topic(Kind.OTHER)
_CONTROL = Topic(Kind.CONTROL)
_KEY = Topic(Kind.KEY)


def topic(tag: str, data: Mapping[str, Any]) -> Topic:
    """Return what the event is about.

    :param tag: the tag as it stood on the bus
    :param data: the event's data as it stood on the bus, still wrapped where a minion sent it
    """
    if data.get("cmd") == "_minion_event":
        return _sent_by_minion(tag, str(data.get("id", "")))
    return _by_master(tag)


def _by_master(tag: str) -> Topic:
    parts = tag.split("/")
    if parts[:2] == ["minion", "refresh"] and len(parts) == 3:
        return Topic(Kind.REFRESH, minion=parts[2])
    if parts[0] != "salt" or len(parts) < 2:
        return _CONTROL if parts[0] in ("key", "cluster", "syndic") else _OTHER
    second = parts[1]
    if second == "job":
        return _job(parts)
    if second in ("run", "wheel"):
        if len(parts) >= 4 and JID.fullmatch(parts[2]):
            return Topic(Kind.RUN if second == "run" else Kind.WHEEL, jid=parts[2], action=parts[3])
        return _CONTROL
    if second in ("auth", "key"):
        return _KEY
    if second in ("stats", "cluster", "syndic"):
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
    if len(parts) < 4 or not JID.fullmatch(parts[2]):
        return _CONTROL
    jid, action = parts[2], parts[3]
    if action == "new" and len(parts) == 4:
        return Topic(Kind.JOB_NEW, jid=jid, action=action)
    if len(parts) >= 5 and parts[4]:
        return Topic(Kind.JOB_MINION, jid=jid, minion=parts[4], action=action)
    return _CONTROL  # error, publish, and whatever is added one day


def _sent_by_minion(tag: str, sender: str) -> Topic:
    """A minion can forge any tag but not its id in the wrapper: only what it says about itself keeps its kind."""
    claimed = _by_master(tag)
    own = bool(sender) and claimed.minion == sender
    if own and claimed.kind is Kind.JOB_MINION and claimed.action == "prog":
        return Topic(Kind.JOB_MINION, jid=claimed.jid, minion=sender, action="prog", believed=False)
    if own and claimed.kind in (Kind.MINION, Kind.REFRESH, Kind.BEACON):
        return Topic(claimed.kind, minion=sender, action=claimed.action, believed=False)
    return Topic(Kind.CUSTOM, minion=sender, believed=False)


_NEVER_FIRED = re.compile(
    r"(?:(?:salt|cluster|syndic|minion)(?:/|\Z)|key\Z|rotate_.*|minion_start\Z|syndic_start\Z|stats|[0-9]{14})",
    re.DOTALL,
)


_OFF_THE_WIRE = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")


def travels_whole(tag: str) -> bool:
    """Tell whether ``tag`` arrives on the bus as it is.

    On the wire a tag ends with an empty line: what follows one inside a tag would be read as the event's data, and
    ``key`` with an empty line behind it as the master's own ``key``. No control character is of any use in a tag.
    """
    return _OFF_THE_WIRE.search(tag) is None


def is_reserved(tag: str) -> bool:
    """Tell whether ``tag`` is one that the master acts on or that engines believe, so that no client may fire it."""
    return _NEVER_FIRED.match(tag) is not None
