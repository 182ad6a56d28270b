"""A filter that leaves out what a client got already, by its positions at several masters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from ..events.event import Event
from ..events.history import Gap
from .filter_index import Key
from .filters import EventFilter

Vector = dict[str, dict[str, Any]]
"""A position at each master, as clients get it: ``{MASTER: {"epoch", "seq"}}``."""


class Skip(NamedTuple):
    """What a client has of one other master: an epoch up to a number, and all epochs before it."""

    epoch: str
    seq: int


class Epochs(Protocol):
    """The epochs of one other master (core/sharing/origin.py)."""

    is_backlog: bool
    """Whether its stream is still read that was written before this engine started."""
    is_starting: bool
    """Of the own master: whether the present epoch has not begun, because the log is read first."""
    present: str | None
    """Of the own master: the epoch of this engine."""

    @property
    def position(self) -> tuple[str, int] | None:
        """Epoch and number of the newest event that was read; None if none was."""
        ...

    def knows(self, epoch: str) -> bool:
        """Return whether an epoch is known."""
        ...

    def is_before(self, epoch: str, other: str) -> bool:
        """Return whether an epoch of an event that was read is before another one, which is known."""
        ...


@dataclass(frozen=True)
class After:
    """Another filter, for events after a client's positions.

    A position in an epoch that is not known here may be one that the log does not have yet. Until that is settled, only
    what follows in that epoch is new. Equal positions and filters are equal values, so that clients that resume
    together share the decision.
    """

    filter: EventFilter
    own: int
    """The number up to which the client has the own master's events."""
    others: tuple[tuple[str, Skip], ...]
    """What the client has of the other masters, by their ids."""
    epochs: Mapping[str, Epochs] = field(repr=False, compare=False)
    """The other masters that are known, by their ids."""
    since: int = field(default=0, repr=False, compare=False)
    """How often the log had been read to its end when the client subscribed."""
    _others: Mapping[str, Skip] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Index the positions."""
        object.__setattr__(self, "_others", dict(self.others))

    @property
    def keys(self) -> tuple[Key, ...]:
        """Keys under which events that may match are found."""
        return self.filter.keys

    @property
    def weight(self) -> int:
        """How much it counts towards its user's limit of patterns."""
        return self.filter.weight

    def is_new(self, entry: Event | Gap) -> bool:
        """Return whether an entry of the history is after the client's positions."""
        if entry.origin is None:
            return entry.seq > self.own
        skip = self._others.get(entry.origin.master)
        epochs = self.epochs.get(entry.origin.master)
        if epochs is None:
            return True  # it is gone, and nothing of it is left to send
        if skip is None:
            return not epochs.is_backlog
        if entry.origin.epoch == skip.epoch:
            return entry.origin.seq > skip.seq
        if entry.origin.epoch == epochs.present:
            return True  # the gap of the restart
        return epochs.knows(skip.epoch) and not epochs.is_before(entry.origin.epoch, skip.epoch)

    def matches(self, event: Event) -> bool:
        """Return whether the client does not have the event, and it may match."""
        return self.is_new(event) and self.filter.matches(event)

    def covers(self, master: str | None) -> bool:
        """Return whether events of a master may match; None for events of any master."""
        return self.filter.covers(master)

    def select(self, event: Event, body: bytes) -> bytes | None:
        """Return the part of an event to send, or None for nothing."""
        return self.filter.select(event, body)

    def newest(self, vector: Vector) -> Vector:
        """Return positions, but not before those of the client: the log may be behind its former master."""
        found = dict(vector)
        for master, skip in self.others:
            known, epochs = found.get(master), self.epochs.get(master)
            if epochs is not None and epochs.is_starting:
                known = found[master] = _place(epochs.position) or {"epoch": skip.epoch, "seq": skip.seq}
            if known is None or epochs is None:
                is_behind = known is None
            elif epochs.knows(known["epoch"]):
                same = known["epoch"] == skip.epoch
                is_behind = known["seq"] < skip.seq if same else not epochs.knows(skip.epoch)
            else:
                is_behind = False  # it is the own master, in its present epoch
            if is_behind:
                found[master] = {"epoch": skip.epoch, "seq": skip.seq}
        return found


def _place(position: tuple[str, int] | None) -> dict[str, Any] | None:
    return None if position is None else {"epoch": position[0], "seq": position[1]}


class Resume(NamedTuple):
    """Where a client's stream continues."""

    place: int
    """The number here after which everything is that the client lacks."""
    filter: EventFilter
    """Leaves out what the client has."""
    lost: dict[str, dict[str, Any]]
    """Masters of which events may be missing: why, and the position from which the stream goes on, if it is known.
    Gaps that are in the history are not among them."""
    is_whole: bool = True
    """Whether nothing is missing."""


class Positions(Protocol):
    """The positions of all masters that share a log (core/sharing/share.py)."""

    def touch(self) -> None:
        """Note that the history has a new entry of the own master."""
        ...

    def vector(self) -> Vector:
        """Return the newest position at each master."""
        ...

    def resume(self, since: Mapping[str, Mapping[str, Any]], filter_: EventFilter) -> Resume:
        """Return the filter of what a client lacks, and the masters of which events may be missing."""
        ...

    def has_passed(self, after: After) -> bool:
        """Return whether everything that is read from now on is after the positions of a filter."""
        ...

    def is_backlog(self, master: str) -> bool:
        """Return whether a master's stream is still read that was written before this engine started."""
        ...

    def settle(self, after: After) -> Resume | None:
        """Return how a stream continues whose positions the log does not have; None if it has, or may have them."""
        ...
