"""Salt's job ids (jids): 20 digits of the time in UTC to the microsecond, and with ``unique_jid`` the process id."""

from __future__ import annotations

import datetime
import re

JID = r"[0-9]{20}(?:_[0-9]+)?"
"""Matches a jid; for routes and other patterns."""

_JID = re.compile(JID)


def is_jid(text: str) -> bool:
    """Return whether a text has the form of a jid. Its digits may still be no time."""
    return _JID.fullmatch(text) is not None


def made_at(jid: str) -> datetime.datetime | None:
    """Return when Salt made a jid (``salt.utils.jid.gen_jid``), or None if its digits are no time."""
    try:
        made = datetime.datetime.strptime(jid[:20], "%Y%m%d%H%M%S%f")  # noqa: DTZ007 - a jid names no zone
    except ValueError:
        return None
    return made.replace(tzinfo=datetime.timezone.utc)


def jid_at(seconds: float) -> str:
    """Return the jid of a time, without a process id: all jids that Salt makes later are greater as text.

    :param seconds: since 1970
    """
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y%m%d%H%M%S%f")


def start_time(jid: str) -> str | None:
    """Return when Salt made a jid as ISO 8601 in UTC, or None if its digits are no time."""
    made = made_at(jid)
    return None if made is None else made.isoformat()


def is_made_at(jid: str, stamp: str, within: float) -> bool:
    """Return whether a jid was made within ``within`` seconds before or after a ``_stamp``."""
    made = made_at(jid)
    try:
        stamped = datetime.datetime.fromisoformat(stamp)
    except ValueError:
        return False
    if stamped.tzinfo is None:
        stamped = stamped.replace(tzinfo=datetime.timezone.utc)  # Salt 3007 writes no zone
    return made is not None and abs((stamped - made).total_seconds()) <= within
