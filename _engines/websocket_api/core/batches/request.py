"""What a batch is made of: calls, the requests that ask for them, and the jobs that requests are sent with."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ..events.encoding import encode
from ..jobs.call import redact_call

ENDED = frozenset({"resolved", "error", "timeout", "canceled"})
FAILED = frozenset({"error", "timeout"})


@dataclass(frozen=True)
class Call:
    """What requests ask for: a function with its arguments. Those with equal ones share it."""

    fun: str
    arg: list[Any]
    kwarg: dict[str, Any]
    method: str = "post"
    resource: str = ""
    tunnel: str | None = None
    """A field of the puppetmaster's messages: kept and shown, and without a meaning here."""

    @cached_property
    def bytes(self) -> int:
        """How large its arguments are as JSON."""
        return len(encode([self.arg, self.kwarg]))

    def shown(self) -> dict[str, Any]:
        """Return it in the words of the puppetmaster's clients."""
        resource = self.resource or "/" + self.fun.replace(".", "/")
        shown = {"method": self.method, "resource": resource, "data": dict(self._data), "fun": self.fun}
        return shown if self.tunnel is None else {**shown, "tunnel": self.tunnel}

    @cached_property
    def _data(self) -> dict[str, Any]:
        """The arguments without their secrets: as in a job, and once for all requests that share the call."""
        arg, kwarg = redact_call(self.arg, self.kwarg)
        return {**kwarg, "__args": arg} if arg else kwarg


@dataclass(slots=True)
class Request:
    """One call on one minion. There may be a hundred thousand, so each is small."""

    minion: str
    call: int
    status: str = "pending"
    progress: float = 0.0
    result: Any = None
    retcode: int | None = None
    message: str | None = None
    finished: float | None = None
    job: int = 0
    """The number of the job that it was sent with, within the batch; 0: not sent."""
    jid: str | None = None
    size: int = field(default=-1, compare=False)
    """Bytes of the result as it came, or as JSON; -1: not measured yet. It is not stored."""

    @property
    def hundredths(self) -> int:
        """Its progress in hundredths of a percent, whose sums are exact."""
        return int(self.progress * 100)

    def shown(self) -> dict[str, Any]:
        """Return what came of it as the puppetmaster's clients see it."""
        return {
            "destination": self.minion,
            "finishedAt": iso(self.finished),
            "status": self.status,
            "progress": int(self.progress),
            "result": self.result if self.status in ENDED else {},
            "retcode": self.retcode,
            "message": self.message,
            "jid": self.jid,
        }

    @property
    def bytes(self) -> int:
        """About how large its result and message are as JSON. What came with a size is not measured, the rest once."""
        if self.size < 0 and self.status in ENDED:
            self.size = len(encode(self.result))
        return max(0, self.size) + len(self.message or "")


@dataclass
class SentJob:
    """Requests that were sent as one job of Salt's.

    ``jid`` is None from the moment in which the requests are stored as sent until the master has told it.
    """

    number: int
    call: int
    at: float
    jid: str | None = None
    places: dict[str, int] = field(default_factory=dict)
    """The requests that have not ended, by minion."""
    late: dict[str, int] = field(default_factory=dict)
    """Those that ended because their minion was silent: its return is still taken while the batch runs."""
    foreign: bool = False
    """Published by a master that is gone: its minions' returns may have gone nowhere."""


def iso(seconds: float | None) -> str | None:
    """Return a moment as the puppetmaster's clients know it: ``2011-12-19T15:28:46.493Z``."""
    if seconds is None:
        return None
    moment = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}Z"
