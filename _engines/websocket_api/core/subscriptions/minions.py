"""Subscriptions to minions, and the feed that sends them what changed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

from ..access.turns import Turns
from ..access.visibility import Viewer
from ..delivery import frames
from ..delivery.chunks import ITEM_BYTES, Chunk, Shared, cut
from ..delivery.pacing import Pacer
from ..delivery.positions import Revisions
from ..delivery.snapshots import CHANGE_SECONDS
from ..events.history import Gap, History
from ..minions.known import MinionChanges
from ..minions.minion import Grains
from ..minions.registry import MinionRegistry
from ..timing import Clock, Later
from .minion_subscription import MinionSource, MinionSubscription, MinionViews

GRAIN_BYTES = 40
"""Approximate bytes of a grain as sent."""


class MinionFeed(MinionSource):
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
