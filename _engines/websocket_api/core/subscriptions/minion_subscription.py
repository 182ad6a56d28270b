"""One client's subscription to minions."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..access.session import Session
from ..access.visibility import Viewer
from ..delivery import frames
from ..delivery.chunks import Chunk, Shared, encode_change
from ..delivery.connection import Connection
from ..delivery.snapshots import Feed, SnapshotSubscription
from ..minions.known import Known
from ..minions.minion import Grains

MinionViews = dict[str, dict[str, Any] | None]
"""Minions as a viewer may see them, by id; None for one that is gone or not visible."""


class MinionSource(Feed[str]):
    """What a subscription needs of the feed of minions (core/subscriptions/minions.py)."""

    @abstractmethod
    def follow(self, subscription: MinionSubscription) -> None:
        """Send changes of minions to a subscription from now on."""

    @abstractmethod
    def unfollow(self, subscription: MinionSubscription) -> None:
        """Send nothing more to a subscription."""

    @abstractmethod
    def snapshot(self, subscription: MinionSubscription) -> Iterator[Chunk]:
        """Yield all minions in chunks; null for those that the client knows and may no longer see."""

    @abstractmethod
    def changes(self, subscription: MinionSubscription, names: Iterable[str]) -> Iterator[Chunk]:
        """Yield those of these minions that the client subscribed to, in chunks; null if no longer visible."""

    @abstractmethod
    def begun(self, subscription: MinionSubscription, number: int | None, viewer: Viewer) -> Iterator[bytes]:
        """Yield what changed after a number, or the whole snapshot for None, in short steps."""


class MinionSubscription(SnapshotSubscription):
    """One client's subscription to minions.

    :param connected: only minions whose key is accepted and that are not known to be disconnected
    :param grains: grains to send
    :param masters: only minions of these; empty for all
    """

    def __init__(
        self,
        feed: MinionSource,
        connection: Connection,
        number: int,
        session: Session,
        only: Iterable[str] = (),
        *,
        connected: bool = False,
        grains: Grains = True,
        masters: frozenset[str] = frozenset(),
    ) -> None:
        super().__init__(feed, connection, number, session, only)
        self._feed = feed
        self.connected = connected
        self.masters = masters
        self.grains = grains
        self.known = Known()
        """Minions that were sent to this client."""
        self._viewer = session.viewer
        """The viewer at the start: the client has at most what this viewer may have."""
        self._is_known = True
        """Whether :attr:`known` is complete."""
        self._has_regrouped = False

    @property
    def shape(self) -> tuple[Any, ...]:
        """The kind of the snapshot and its filters."""
        return "minions", sorted(self.only), self.connected, self.grains, sorted(self.masters)

    def resume(self, position: Mapping[str, Any]) -> bool:
        """Prepare to send only what changed after a position; return False if that is not known."""
        self._is_known = not super().resume(position)
        if not self._is_known:
            self._feed.follow(self)
        return not self._is_known

    def start(self) -> None:
        """Follow minions, and send the snapshot or what changed."""
        if self._resumes_after is None:
            self.read_permissions()
            self._feed.follow(self)
            if self.connected or self.masters:  # what the viewer may have is much more than what is sent
                self.send_snapshot(self._feed.snapshot(self))
                return
            self._viewer, self._is_known = self.session.viewer, False
        self._send_chunks(self._feed.begun(self, self._resumes_after, self._viewer))

    def begin(self, known: Known) -> bool:
        """Note what the client has or is sent now; return whether its permissions are still the same."""
        self.known, self._is_known = known, True
        return not self._has_regrouped

    def regroup(self) -> None:
        """Send a new snapshot, after the permissions changed."""
        self.read_permissions()
        if self._is_known:
            self.send_snapshot(self._feed.snapshot(self))
        else:
            self._has_regrouped = True

    def send_postponed(self, postponed: set[tuple[str, Any]]) -> None:
        """Send the minions that changed while the snapshot was sent."""
        self.send_snapshot(self._feed.changes(self, sorted(minion for _, minion in postponed)))

    def wants(self, minion: str) -> bool:
        """Return whether the client subscribed to this minion."""
        return not self.only or minion in self.only

    def send_views(self, changed: Shared[MinionViews]) -> None:
        """Send minions that changed: at once, or like a snapshot if that takes long."""
        chunks = ([message] for views in changed if (message := self.message(views)) is not None)
        self.send_change(encode_change(self.connection, chunks))

    def message(self, views: MinionViews) -> frames.Message | None:
        """Return the message about those minions that this client subscribed to and may learn of."""
        wanted = {
            name: view
            for name, view in self.shown(views).items()
            if self.wants(name) and (view is not None or name in self.known)
        }
        if not wanted:
            return None
        for name, view in wanted.items():
            (self.known.discard if view is None else self.known.add)(name)
        return frames.minions(self.number, self._feed.seq, wanted)

    def shown(self, views: MinionViews) -> MinionViews:
        """Return minions, with None for those that its filters leave out now."""
        if not self.connected and not self.masters:
            return views
        return {name: view if view is not None and self._has(view) else None for name, view in views.items()}

    def _has(self, view: dict[str, Any]) -> bool:
        if self.connected and _is_away(view):
            return False
        return not self.masters or view.get("master") in self.masters

    def stop(self) -> None:
        """Send nothing more."""
        super().stop()
        self._feed.unfollow(self)


def _is_away(view: dict[str, Any]) -> bool:
    # Viewers without permission for keys see only minions whose key is accepted.
    return view["connected"] is False or view["key"] not in ("accepted", None)
