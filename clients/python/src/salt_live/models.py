"""What the client hands to its user: events, gaps, progress."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Position:
    """A position in the engine's history of events: the event ``seq`` of the run ``epoch``."""

    epoch: str
    seq: int


@dataclass(frozen=True, slots=True)
class Event:
    """One event of the master's bus.

    :param minion: the minion that sent the event itself; None for the master's own events
    :param master: the id of the master whose event it is, where there is more than one
    """

    tag: str
    data: Any
    seq: int
    epoch: str
    minion: str | None = None
    master: str | None = None

    def __iter__(self) -> Iterator[Any]:
        """Yield tag and data, as ``SaltEvent.unpack`` returns them."""
        yield self.tag
        yield self.data


@dataclass(frozen=True, slots=True)
class Gap:
    """Events are missing at this point of a stream.

    Every event up to and with ``after`` was delivered, and every event after ``until`` will be. What the user may see
    of the events between them is missing.

    :param reason: ``history`` (no longer kept), ``bus`` (the engine lost the master's bus), ``restart`` (the engine did
        not run), ``epoch`` (another numbering, so everything is missing), or ``overflow`` (read too slowly)
    :param count: how many numbers are missing; None if unknown
    :param from_time: with ``restart``: when the engine stopped, in ISO 8601
    :param to_time: with ``restart``: when it read the bus again
    :param masters: the masters whose events are missing, where several masters share the stream
    """

    reason: str
    after: Position | None
    until: Position | None
    count: int | None
    from_time: str | None = None
    to_time: str | None = None
    masters: tuple[str, ...] = ()

    def __str__(self) -> str:
        missing = "events" if self.count is None else f"{self.count} events"
        start = f" after {self.after.seq} of {self.after.epoch}" if self.after else ""
        end = f" up to {self.until.seq} of {self.until.epoch}" if self.until else ""
        where = f" of {', '.join(self.masters)}" if self.masters else ""
        return f"{missing} missing{where}{start}{end} ({self.reason})"


@dataclass(frozen=True, slots=True)
class Progress:
    """A job after a change.

    :param job: the job object without its minions (``messages.JobSummary``)
    :param minions: the parts of the minions that changed since the last one (``messages.JobMinion``), by id
    """

    job: dict[str, Any]
    minions: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def jid(self) -> str:
        """The job's id."""
        return str(self.job["jid"])

    @property
    def state(self) -> str:
        """``running``, ``complete``, ``failed``, ``partial``, ``canceled`` or ``unknown``."""
        return str(self.job["state"])

    @property
    def ended(self) -> bool:
        """Whether the job has ended."""
        return self.state != "running"


@dataclass(frozen=True, slots=True)
class BatchProgress:
    """A batch after a change.

    :param batch: the batch object without its requests (``messages.BatchSummary``)
    :param requests: the requests that changed since the last one (``messages.Request``)
    """

    batch: dict[str, Any]
    requests: list[dict[str, Any]] = field(default_factory=list)

    @property
    def ended(self) -> bool:
        """Whether the batch has ended."""
        return self.batch["status"] not in ("pending", "dispatching")
