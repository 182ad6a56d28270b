"""The parts of a batch: calls, the requests that run them, and the jobs that carry requests."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ..events.encoding import encode, footprint
from ..jobs.call import load_arguments, redact_call

ENDED = frozenset({"resolved", "error", "timeout", "canceled"})
FAILED = frozenset({"error", "timeout"})


@dataclass(frozen=True)
class Call:
    """A function with its arguments. Requests with the same function and arguments share one call."""

    fun: str
    arg: list[Any]
    kwarg: dict[str, Any]
    method: str = "post"
    resource: str = ""
    tunnel: str | None = None
    """A field that clients of the puppetmaster send. The engine stores and returns it, and does not use it."""

    @cached_property
    def bytes(self) -> int:
        """The size of the arguments as JSON."""
        return len(encode([self.arg, self.kwarg]))

    @cached_property
    def memory(self) -> int:
        """The approximate memory that the arguments use, in bytes."""
        return footprint(encode([self.arg, self.kwarg]))

    def load(self, minions: Iterable[str]) -> dict[str, Any]:
        """Return the publish load of a job that runs the call on these minions."""
        arg = load_arguments(self.arg, self.kwarg)
        return {"fun": self.fun, "arg": arg, "tgt": list(minions), "tgt_type": "list"}

    def as_dict(self) -> dict[str, Any]:
        """Return the call as clients receive it, without secrets."""
        arg, kwarg = self._redacted
        resource = self.resource or "/" + self.fun.replace(".", "/")
        shown = {"fun": self.fun, "arg": arg, "kwarg": kwarg, "method": self.method, "resource": resource}
        return shown if self.tunnel is None else {**shown, "tunnel": self.tunnel}

    @cached_property
    def _redacted(self) -> tuple[list[Any], dict[str, Any]]:
        """The arguments without their secrets, as in a job. Computed once for all requests that share the call."""
        return redact_call(self.arg, self.kwarg)


@dataclass(frozen=True)
class Label:
    """What people call a batch, and what it runs where: for lists, which do not have its requests."""

    name: str | None = None
    functions: tuple[str, ...] = ()
    tgt: str | None = None
    """The expression that all items have as their target; None for lists of ids and several expressions."""
    tgt_type: str | None = None


@dataclass(slots=True)
class Request:
    """One call on one minion. A batch may have a hundred thousand, so each must be small."""

    minion: str
    call: int
    status: str = "pending"
    progress: float = 0.0
    result: Any = None
    retcode: int | None = None
    message: str | None = None
    finished: float | None = None
    job: int = 0
    """The number, within the batch, of the job that carries it; 0: not sent."""
    jid: str | None = None
    size: int = field(default=-1, compare=False)
    """Size of the result in bytes, as received or as JSON; -1: not measured yet. It is not stored."""

    @property
    def progress_hundredths(self) -> int:
        """The progress in hundredths of a percent. Sums of integers are exact."""
        return int(self.progress * 100)

    def as_dict(self) -> dict[str, Any]:
        """Return the state of the request as clients receive it."""
        return {
            "finished_at": iso(self.finished),
            "status": self.status,
            "progress": int(self.progress),
            "result": self.result if self.status in ENDED else {},
            "retcode": self.retcode,
            "message": self.message,
            "jid": self.jid,
        }

    @property
    def bytes(self) -> int:
        """The approximate size of result and message as JSON. A result without a known size is measured once."""
        if self.size < 0 and self.status in ENDED:
            self.size = len(encode(self.result))
        return max(0, self.size) + len(self.message or "")


@dataclass
class SentJob:
    """The requests that one Salt job carries.

    ``jid`` is None from the moment the requests are stored as sent until the master returns the job's id.
    """

    number: int
    call: int
    at: float
    jid: str | None = None
    indexes: dict[str, int] = field(default_factory=dict)
    """Places of the requests that have not ended, by minion."""
    late: dict[str, int] = field(default_factory=dict)
    """Places of the requests that ended because the minion was silent. Its late return counts while the batch runs."""
    foreign: bool = False
    """Whether a master that is gone published it: returns of its minions may be lost."""


def iso(seconds: float | None) -> str | None:
    """Return a time as clients receive it: ``2011-12-19T15:28:46.493Z``."""
    if seconds is None:
        return None
    moment = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}Z"
