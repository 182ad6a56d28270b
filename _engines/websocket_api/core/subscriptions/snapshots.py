"""One client's view of some jobs, or of the fleet: a snapshot in pieces, then ``live``, then what changed.

A snapshot can be larger than all that may wait for a client: it is drawn piece by piece, each as things are when the
client has room for it, and what changes meanwhile waits until it is complete. So is a change that is too large for one
frame. However large a picture is, a client that reads gets it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Protocol

from ...errors import ApiError
from ..access.sessions import Session
from ..access.turns import Turns
from ..delivery import frames
from ..delivery.chunks import Drawing, Piece, Shared, most_bytes
from ..delivery.connection import Connection
from ..jobs.job import Job, Part
from ..minions.registry import Grains

if TYPE_CHECKING:
    from .snapshot_feeds import Views

CHANGE_SECONDS = 0.1  # at most ten frames a second per job


class Source(Protocol):
    """Where pictures come from: Views, BatchViews."""

    turns: Turns

    @property
    def seq(self) -> int:
        """The number up to which the pictures are drawn."""
        ...


class Picture(ABC):
    """What these subscriptions have in common.

    :param only: only these minions are asked for; empty for all
    """

    def __init__(
        self, source: Source, connection: Connection, number: int, session: Session, only: Iterable[str] = ()
    ) -> None:
        self.number = number
        self.session = session
        self.connection = connection
        self.only = frozenset(only)
        self.piece_bytes = most_bytes(connection.outbox)
        self.behind: set[tuple[str, Any]] = set()
        """What changed while the snapshot is drawn: (jid or nothing, minion), or (batch, place of a request)."""
        self._source = source
        self._drawing: Drawing | None = None
        self._live = False
        self._stopped = False

    @property
    def drawing(self) -> bool:
        """Whether the snapshot is not complete yet: changes then wait in ``behind``."""
        return self._drawing is not None

    def draw(self, pieces: Iterator[Piece]) -> None:
        """Send a snapshot, in place of one that is not complete yet."""
        self._deliver(self.connection.frame(*piece) for piece in pieces)

    def tell(self, change: Shared[bytes]) -> None:
        """Send a change: at once, or like a snapshot where it is too large for one frame."""
        if not change.short:
            self._deliver(iter(change))
            return
        for frame in change:
            self.connection.outbox.put(frame)

    def stop(self) -> None:
        """Send nothing more."""
        if self._drawing is not None:
            self._drawing.stop()
            self._drawing = None
        self._stopped = True
        self.behind.clear()

    def tell_ended(self, why: ApiError) -> None:
        """Say that nothing comes any more."""
        self.connection.send(frames.ended(self.number, why))

    @abstractmethod
    def catch_up(self, behind: set[tuple[str, Any]]) -> None:
        """Send what changed meanwhile."""

    def _deliver(self, pieces: Iterator[bytes]) -> None:
        if self._stopped:
            return  # its connection went while others of the same connection were sent the same
        if self._drawing is not None:
            self._drawing.stop()
        self._drawing = Drawing(self.connection.outbox, pieces, self._drawn, self._source.turns, self.session.share)
        self._drawing.go()

    def _drawn(self) -> None:
        self._drawing = None
        if not self._live:
            self._live = True
            self.connection.send(frames.live(self.number, self._source.seq))
        behind, self.behind = self.behind, set()
        if behind:
            self.catch_up(behind)


class JobSubscription(Picture):
    """One client's view of some jobs.

    :param without_return: leave out what the minions returned
    """

    def __init__(
        self,
        views: Views,
        connection: Connection,
        number: int,
        session: Session,
        jobs: Iterable[Job],
        *,
        only: Iterable[str] = (),
        without_return: bool = False,
    ) -> None:
        super().__init__(views, connection, number, session, only)
        self._views = views
        self.without_return = without_return
        self.jids = [job.jid for job in jobs]

    def start(self) -> None:
        """Follow, and send the snapshot."""
        self._views.follow_jobs(self)
        self.draw(self._views.draw_jobs(self))

    def regroup(self) -> None:
        """Draw the pictures anew, after the permissions changed; end when there is nothing left to see."""
        if self._views.sees_any(self):
            self.draw(self._views.draw_jobs(self))
            return
        self.connection.remove(self.number)
        self.tell_ended(ApiError("forbidden", "these jobs may not be seen by you any more"))

    def catch_up(self, behind: set[tuple[str, Any]]) -> None:
        """Send the parts that changed meanwhile."""
        self.draw(self._views.draw_changed(self, by_job(behind)))

    def asked_for(self, view: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return a job and those of its parts that this client wants to see."""
        parts = view.pop("minions")
        if self.only:
            parts = {name: part for name, part in parts.items() if name in self.only}
        if self.without_return:
            parts = {name: {**part} for name, part in parts.items()}
            for told in (view, *parts.values()):
                told.pop("return", None)
        return view, parts

    def weigh(self, part: Part | None) -> int:
        """Return how much of a part this client gets, in bytes."""
        if part is None:
            return 0
        return len(part.message or "") + (0 if self.without_return else part.size)

    @property
    def form(self) -> tuple[Any, ...]:
        """Subscriptions of the same form and viewer get the same bytes."""
        return self.number, self.only, self.without_return, self.connection.codec, self.connection.wrap

    def stop(self) -> None:
        """Send nothing more."""
        super().stop()
        self._views.leave_jobs(self)


class MinionsSubscription(Picture):
    """One client's view of the fleet.

    :param connected: only minions whose key is accepted and that are not known to be disconnected
    :param grains: which of their grains are wanted
    """

    told: set[str]
    """The minions that this client has: of these alone it may learn that they are gone."""

    def __init__(
        self,
        views: Views,
        connection: Connection,
        number: int,
        session: Session,
        only: Iterable[str] = (),
        *,
        connected: bool = False,
        grains: Grains = True,
    ) -> None:
        super().__init__(views, connection, number, session, only)
        self._views = views
        self.connected = connected
        self.grains = grains
        self.told = set()

    def start(self) -> None:
        """Follow, and send the snapshot."""
        self._views.follow_fleet(self)
        self.draw(self._views.draw_fleet(self))

    def regroup(self) -> None:
        """Draw the picture anew, after the permissions changed."""
        self.draw(self._views.draw_fleet(self))

    def catch_up(self, behind: set[tuple[str, Any]]) -> None:
        """Send the minions that changed meanwhile."""
        self.draw(self._views.draw_minions(self, sorted(minion for _, minion in behind)))

    def wants(self, minion: str) -> bool:
        """Tell whether this minion was asked for."""
        return not self.only or minion in self.only

    def show(self, changed: Shared[dict[str, Any]]) -> None:
        """Send minions that changed: at once, or like a snapshot where they are too many for one frame."""
        told = ([news] for views in changed if (news := self.news(views)) is not None)
        if not changed.short:
            self.draw(told)
            return
        for piece in told:
            self.connection.send(*piece)

    def news(self, views: dict[str, Any]) -> frames.Message | None:
        """Return the frame that tells of those minions that this client wants, and may learn of."""
        if self.connected:
            views = {name: None if view is None or _is_away(view) else view for name, view in views.items()}
        wanted = {
            name: view for name, view in views.items() if self.wants(name) and (view is not None or name in self.told)
        }
        if not wanted:
            return None
        for name, view in wanted.items():
            (self.told.discard if view is None else self.told.add)(name)
        return frames.minions(self.number, self._views.seq, wanted)

    def stop(self) -> None:
        """Send nothing more."""
        super().stop()
        self._views.leave_fleet(self)


def by_job(behind: Iterable[tuple[str, str]]) -> dict[str, set[str]]:
    """Return the minions whose parts changed, by job."""
    changed: dict[str, set[str]] = {}
    for jid, minion in behind:
        changed.setdefault(jid, set()).add(minion)
    return changed


def _is_away(view: dict[str, Any]) -> bool:
    # Who may not see keys is shown minions with accepted ones only.
    return view["connected"] is False or view["key"] not in ("accepted", None)
