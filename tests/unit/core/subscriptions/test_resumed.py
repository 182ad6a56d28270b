"""Clients that come back with a position get only what changed, and then have what a new client has."""

from __future__ import annotations

import inspect
import random
from collections.abc import Callable
from typing import Any

import pytest
from websocket_api.core.access.session import Session
from websocket_api.core.delivery import positions
from websocket_api.core.delivery.positions import MAX_ENTRIES, ChangeLog, Revisions
from websocket_api.core.delivery.snapshots import MAX_KEPT, MAX_SHARED_BYTES, SnapshotSubscription
from websocket_api.core.jobs.job import Job
from websocket_api.core.subscriptions.job_subscription import JobSubscription
from websocket_api.core.subscriptions.minion_subscription import MinionSubscription

from tests.unit.core.subscriptions.test_all_jobs import answer, jid, publish
from tests.unit.core.support import Client, World

KEYS = (".*", "@wheel")
WEB = ({"web*": ["test.*", "grains.*"]},)
NAMES = [f"{kind}{number}" for kind in ("web", "db") for number in range(6)]


class Viewer:
    """A client that keeps what it has while its connection is lost.

    :param make: ``make(connection, number, session)`` returns the subscription
    """

    def __init__(self, session: Session, make: Callable[..., SnapshotSubscription]) -> None:
        self.session = session
        self.data: dict[str, Any] = {}
        self.position: dict[str, Any] | None = None
        self.frames: list[dict[str, Any]] = []
        self._make = make
        self._client = Client()
        self._next: dict[str, Any] | None = None

    def connect(self) -> bool:
        """Subscribe again; return whether it resumed."""
        self._client = Client()
        connection = self._client.connection
        subscription = self._make(connection, connection.next_number(), self.session)
        resumed = self.position is not None and subscription.resume(self.position)
        self._next = dict(self.data) if resumed else {}
        self.subscription = subscription
        connection.add(subscription)
        subscription.start()
        return resumed

    def read(self) -> list[dict[str, Any]]:
        """Apply the frames since the last call, and return them."""
        self.frames = self._client.got
        for frame in self.frames:
            into = self.data if self._next is None else self._next
            if frame["type"] == "minions":
                into.update(frame["minions"])
            elif frame["type"] == "job":
                into[frame["jid"]] = frame["job"]
                into.update({f"{frame['jid']} {name}": part for name, part in frame["minions"].items()})
            elif frame["type"] == "live":
                assert self._next is not None
                self.data, self._next = self._next, None
            for name in [name for name, value in into.items() if value is None]:
                del into[name]
            self.position = frame.get("position", self.position)
        return self.frames

    def leave(self) -> None:
        """Lose the connection; what was not read is lost."""
        self._client.connection.release()
        self._next = None


def minions(world: World, session: Session, **more: Any) -> Viewer:
    def make(connection: Any, number: int, session: Session) -> MinionSubscription:
        return MinionSubscription(world.minion_feed, connection, number, session, **more)

    return Viewer(session, make)


def jobs(world: World, session: Session, jids: list[str] | None = None, **more: Any) -> Viewer:
    def make(connection: Any, number: int, session: Session) -> JobSubscription:
        wanted = None if jids is None else [world.jobs.get(one) or Job(one) for one in jids]
        return JobSubscription(world.job_feed, connection, number, session, wanted, **more)

    return Viewer(session, make)


def keys(world: World, *names: str) -> None:
    world.minions.read_keys(dict.fromkeys(names, "accepted"))


def fresh(world: World, viewer: Viewer, make: Callable[..., Viewer], **more: Any) -> dict[str, Any]:
    """Return what a new client of the same user gets."""
    other = make(world, viewer.session, **more)
    other.connect()
    other.read()
    other.leave()
    return other.data


def names(frames: list[dict[str, Any]]) -> dict[str, Any]:
    return {name: value for frame in frames for name, value in frame.get("minions", {}).items()}


def without_seen(data: dict[str, Any]) -> dict[str, Any]:
    """Leave out when minions were seen last, which is not sent when it changes."""
    return {name: {**minion, "seen": None} for name, minion in data.items()}


def test_only_what_changed_is_sent_then_live() -> None:
    """New, changed and removed minions."""
    world = World()
    world.targets.sets["web*"] = {name for name in NAMES if name.startswith("web")}
    keys(world, *NAMES)
    viewers = [minions(world, world.session(*KEYS)), minions(world, world.session(*WEB, user="bob"))]
    for viewer in viewers:
        viewer.connect()
        viewer.read()
        viewer.leave()
    world.minions.read_grains({"web1": {"os": "Debian"}, "db1": {"os": "Debian"}})
    keys(world, *[name for name in NAMES if name not in ("web2", "db2")])
    for viewer, expected in zip(viewers, ({"web1", "web2", "db1", "db2"}, {"web1", "web2"}), strict=True):
        assert viewer.connect()
        *frames, live = viewer.read()
        found = names(frames)
        assert (set(found), found["web2"], live["type"]) == (expected, None, "live")
        assert viewer.data == fresh(world, viewer, minions)


def test_nothing_is_sent_if_nothing_changed() -> None:
    """The position is the same again."""
    world = World()
    keys(world, *NAMES)
    viewer = minions(world, world.session(*KEYS))
    viewer.connect()
    viewer.read()
    before = viewer.position
    viewer.leave()
    assert viewer.connect()
    assert [frame["type"] for frame in viewer.read()] == ["live"]
    assert viewer.position == before


def test_bookmarks_move_the_position() -> None:
    """One that a client has already is not sent again."""
    world = World()
    keys(world, *NAMES)
    viewer = minions(world, world.session(*KEYS))
    viewer.connect()
    viewer.read()
    world.minions.read_grains({"web1": {"os": "Debian"}})
    world.time.pass_(1)
    world.minion_feed.bookmark()
    assert [frame["type"] for frame in viewer.read()] == ["minions", "bookmark"]
    viewer.leave()
    assert viewer.connect()
    assert [frame["type"] for frame in viewer.read()] == ["live"]
    world.minion_feed.bookmark()
    assert viewer.read() == []


def test_a_position_does_not_cover_what_is_not_sent_yet() -> None:
    """A client that loses its connection before a change is sent gets the change."""
    world = World()
    keys(world, *NAMES)
    publish(world, 1, *NAMES)
    viewers = [minions(world, world.session(*KEYS)), jobs(world, world.session(".*"))]
    for viewer in viewers:
        viewer.connect()
        viewer.read()
    world.minions.read_grains({"web1": {"os": "Debian"}})
    answer(world, 1, "web1")
    for viewer in viewers:
        viewer.subscription.bookmark({})
        viewer.read()
        viewer.leave()
        assert viewer.connect()
        assert set(names(viewer.read())) == {"web1"}


@pytest.mark.parametrize(
    "position",
    [
        {"epoch": "changes2"},
        {"epoch": "epoch1"},
        {"view": "0"},
        {"seq": 1_000_000},
        {"seq": "1"},
        {"epoch": {"epoch": "changes1", "seq": 1}},
    ],
)
def test_a_position_that_is_not_of_this_snapshot_gives_all(position: dict[str, Any]) -> None:
    """Of another numbering, view, or the future."""
    world = World()
    keys(world, *NAMES)
    viewer = minions(world, world.session(*KEYS))
    viewer.connect()
    viewer.read()
    assert viewer.position is not None
    viewer.leave()
    viewer.position = {**viewer.position, **position}
    assert not viewer.connect()
    assert set(names(viewer.read())) == set(NAMES)


def test_another_snapshot_is_not_resumed() -> None:
    """A position belongs to a user, to permissions, to a kind and to filters."""
    world = World()
    keys(world, *NAMES)
    publish(world, 1, *NAMES)
    session = world.session(*KEYS)
    makers = [
        lambda: minions(world, session),
        lambda: minions(world, session, only=("web1",)),
        lambda: minions(world, session, connected=True),
        lambda: minions(world, session, grains=("os",)),
        lambda: minions(world, world.session(*KEYS, user="bob")),
        lambda: minions(world, world.session(*KEYS, eauth="ldap")),
        lambda: minions(world, world.session(*KEYS, "@jobs")),
        lambda: jobs(world, session),
        lambda: jobs(world, session, [jid(1)]),
        lambda: jobs(world, session, without_return=True),
        lambda: jobs(world, session, short_targets=True),
        lambda: jobs(world, session, only=("web1",)),
    ]
    found = []
    for make in makers:
        viewer = make()
        viewer.connect()
        viewer.read()
        viewer.leave()
        found.append(viewer.position)
    for nth, make in enumerate(makers):
        for other, position in enumerate(found):
            viewer = make()
            viewer.position = position
            assert viewer.connect() == (nth == other), (nth, other)


OTHERS: dict[str, Any] = {
    "only": ("web1",),
    "connected": True,
    "grains": ("os",),
    "masters": frozenset({"m1"}),
    "jobs": [Job(jid(1))],
    "without_return": True,
    "short_targets": True,
}
"""Another value of each filter."""


@pytest.mark.parametrize("kind", [MinionSubscription, JobSubscription])
def test_each_filter_is_part_of_the_position(kind: type[SnapshotSubscription]) -> None:
    """Else a client would resume what it never had."""
    world = World()
    feed = world.minion_feed if kind is MinionSubscription else world.job_feed
    _, _, connection, number, session, *filters = inspect.signature(kind.__init__).parameters
    assert (connection, number, session) == ("connection", "number", "session")
    defaults: dict[str, Any] = {"jobs": None} if "jobs" in filters else {}

    def shape(**more: Any) -> tuple[Any, ...]:
        found: SnapshotSubscription = kind(feed, Client().connection, 1, world.session(".*"), **{**defaults, **more})
        return found.shape

    for name in filters:
        assert shape(**{name: OTHERS[name]}) != shape(), name


def test_changed_permissions_give_all() -> None:
    """Also if only the minions changed that a target of theirs matches."""
    world = World()
    world.targets.sets["web*"] = {"web1", "web2"}
    keys(world, *NAMES)
    viewer = minions(world, world.session(*WEB))
    viewer.connect()
    viewer.read()
    viewer.leave()
    world.targets.sets["web*"] = {"web2", "web3"}
    assert not viewer.connect()
    viewer.read()
    assert set(viewer.data) == {"web2", "web3"}


@pytest.mark.parametrize("when", ["before the start", "while it is sent", "later"])
def test_a_client_that_resumed_loses_what_it_may_not_see_any_more(when: str) -> None:
    """Whenever its permissions change."""
    world = World()
    world.targets.sets["web*"] = {name for name in NAMES if name.startswith("web")}
    keys(world, *NAMES)
    viewer = minions(world, world.session(*WEB))
    viewer.connect()
    viewer.read()
    viewer.leave()
    world.minions.read_grains({"web1": {"os": "Debian"}})
    client = Client()
    subscription = MinionSubscription(world.minion_feed, client.connection, 1, viewer.session)
    assert viewer.position is not None
    assert subscription.resume(viewer.position)
    client.connection.add(subscription)
    only_web2 = world.session({"web2": ["test.*"]}).viewer
    world.targets.sets["web2"] = {"web2"}
    if when == "before the start":
        viewer.session.viewer = only_web2
        subscription.regroup()
        subscription.start()
    else:
        client.socket.stuck = when == "while it is sent"
        subscription.start()
        viewer.session.viewer = only_web2
        subscription.regroup()
        client.socket.stuck = False
        client.outbox.pump()
    world.time.pass_(1)
    found = {**viewer.data, **names(client.got)}
    assert {name for name, minion in found.items() if minion is not None} == {"web2"}


def test_a_user_without_permission_for_keys_learns_nothing_of_unaccepted_ones() -> None:
    """Anybody can choose the name of a key. Nor does it learn of minions that it may not see."""
    world = World()
    world.targets.sets["web*"] = {*NAMES[:6], "web-evil"}
    keys(world, *NAMES)
    viewer = minions(world, world.session(*WEB))
    viewer.connect()
    viewer.read()
    viewer.leave()
    world.minions.read_keys({**dict.fromkeys(NAMES, "accepted"), "web-evil": "pending"})
    keys(world, *NAMES[:-1])
    assert viewer.connect()
    assert names(viewer.read()) == {}


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(
    ("auth", "more"),
    [
        (KEYS, {}),
        (WEB, {}),
        (KEYS, {"connected": True}),
        (WEB, {"only": ("web1", "web2", "db1")}),
        (KEYS, {"grains": False}),
    ],
)
def test_a_client_that_comes_and_goes_has_what_a_new_one_has(
    auth: tuple[Any, ...], more: dict[str, Any], seed: int
) -> None:
    """However minions come, change and go while it is away, or while it is there."""
    world, chance = World(), random.Random(seed)
    world.targets.sets["web*"] = {name for name in NAMES if name.startswith("web")}
    viewer = minions(world, world.session(*auth), **more)
    accepted = set(NAMES[::2])
    keys(world, *accepted)
    assert not viewer.connect()
    resumed = 0
    for _ in range(150):
        name = chance.choice(NAMES)
        what = chance.randrange(6)
        if what == 0:
            accepted ^= {name}
            keys(world, *accepted)
        elif what == 1:
            world.minions.read_grains({name: {"n": chance.random()}})
        elif what == 2:
            world.fire("salt/presence/present", present=chance.sample(sorted(accepted), len(accepted) // 2))
        elif what == 3:
            world.time.pass_(chance.choice([0.01, 0.2, 3.0]))
            if chance.randrange(2):
                world.minion_feed.bookmark()
        elif what == 4:
            viewer.read()
        elif chance.randrange(2):
            if chance.randrange(2):
                viewer.read()
            viewer.leave()
            for _ in range(chance.randrange(4)):
                world.minions.read_grains({chance.choice(NAMES): {"n": chance.random()}})
            resumed += viewer.connect()
    world.time.pass_(10)
    viewer.read()
    assert without_seen(viewer.data) == without_seen(fresh(world, viewer, minions, **more))
    assert resumed


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("auth", [(".*",), WEB])
@pytest.mark.parametrize("jids", [None, [jid(1), jid(3)]])
def test_a_client_of_jobs_that_comes_and_goes_has_what_a_new_one_has(
    auth: tuple[Any, ...], jids: list[str] | None, seed: int
) -> None:
    """However jobs start and return."""
    world, chance = World(), random.Random(seed)
    world.targets.sets["web*"] = {name for name in NAMES if name.startswith("web")}
    for number in (1, 3):
        publish(world, number, *NAMES)
    viewer = jobs(world, world.session(*auth), jids)
    viewer.connect()
    resumed, newest = 0, 3
    for _ in range(120):
        what = chance.randrange(6)
        if what == 0 and newest < 20:
            newest += 1
            publish(world, newest, *NAMES)
        elif what in (1, 2):
            answer(world, chance.choice([1, 3, newest]), chance.choice(NAMES), chance.random())
        elif what == 3:
            world.time.pass_(chance.choice([0.01, 0.2, 3.0]))
            if chance.randrange(2):
                world.job_feed.bookmark()
        elif what == 4:
            viewer.read()
        elif chance.randrange(2):
            if chance.randrange(2):
                viewer.read()
            viewer.leave()
            answer(world, chance.choice([1, 3]), chance.choice(NAMES), chance.random())
            resumed += viewer.connect()
    world.time.pass_(10)
    viewer.read()
    assert viewer.data == fresh(world, viewer, jobs, jids=jids)
    assert resumed


def test_a_job_has_only_its_changed_parts() -> None:
    """A runner, which has no parts, is sent as it is."""
    world = World()
    publish(world, 1, *NAMES)
    world.fire(f"salt/run/{jid(2)}/new", fun="runner.manage.up", user="root", jid=jid(2))
    viewer = jobs(world, world.session(".*", "@jobs"))
    viewer.connect()
    viewer.read()
    viewer.leave()
    answer(world, 1, "web1", 17)
    answer(world, 1, "web1", 18)
    world.fire(f"salt/run/{jid(2)}/ret", fun="runner.manage.up", success=True, jid=jid(2), **{"return": ["x"]})
    assert viewer.connect()
    found = {frame["jid"]: frame for frame in viewer.read() if frame["type"] == "job"}
    assert {name: part["return"] for name, part in found[jid(1)]["minions"].items()} == {"web1": 18}
    assert found[jid(2)]["job"]["return"] == ["x"]


def test_a_question_of_salts_clients_is_sent_whole() -> None:
    """Its changes are noted only while it is followed: they would fill the log."""
    world = World()
    publish(world, 1, *NAMES, fun="saltutil.find_job")
    viewer = jobs(world, world.session(".*", "@jobs"), [jid(1)])
    viewer.connect()
    viewer.read()
    viewer.leave()
    answer(world, 1, "web1", {"pid": 1})
    assert not viewer.connect()
    viewer.read()
    assert viewer.data[f"{jid(1)} web1"]["return"] == {"pid": 1}


def test_a_dropped_job_that_changed_gives_all() -> None:
    """The client would keep its old state for ever."""
    world = World()
    publish(world, 1, *NAMES)
    viewer = jobs(world, world.session(".*"))
    viewer.connect()
    viewer.read()
    viewer.leave()
    for name in NAMES:
        answer(world, 1, name)
    for number in range(2, 300):
        publish(world, number, "web1")
        answer(world, number, "web1")
    assert world.jobs.get(jid(1)) is None
    assert not viewer.connect()
    viewer.read()
    assert jid(1) not in viewer.data


def test_clients_that_come_back_together_share_the_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Minions are encoded once; one that changes meanwhile is sent in addition."""
    world = World()
    keys(world, *NAMES)
    world.minions.read_grains({name: {"os": "Debian"} for name in NAMES})
    viewers = [minions(world, world.session(*KEYS)) for _ in range(20)]
    for viewer in viewers:
        viewer.connect()
        viewer.read()
        viewer.leave()
    world.minions.read_grains({name: {"os": "Ubuntu"} for name in NAMES})
    made: list[str] = []
    views = world.minion_feed.views
    monkeypatch.setattr(
        world.minion_feed, "views", lambda viewer, names, grains: (made.extend(names), views(viewer, names, grains))[1]
    )
    for viewer in viewers:
        assert viewer.connect()
        assert set(names(viewer.read())) == set(NAMES)
    assert len(made) == len(NAMES)
    world.minions.read_grains({"web1": {"os": "Arch"}})
    late = viewers[0]
    late.leave()
    late.position = viewers[1].position
    assert late.connect()
    assert names(late.read())["web1"]["grains"] == {"os": "Arch"}


@pytest.mark.parametrize("auth", [KEYS, WEB])
def test_new_clients_of_a_user_share_the_snapshot(monkeypatch: pytest.MonkeyPatch, auth: tuple[Any, ...]) -> None:
    """Minions and jobs are encoded once. What changes meanwhile is sent in addition, also after a client left."""
    world = World()
    world.targets.sets["web*"] = {name for name in NAMES if name.startswith("web")}
    keys(world, *NAMES)
    publish(world, 1, *NAMES)
    session = world.session(*auth)
    encoded: list[str] = []
    for feed in (world.minion_feed, world.job_feed):
        whole = feed.encode_all
        monkeypatch.setattr(feed, "encode_all", lambda one, whole=whole: (encoded.append(one), whole(one))[1])
    for make in (minions, jobs):
        viewers = [make(world, session) for _ in range(5)]
        for viewer in viewers:
            viewer.connect()
            viewer.read()
            assert viewer.data == viewers[0].data
        assert len(encoded) == 1
        world.minions.read_grains({"web1": {"make": make.__name__}})
        answer(world, 1, "web1", make.__name__)
        late = make(world, session)
        late.connect()
        late.read()
        assert len(encoded) == 1
        viewers[0].leave()
        assert late.data == fresh(world, late, make)
        assert len(encoded) == 2
        encoded.clear()


def test_a_large_snapshot_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each client gets it for itself."""
    world = World()
    keys(world, *NAMES)
    publish(world, 1, *NAMES)
    answer(world, 1, "web1", "x" * MAX_SHARED_BYTES)
    for make, kept in ((jobs, 0), (minions, 1)):
        viewer = make(world, world.session(*KEYS))
        viewer.connect()
        assert len(world.job_feed._made) + len(world.minion_feed._made) == kept


@pytest.mark.parametrize("make", [jobs, minions])
def test_large_changes_are_not_kept(make: Callable[..., Viewer]) -> None:
    """Each client that comes back gets them for itself: each may have another position."""
    world = World()
    keys(world, *NAMES)
    publish(world, 1, *NAMES)
    feed = {jobs: world.job_feed, minions: world.minion_feed}[make]
    viewer = make(world, world.session(*KEYS))
    for size in (1, MAX_SHARED_BYTES):
        for change in ("x", "y"):
            viewer.connect()
            viewer.read()
            viewer.leave()
            answer(world, 1, "web1" if change == "x" else "web2", change * size)
            world.minions.read_grains({"web1": {"os": change * size}})
            assert viewer.connect()
            assert bool(feed._made) == (size == 1)
            viewer.read()
            viewer.leave()
    assert viewer.data == fresh(world, viewer, make)


def test_nothing_is_kept_of_a_client_that_left() -> None:
    """Those that share its snapshot get the rest."""
    world = World()
    publish(world, 1, *[f"m{number}" for number in range(3000)])
    first, second = jobs(world, world.session(".*")), jobs(world, world.session(".*"))
    for viewer in (first, second):
        viewer._client = Client(max_frames=4)
        viewer._client.socket.stuck = True
        subscription = JobSubscription(world.job_feed, viewer._client.connection, 1, viewer.session, None)
        viewer._client.connection.add(subscription)
        viewer._next = {}
        subscription.start()
    assert len(world.job_feed._made) == 1
    first.leave()
    assert world.job_feed._made == {}
    second._client.socket.stuck = False
    for _ in range(10):
        second._client.outbox.pump()
        world.time.pass_(1)
    second.read()
    assert len(second.data) == 3001


def test_shared_bytes_are_kept_for_a_short_time() -> None:
    """And not for many positions."""
    world = World()
    keys(world, *NAMES)
    for number in range(3 * MAX_KEPT):
        viewer = minions(world, world.session(*KEYS, user=f"user{number}"))
        viewer.connect()
        viewer.read()
    assert len(world.minion_feed._made) == MAX_KEPT
    world.minion_feed.tick()
    assert len(world.minion_feed._made) == MAX_KEPT
    world.minion_feed.tick()
    assert world.minion_feed._made == {}


def test_a_log_keeps_the_newest_changes() -> None:
    """Each part once. What was dropped before is not known to be unchanged."""
    revisions = Revisions("changes1")
    log: ChangeLog[int] = ChangeLog(revisions)
    for number in range(MAX_ENTRIES):
        log.note(number)
    assert (log.reaches(0), len(log.after(0) or ())) == (True, MAX_ENTRIES)
    log.note(5)
    assert (log.after(0), log.reaches(0)) == (list(reversed([*range(5), *range(6, MAX_ENTRIES), 5])), True)
    log.note(-1)
    assert (log.after(0), log.reaches(1), log.after(MAX_ENTRIES)) == (None, True, [-1, 5])


def test_minions_of_other_masters_are_gone_until_their_master_names_them_again() -> None:
    """After a reload the next process learns them from these masters, which may have forgotten some."""
    one, two = World(), World()
    one.minions._master = two.minions._master = "m1"
    keys(one, "web1")
    for name in ("web2", "web3"):
        one.minions.set_elsewhere(name, "m2", connected=True, seen=None)
    viewer = minions(one, one.session({"*": ["test.*"]}))
    viewer.connect()
    viewer.read()
    viewer.leave()
    two.minions.restore({"web1": ("accepted", None, None)})
    two.minion_feed.revisions.restore(one.minion_feed.revisions.freeze())
    two.minion_feed.restore(one.minion_feed.pass_on())
    two.minions.set_elsewhere("web2", "m2", connected=True, seen=None)
    again = minions(two, viewer.session)
    again.data, again.position = viewer.data, viewer.position
    assert again.connect()
    assert names(again.read()).keys() == {"web2", "web3"}
    assert set(again.data) == {"web1", "web2"}


def test_a_minion_that_did_not_change_before_a_reload_and_then_went_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last process passes on the newest changes only, without this minion."""
    monkeypatch.setattr(positions, "MAX_PASSED", 1)
    one, two = World(), World()
    keys(one, "web1", "web2", "web3")
    viewer = minions(one, one.session({"*": ["test.*"]}))
    viewer.connect()
    viewer.read()
    viewer.leave()
    two.minions.restore(dict.fromkeys(("web1", "web2", "web3"), ("accepted", None, None)))
    two.minion_feed.revisions.restore(one.minion_feed.revisions.freeze())
    two.minion_feed.restore(one.minion_feed.pass_on())
    keys(two, "web2", "web3")
    again = minions(two, viewer.session)
    again.data, again.position = viewer.data, viewer.position
    assert again.connect()
    again.read()
    assert set(again.data) == {"web2", "web3"}


def test_a_process_that_passed_on_its_changes_gives_no_positions() -> None:
    """The next process gives other changes the same numbers."""
    world = World()
    keys(world, *NAMES)
    viewer = minions(world, world.session(*KEYS))
    viewer.connect()
    viewer.read()
    world.minion_feed.revisions.freeze()
    world.minions.read_grains({"web1": {"os": "Debian"}})
    world.time.pass_(1)
    world.minion_feed.bookmark()
    assert [frame["type"] for frame in viewer.read()] == ["minions"]
    late = minions(world, world.session(*KEYS))
    late.connect()
    assert "position" not in late.read()[-1]
