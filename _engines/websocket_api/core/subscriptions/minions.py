"""Subscriptions to minions, and the feed that sends them what changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ..access.session import Session
from ..access.turns import Turns
from ..access.visibility import Viewer
from ..delivery import frames
from ..delivery.chunks import Chunk, Shared, cut, encode_change
from ..delivery.connection import Connection
from ..delivery.pacing import Pacer
from ..delivery.snapshots import CHANGE_SECONDS, SnapshotSubscription
from ..events.history import Gap, History
from ..minions.minion import Grains
from ..minions.registry import MinionRegistry
from ..timing import Clock, Later

MinionViews = dict[str, dict[str, Any] | None]
"""Minions as a viewer may see them, by id; None for one that is gone or not visible."""


class MinionFeed:
    """Followers of minions, and what each of them may see.

    :param clock: seconds, monotonic
    """

    def __init__(self, *, history: History, minions: MinionRegistry, later: Later, clock: Clock, turns: Turns) -> None:
        self._history = history
        self._minions = minions
        self.turns = turns
        self._followers: dict[MinionSubscription, None] = {}
        self._changed: set[str] = set()
        self._pacer = Pacer(CHANGE_SECONDS, self._flush, later, clock)
        minions.on_change(self._on_change)

    @property
    def seq(self) -> int:
        """The number of the newest event that the snapshots include."""
        return self._history.seq

    def visible(self, viewer: Viewer, only: Iterable[str] | None = None, *, grains: Grains = True) -> dict[str, Any]:
        """Return the minions that the viewer may see, by id.

        :param only: ids to look at; None for all
        """
        known = self._minions.all()
        names = sorted(known) if only is None else [name for name in only if name in known]
        return {name: view for name, view in self.views(viewer, names, grains).items() if view is not None}

    def views(self, viewer: Viewer, names: Iterable[str], grains: Grains = True) -> MinionViews:
        """Return these minions as the viewer may see them; None for one that is not visible."""
        return {name: self._view(viewer, name, grains) for name in names}

    def follow(self, subscription: MinionSubscription) -> None:
        """Send changes of minions to a subscription from now on."""
        self._followers[subscription] = None

    def unfollow(self, subscription: MinionSubscription) -> None:
        """Send nothing more to a subscription."""
        self._followers.pop(subscription, None)

    def send_gap(self, gap: Gap) -> None:
        """Report to all followers that the engine missed events."""
        for follower in list(self._followers):
            follower.send_gap(gap, self._history.oldest)

    def snapshot(self, subscription: MinionSubscription) -> Iterator[Chunk]:
        """Yield all minions in chunks, each with the state at the time it is requested.

        Minions that the client knows and may no longer see are null.
        """
        # Visibility is decided chunk by chunk: to decide it for thousands at once would block the loop.
        return self.changes(subscription, sorted(subscription.known.union(self._minions.all())))

    def changes(self, subscription: MinionSubscription, names: Iterable[str]) -> Iterator[Chunk]:
        """Yield those of these minions that the client subscribed to, in chunks; null if no longer visible.

        A chunk may be empty: it still gives others their turn.
        """
        viewer, wanted = subscription.session.viewer, filter(subscription.wants, names)
        for views in self._view_chunks(wanted, viewer, subscription.grains, subscription.chunk_bytes):
            message = subscription.message(views)
            yield [] if message is None else [message]

    def _view(self, viewer: Viewer, name: str, grains: Grains) -> dict[str, Any] | None:
        minion = self._minions.get(name)
        permissions = viewer.permissions
        key = permissions.may_call("wheel", "key.list_all")
        # Nothing can run on other minions. Anybody can choose the name of a key: it is shown to viewers of keys only.
        if minion is None:
            return None
        shown = minion.elsewhere or self._minions.is_reachable(name)
        if not (key or (shown and permissions.may_run("test.ping", (), name))):
            return None
        may_read = permissions.may_run("grains.items", (), name)
        return minion.to_dict(key=key, grains=grains if may_read else False)

    def _on_change(self, minion: str) -> None:
        if self._followers:
            self._changed.add(minion)
            self._pacer.request_flush()

    def _flush(self) -> None:
        changed, self._changed = sorted(self._changed), set()
        made: dict[tuple[Viewer, Grains], Shared[MinionViews]] = {}
        for subscription in list(self._followers):
            if subscription.is_sending:
                subscription.postpone(("", name) for name in changed)
                continue
            viewer, grains = key = (subscription.session.viewer, subscription.grains)
            if key not in made:
                made[key] = Shared(self._view_chunks(changed, viewer, grains, subscription.chunk_bytes))
            subscription.send_views(made[key])

    def _view_chunks(
        self, names: Iterable[str], viewer: Viewer, grains: Grains, max_bytes: int
    ) -> Iterator[MinionViews]:
        """Yield minions in chunks: a frame with the grains of thousands would block its reader, and the loop."""

        def weigh(name: str) -> int:
            minion = self._minions.get(name) if grains is True else None
            return 0 if minion is None else minion.grains_bytes

        for chunk in cut(names, weigh, max_bytes):
            yield self.views(viewer, chunk, grains)


class MinionSubscription(SnapshotSubscription):
    """One client's subscription to minions.

    :param connected: only minions whose key is accepted and that are not known to be disconnected
    :param grains: grains to send
    """

    def __init__(
        self,
        feed: MinionFeed,
        connection: Connection,
        number: int,
        session: Session,
        only: Iterable[str] = (),
        *,
        connected: bool = False,
        grains: Grains = True,
    ) -> None:
        super().__init__(feed, connection, number, session, only)
        self._feed = feed
        self.connected = connected
        self.grains = grains
        self.known: set[str] = set()
        """Minions that were sent to this client: only of these may it learn that they are gone."""

    def start(self) -> None:
        """Follow minions, and send the snapshot."""
        self._feed.follow(self)
        self.send_snapshot(self._feed.snapshot(self))

    def regroup(self) -> None:
        """Send a new snapshot, after the permissions changed."""
        self.send_snapshot(self._feed.snapshot(self))

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
        if self.connected:
            views = {name: None if view is None or _is_away(view) else view for name, view in views.items()}
        wanted = {
            name: view for name, view in views.items() if self.wants(name) and (view is not None or name in self.known)
        }
        if not wanted:
            return None
        for name, view in wanted.items():
            (self.known.discard if view is None else self.known.add)(name)
        return frames.minions(self.number, self._feed.seq, wanted)

    def stop(self) -> None:
        """Send nothing more."""
        super().stop()
        self._feed.unfollow(self)


def _is_away(view: dict[str, Any]) -> bool:
    # Viewers without permission for keys see only minions whose key is accepted.
    return view["connected"] is False or view["key"] not in ("accepted", None)
