"""The positions of all masters that share a log, and where the stream of a client that resumes continues."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..events.history import HISTORY, RESTART, History
from ..subscriptions.after import After, Resume, Skip, Vector
from ..subscriptions.filters import EventFilter
from ..timing import Later
from .log_writer import CHUNK_EVENTS, Log, LogWriter
from .origin import Origin, Position

SETTLED_READS = 4
"""Reads to the end of the log, a second apart, after which a position that it does not have will not come: another
engine may be behind with what it writes."""
MAX_MASTERS = 64
"""Masters that are known, the own one included: as many as a client's position can name. Each costs the work of its
events."""

IN_HISTORY = "in the history"
"""Instead of a reason: a gap in the history reports it, between the events before and after it."""


class Share:
    """The own master among those that share a log.

    :param own: the own master's id
    :param log: the common log; None without one: then there is one master only
    :param later: ``later(seconds, call)``
    :param positions: what :attr:`positions` of an earlier process was
    """

    def __init__(
        self,
        own: str,
        history: History,
        log: Log | None = None,
        later: Later | None = None,
        positions: Mapping[str, Any] | None = None,
    ) -> None:
        self.own = own
        self.origins: dict[str, Origin] = {}
        """The other masters, and the own one's epochs before this start."""
        self._history = history
        self._log = log
        self.writer = LogWriter(history, log, later)
        """Writes the own master's events."""
        self._reads = 0 if log is not None else 1
        """How often the log was read to its end."""
        self._restart_place: int | None = None
        """The number of the gap that stands between the own master's earlier epochs and the present one."""
        self._restore(positions or {})
        mine = self.origin(own) if log is not None else None
        if mine is not None:
            # After a reload, and with a journal, the history has events of the present epoch.
            has_begun = not history.is_own_whole_after(0) or any(one.origin is None for one in history.after(0))
            mine.is_starting = mine.is_backlog and not has_begun and self._restart_place is None

    def touch(self) -> None:
        """Note that the history has a new entry of the own master: it is written soon."""
        self.writer.touch()

    def origin(self, master: str) -> Origin | None:
        """Return a master whose stream is read; None for one too many."""
        found = self.origins.get(master)
        if found is None and (master == self.own or len(self.origins.keys() - {self.own}) < MAX_MASTERS - 1):
            present = self._history.epoch if master == self.own else None
            found = self.origins[master] = Origin(master, is_backlog=not self._reads, present=present)
        return found

    @property
    def positions(self) -> dict[str, Any]:
        """What the next process must know of the masters, as JSON."""
        known = {name: one for name, one in self.origins.items() if one.position is not None or name == self.own}
        return {name: origin.state for name, origin in known.items()}

    @property
    def is_behind(self) -> bool:
        """Whether the own master's events before this start were not read from the log yet."""
        own = self.origins.get(self.own)
        return own is not None and own.is_backlog

    @property
    def is_starting(self) -> bool:
        """Whether the present epoch has not begun, because the log is read first."""
        own = self.origins.get(self.own)
        return own is not None and own.is_starting

    def start(self, restart_place: int) -> None:
        """Note that the present epoch has begun.

        :param restart_place: the number of the gap before it
        """
        self.origins[self.own].is_starting = False
        self._restart_place = restart_place

    def _restore(self, positions: Mapping[str, Any]) -> None:
        """Find out what an earlier process had read of the other masters."""
        starts: dict[str, int] = {}
        for entry in self._history.after(0):
            origin = None if entry.origin is None else self.origin(entry.origin.master)
            if entry.origin is None or origin is None:
                continue
            if entry.origin.epoch == origin.present:
                self._restart_place = entry.seq
                continue
            if not origin.knows(entry.origin.epoch):
                origin.begin_epoch(entry.origin.epoch)
                origin.lose(entry.origin.seq - 1)
            origin.advance(entry.origin.seq)
            first = starts.setdefault(origin.master, entry.seq)
            if entry.seq - first >= CHUNK_EVENTS:
                origin.mark(starts.pop(origin.master), entry.seq)
        for master, first in starts.items():
            self.origins[master].mark(first, self._history.seq)
        for master, state in positions.items():
            if (origin := self.origin(master)) is not None:
                origin.restore(state)

    def vector(self) -> Vector:
        """Return the newest position at each master."""
        found = {
            master: {"epoch": position.epoch, "seq": position.seq}
            for master, origin in self.origins.items()
            if (position := origin.position) is not None
        }
        return {**found, self.own: {"epoch": self._history.epoch, "seq": self._history.seq}}

    def resume(self, since: Mapping[str, Mapping[str, Any]], filter_: EventFilter) -> Resume:
        """Return the filter of what a client lacks, and the masters of which events may be missing.

        The stream of a master that the client does not name, or whose position is unknown, starts now.
        """
        history, lost, skips = self._history, dict[str, str](), dict[str, Skip]()
        wanted = {master: Position(one["epoch"], one["seq"]) for master, one in since.items()}
        own = self._resume_own(wanted, lost)
        places = [own]
        for master, origin in self.origins.items():
            origin.drop_before(history.oldest)
            position, newest = wanted.get(master), origin.position
            if master == self.own and position is None:
                skips[master] = Skip(history.epoch, own)  # all earlier epochs of this master are old
                continue
            if newest is None or (position is not None and not origin.knows(position.epoch)):
                continue
            if position is None:
                lost[master] = "epoch"  # the client may have missed all of it
                position = newest
            elif not origin.is_whole_after(position):
                lost.setdefault(master, IN_HISTORY if origin.is_reported_after(position) else HISTORY)
            wanted.pop(master, None)
            if (place := origin.place_before(position)) is not None:
                places.append(place)
            skips[master] = Skip(position.epoch, position.seq)
        for master in filter(self._may_come, wanted):
            if len((self.origins.keys() | skips.keys()) - {self.own}) < MAX_MASTERS - 1:
                skips[master] = Skip(*wanted[master])
        if self._reads:
            lost.update((master, "epoch") for master in wanted if master not in lost)
            if self.own in wanted:
                skips[self.own] = Skip(history.epoch, own)
        after = After(filter_, own, tuple(sorted(skips.items())), self.origins, self._reads)
        place = max(min(places), history.oldest - 1)
        return Resume(place, after, self._reported(lost, after), is_whole=not any(map(after.covers, lost)))

    @property
    def _has_restart(self) -> bool:
        """Whether the history has the gap before the present epoch, or will have it soon."""
        place = self._restart_place
        return self.is_starting or (place is not None and place >= self._history.oldest)

    def _resume_own(self, wanted: dict[str, Position], lost: dict[str, str]) -> int:
        """Return the number up to which a client has the own master's events of this epoch."""
        history, position = self._history, wanted.get(self.own)
        if position is None:
            lost[self.own] = "epoch"  # it may have missed all of it
            return history.seq
        if position.epoch != history.epoch:
            if self._reads and not self._knows(self.own, position.epoch):
                return history.seq
            # What happened while this engine did not run is nowhere.
            lost[self.own] = IN_HISTORY if self._has_restart else RESTART
            return 0
        del wanted[self.own]
        if position.seq > history.seq:
            lost[self.own] = "epoch"
            return history.seq
        if not history.is_own_whole_after(position.seq):
            lost[self.own] = IN_HISTORY if history.is_own_kept_after(position.seq) else HISTORY
        return position.seq

    def _reported(self, lost: Mapping[str, str], after: After) -> dict[str, dict[str, Any]]:
        """Return what the first gap reports: masters that the client follows, without gaps that the history has."""
        reported = {name: reason for name, reason in lost.items() if reason != IN_HISTORY and after.covers(name)}
        return {master: self._lost(master, reason, after) for master, reason in reported.items()}

    def _lost(self, master: str, reason: str, after: After) -> dict[str, Any]:
        if master == self.own:
            return {"reason": reason, "epoch": self._history.epoch, "seq": after.own}
        skip = dict(after.others).get(master)
        return {"reason": reason} if skip is None else {"reason": reason, "epoch": skip.epoch, "seq": skip.seq}

    def has_passed(self, after: After) -> bool:
        """Return whether everything that is read from now on is after the positions of a filter."""
        if after.own > self._history.seq:
            return False
        return all(self._has_reached(master, Position(*skip)) for master, skip in after.others)

    def _may_come(self, master: str) -> bool:
        """Return whether the log may soon have a position that it does not have."""
        return self._log is not None and (master != self.own or not self._reads)

    def _has_reached(self, master: str, position: Position) -> bool:
        origin = self.origins.get(master)
        if origin is None or origin.is_backlog or origin.is_starting:
            return False
        if master == self.own and position.epoch == self._history.epoch:
            return True
        return origin.knows(position.epoch) and origin.has_reached(position)

    def is_backlog(self, master: str) -> bool:
        """Return whether a master's stream is still read that was written before this engine started."""
        return self.origins[master].is_backlog

    def note_end(self) -> None:
        """Note that the log was read to its end: what was not read by now is missing, or new."""
        self._reads += 1
        for origin in self.origins.values():
            origin.is_backlog = False

    def forget_gone(self) -> list[str]:
        """Forget masters that are gone and have no events left here; return their ids."""
        log = self._log
        gone = [name for name in self.origins if name != self.own and log is not None and log.is_gone(name)]
        for origin in map(self.origins.__getitem__, gone):
            origin.drop_before(self._history.oldest)
        forgotten = [name for name in gone if self.origins[name].is_empty]
        for name in forgotten:
            del self.origins[name]
        return forgotten

    def settle(self, after: After) -> Resume | None:
        """Return how a stream continues whose positions the log does not have; None if it has, or may have them."""
        if self._reads < after.since + SETTLED_READS:
            return None
        known = {master: skip for master, skip in after.others if self._knows(master, skip.epoch)}
        if len(known) == len(after.others):
            return None
        # The own master's restart is reported by the gap in the history.
        lost = {master: "epoch" for master, _ in after.others if master not in known and master != self.own}
        for master in lost:
            origin = self.origins.get(master)
            if origin is not None and origin.position is not None:
                known[master] = Skip(*origin.position)
        settled = After(after.filter, after.own, tuple(sorted(known.items())), self.origins, self._reads)
        return Resume(0, settled, self._reported(lost, settled))

    def _knows(self, master: str, epoch: str) -> bool:
        if master == self.own and epoch == self._history.epoch:
            return True
        return master in self.origins and self.origins[master].knows(epoch)
