"""Subscriptions to minions, and the feed that sends them what changed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

from ..access.session import Session
from ..access.turns import Turns
from ..access.visibility import Viewer
from ..delivery import frames
from ..delivery.chunks import ITEM_BYTES, Chunk, Shared, cut, encode_change
from ..delivery.connection import Connection
from ..delivery.pacing import Pacer
from ..delivery.positions import Revisions
from ..delivery.snapshots import CHANGE_SECONDS, Feed, SnapshotSubscription
from ..events.history import Gap, History
from ..minions.known import Known, MinionChanges
from ..minions.minion import Grains
from ..minions.registry import MinionRegistry
from ..timing import Clock, Later

MinionViews = dict[str, dict[str, Any] | None]
"""Minions as a viewer may see them, by id; None for one that is gone or not visible."""
GRAIN_BYTES = 40
"""Approximate bytes of a grain as sent."""


class MinionFeed(Feed[str]):
    """Followers of minions, and what each of them may see.

    :param clock: seconds, monotonic
    :param revisions: numbers the changes
    """

    def __init__(
        self,
        *,
        history: History,
        minions: MinionRegistry,
        later: Later,
        clock: Clock,
        turns: Turns,
        revisions: Revisions,
    ) -> None:
        self._minions = minions
        self._followers: dict[MinionSubscription, None] = {}
        super().__init__(history=history, revisions=revisions, later=later, turns=turns)
        self._changed: set[str] = set()
        self.known = MinionChanges(minions, revisions, self.log)
        self._pacer = Pacer(CHANGE_SECONDS, self._flush, later, clock)
        minions.on_change(self._on_change)

    def visible(self, viewer: Viewer, only: Iterable[str] | None = None, *, grains: Grains = True) -> dict[str, Any]:
        """Return the minions that the viewer may see, by id.

        :param only: ids to look at; None for all
        """
        known = self._minions.all()
        names = sorted(known) if only is None else [name for name in only if name in known]
        return {name: view for name, view in self.views(viewer, names, grains).items() if view is not None}

    def views(self, viewer: Viewer, names: Collection[str], grains: Grains = True) -> MinionViews:
        """Return these minions as the viewer may see them; None for one that is not visible."""
        permissions, asked = viewer.permissions, frozenset(names)
        key = permissions.lists_keys
        # Nothing can run on other minions. Anybody can choose the name of a key: it is shown to viewers of keys only.
        seen = asked if key else set(filter(self.known.is_shown, permissions.runnable("test.ping", (), asked)))
        readable = permissions.runnable("grains.items", (), asked)
        return {
            name: self._view(name, key=key, grains=grains if name in readable else False) if name in seen else None
            for name in names
        }

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
        return self.changes(subscription, sorted(subscription.known.all().union(self._minions.all())))

    def changes(self, subscription: MinionSubscription, names: Iterable[str]) -> Iterator[Chunk]:
        """Yield those of these minions that the client subscribed to, in chunks; null if no longer visible.

        A chunk may be empty: it still gives others their turn.
        """
        viewer, wanted = subscription.session.viewer, filter(subscription.wants, names)
        for views in self._view_chunks(wanted, viewer, subscription.grains, subscription.chunk_bytes):
            message = subscription.message(views)
            yield [] if message is None else [message]

    def pass_on(self) -> dict[str, Any]:
        """Return the newest changes for the process that takes over."""
        return self.known.pass_on()

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue with the changes of the last process."""
        self.known.restore(state)

    def followers(self) -> Collection[MinionSubscription]:
        """Return all subscriptions."""
        return self._followers

    def after(self, subscription: MinionSubscription, number: int) -> list[str]:
        """Return the minions that a subscription wants and that changed after a number."""
        return [name for name in self.known.after(number) if subscription.wants(name)]

    def encode_parts(self, subscription: MinionSubscription, parts: Collection[str]) -> Iterator[bytes]:
        """Yield minions as all subscriptions of this view and form get them; null for hidden ones that one may have."""
        viewer = subscription.session.viewer
        return self._encode(subscription, parts, lambda name: self.known.may_have(viewer, name))

    def encode_all(self, subscription: MinionSubscription) -> Iterator[bytes]:
        """Yield the snapshot as all subscriptions of this view and form get it, in short steps."""
        names = filter(subscription.wants, sorted(self._minions.all()))
        return self._encode(subscription, names, lambda name: False)

    def weigh(self, subscription: MinionSubscription, parts: Collection[str] | None) -> int:
        """Return the approximate bytes of minions; of all for None."""
        known = self._minions.all()
        if subscription.grains is not True:
            return (ITEM_BYTES + GRAIN_BYTES * len(subscription.grains or ())) * len(known if parts is None else parts)
        found = known.values() if parts is None else [known[name] for name in parts if name in known]
        return sum(ITEM_BYTES + minion.grains_bytes for minion in found)

    def _encode(
        self, subscription: MinionSubscription, names: Iterable[str], may_have: Callable[[str], bool]
    ) -> Iterator[bytes]:
        viewer, connection = subscription.session.viewer, subscription.connection
        for views in self._view_chunks(names, viewer, subscription.grains, subscription.chunk_bytes):
            shown = {
                name: view for name, view in subscription.shown(views).items() if view is not None or may_have(name)
            }
            yield from connection.steps(*([frames.minions(subscription.number, self.seq, shown)] if shown else ()))

    def begun(self, subscription: MinionSubscription, number: int | None, viewer: Viewer) -> Iterator[bytes]:
        """Yield what changed after a number, in short steps.

        :param number: None for the whole snapshot
        :param viewer: the client has what this viewer may have
        """
        shared = self.known.shared(viewer)
        for _ in shared.steps():
            yield b""
        if subscription.begin(self.known.of(viewer, shared)):
            yield from self.steps_since(subscription, number)
        else:
            snapshot = self.snapshot(subscription)
            yield from chain.from_iterable(subscription.connection.steps(*chunk) for chunk in snapshot)

    def _view(self, name: str, *, key: bool, grains: Grains) -> dict[str, Any] | None:
        minion = self._minions.get(name)
        return None if minion is None else minion.to_dict(key=key, grains=grains)

    def _on_change(self, minion: str) -> None:
        number = self.known.note(minion)
        if self._followers:
            self._unsent.setdefault("", number)
            self._changed.add(minion)
            self._pacer.request_flush()

    def _flush(self) -> None:
        changed, self._changed = sorted(self._changed), set()
        self._unsent.clear()
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
    :param masters: only minions of these; empty for all
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
