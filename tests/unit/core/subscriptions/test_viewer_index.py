"""Viewers who could see an event: few are asked, and everybody gets what a plain decision about each would give."""

from __future__ import annotations

import gc
import random
import weakref
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from websocket_api.core.access.permissions import Permissions
from websocket_api.core.access.session import Session
from websocket_api.core.access.target_sets import FORGET_SECONDS, TargetSets
from websocket_api.core.access.visibility import Viewer, Visibility
from websocket_api.core.events.event import Event
from websocket_api.core.jobs.job import Job
from websocket_api.core.subscriptions import viewer_index
from websocket_api.core.subscriptions.events import EventSubscription
from websocket_api.core.subscriptions.fanout import Group
from websocket_api.core.subscriptions.viewer_index import ViewerIndex
from websocket_api.errors import ApiError

from tests.unit.core.plain_visibility import PlainVisibility
from tests.unit.core.random_rights import MINIONS, TARGETS, auth_list
from tests.unit.core.support import JID, Client, World, filter_of

JIDS = [f"2026112312000000000{number}" for number in range(9)]
RUNNER_JIDS = [f"2026112313000000000{number}" for number in range(4)]
USERS = ["ann", "bob", "eve", "root", "sudo_ann"]
TAGS = ["myco/deploy/1", "myco/x", "deploy", "other/thing", "myco"]
KW = {"__kwarg__": True, "name": "nginx"}
CALLS: list[tuple[str, list[Any]]] = [
    ("test.ping", []),
    ("state.apply", ["web"]),
    ("pkg.install", [KW]),
    ("pkg.install", [{**KW, "name": "apache"}]),
    ("test.ping,state.apply", [[], ["web"]]),
    ("test.ping,pkg.install", [[], [KW]]),
    ("event.send", ["x"]),
]
RUNNERS: list[tuple[str, list[Any]]] = [
    ("manage.up", []),
    ("state.orch", ["web", {"test": True}]),
    ("state.orch", ["db"]),
    ("key.list_all", []),
]
FILTERS: list[dict[str, Any]] = [
    {},
    {},
    {"tag": "salt/job/"},
    {"tag": "*/ret/*", "match_type": "fnmatch"},
    {"minions": ["web1", "db2"]},
    {"fun": "test.ping", "without_return": True},
    {"jid": JIDS[:2]},
]


class Clients:
    """Subscriptions of several users, which remember what they were sent."""

    def __init__(self, world: World, targets: TargetSets) -> None:
        self._world, self._targets = world, targets
        self._open: dict[EventSubscription, Client] = {}

    def __len__(self) -> int:
        return len(self._open)

    async def viewer(self, entries: list[Any], user: str, eauth: str) -> Viewer:
        permissions = Permissions(entries, self._targets)
        await self._targets.ensure(permissions.expressions)
        return Viewer(user, eauth, permissions)

    async def open(self, chance: random.Random) -> None:
        """Subscribe a new user, or one who has a subscription, in the same form or another one."""
        world, client, entries = self._world, Client(), auth_list(chance)
        if self._open and chance.random() < 0.4:
            session = chance.choice(list(self._open)).session
        else:
            session = world.session(user=chance.choice(USERS), eauth=chance.choice(["pam", "ldap"]))
            session.viewer = await self.viewer(entries, session.user, session.eauth)
        filter_, bundle = filter_of(chance.choice(FILTERS)), chance.random() < 0.3
        subscription = EventSubscription(world.hub, client.connection, 1, session, filter_, bundle=bundle)
        subscription.start(None)
        self._open[subscription] = client

    def close(self, chance: random.Random) -> None:
        subscription = chance.choice(list(self._open))
        subscription.stop()
        del self._open[subscription]

    async def change(self, chance: random.Random) -> None:
        """Change the auth list of one user, as a check of its token does."""
        session = chance.choice(list(self._open)).session
        session.viewer = await self.viewer(auth_list(chance), session.user, session.eauth)
        for subscription in self._open:
            if subscription.session is session:
                subscription.regroup()

    def check(self, event: Event, plain: PlainVisibility, counts: Counter[str]) -> None:
        """Compare what each got with a plain decision about it alone."""
        for subscription, client in self._open.items():
            filter_, viewer = subscription.filter, subscription.session.viewer
            body = plain.view(viewer, event) if filter_.matches(event) else None
            body = None if body is None else filter_.select(event, body)
            got = b"".join(client.socket.written)
            client.socket.written.clear()
            assert (body is not None) is bool(got), (event.tag, viewer.user, viewer.permissions.auth_list)
            assert body is None or body in got, (event.tag, viewer.permissions.auth_list)
            counts["seen" if body is not None else "hidden"] += 1
            counts[f"{event.topic.kind.name} seen"] += body is not None
        event.forget_derived()


class Masters:
    """A master whose minions and their grains change."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self.sets: dict[str, list[str]] = {target: self._some() for target in TARGETS}
        self.failing = False

    async def match(self, expression: str) -> list[str]:
        if self.failing:
            raise ApiError(self._chance.choice(["master_unavailable", "bad_message"]), "the store fails")
        return self.sets.get(expression, [])

    def _some(self) -> list[str]:
        return self._chance.sample(MINIONS[:-1], self._chance.randint(0, 4))

    async def change(self, targets: TargetSets) -> None:
        """Change the minions of one target; the engine reads all sets again."""
        self.sets[self._chance.choice(TARGETS)] = self._some()
        self.failing = self._chance.random() < 0.1
        targets.invalidate()
        await targets.renew()


def fire(world: World, chance: random.Random) -> None:
    """Put any event on the bus."""
    chance.choices(list(EVENTS), list(EVENTS.values()))[0](world, chance)


def publish(world: World, chance: random.Random) -> None:
    jid, (fun, arg) = chance.choice(JIDS), chance.choice(CALLS)
    names = [*chance.sample(MINIONS[:-1], chance.randint(0, 5)), *chance.choices(["web1"], k=chance.randint(0, 1))]
    more = {"minions": names, "missing": chance.sample(MINIONS, 1), "user": chance.choice(USERS), "jid": jid}
    world.fire(f"salt/job/{jid}/new", fun=fun, arg=arg, tgt="web*", tgt_type="glob", **more)


def answer(world: World, chance: random.Random) -> None:
    jid, minion = chance.choice(JIDS + RUNNER_JIDS[:1]), chance.choice(MINIONS)
    sender = minion if chance.random() < 0.8 else chance.choice(MINIONS)
    data = {"cmd": "_return", "id": sender, "fun": "test.ping", "return": True, "retcode": 0}
    world.fire(f"salt/job/{jid}/ret/{minion}", **data, jid=jid)


def report(world: World, chance: random.Random) -> None:
    jid, minion, sender = chance.choice(JIDS), chance.choice(MINIONS), chance.choice(MINIONS)
    tag = chance.choice([f"salt/job/{jid}/prog/{minion}/0", f"salt/job/{jid}/sub/{minion}/error/x"])
    world.fire(tag, cmd="_minion_event", id=sender, data={"percent": 5})


def call(world: World, chance: random.Random) -> None:
    jid, (fun, arg) = chance.choice(RUNNER_JIDS + JIDS[:1]), chance.choice(RUNNERS)
    kind, user = chance.choice(["run", "wheel"]), chance.choice(USERS)
    name = "runner" if kind == "run" else "wheel"
    action = chance.choice(["new", "ret"])
    world.fire(f"salt/{kind}/{jid}/{action}", fun=f"{name}.{fun}", fun_args=arg, user=user, jid=jid)


def custom(world: World, chance: random.Random) -> None:
    sender = chance.choice(MINIONS)
    world.fire(chance.choice(TAGS), cmd="_minion_event", id=sender, data={"x": 1})


def other(world: World, chance: random.Random) -> None:
    world.fire(chance.choice([*TAGS, "salt/auth", "salt/key", "salt/stats/x", "file.managed", JID, "syndic/m/x"]), x=1)


def minion(world: World, chance: random.Random) -> None:
    name = chance.choice(MINIONS)
    tags = [f"salt/minion/{name}/start", f"minion/refresh/{name}", f"resource/refresh/{name}"]
    world.fire(chance.choice([*tags, f"salt/beacon/{name}/load/"]), id=name)


def presence(world: World, chance: random.Random) -> None:
    names = chance.choices(MINIONS, k=chance.randint(0, 6))
    world.fire(f"salt/presence/{chance.choice(['present', 'change'])}", present=names, new=names[:2], lost=names[2:])


EVENTS: dict[Callable[[World, random.Random], None], int] = {
    publish: 3,
    answer: 6,
    report: 2,
    call: 2,
    custom: 2,
    other: 3,
    minion: 2,
    presence: 1,
}


def learn(world: World, chance: random.Random) -> None:
    """Add a job of the job cache, or one that was started here; it may be one that only a return is known of."""
    jid, (fun, arg), named = chance.choice(JIDS), chance.choice(CALLS), chance.sample(MINIONS[:-1], 3)
    if chance.random() < 0.3:
        load = {"fun": fun, "arg": arg, "tgt": "*", "minions": named}
        world.jobs.add_started(jid, load, chance.choice(USERS), chance.choice(["pam", "ldap"]))
    else:
        known = Job(
            jid, fun=fun, arg=arg, user=chance.choice([None, *USERS]), reported_by=chance.choice([None, *named])
        )
        known.expect(named)
        world.jobs.add_cached(known)


@pytest.mark.parametrize("syndics", [False, True])
@pytest.mark.parametrize("cluster_id", [None, "master1"])
@pytest.mark.parametrize("seed", range(3))
async def test_everybody_gets_what_a_plain_decision_gives(
    seed: int, cluster_id: str | None, syndics: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever changes: users, auth lists, targets, and what is known of jobs. Few jobs, and few answers, are kept."""
    monkeypatch.setattr(viewer_index, "MAX_REQUIREMENTS", 5)
    monkeypatch.setattr(viewer_index, "MAX_BY_MINION", 12)
    chance = random.Random(f"{seed} {cluster_id} {syndics}")
    world = World(syndics=syndics, cluster_id=cluster_id, max_jobs=4)
    masters = Masters(chance)
    targets = TargetSets(masters.match, world.time)
    world.hub._routes._viewers._targets = targets
    clients, counts = Clients(world, targets), Counter[str]()
    plain = PlainVisibility(world.jobs.get, lambda expression, name: name in targets._sets.get(expression, ()))
    for _ in range(600):
        step = chance.random()
        if step < 0.1 or len(clients) < 4:
            await clients.open(chance)
        elif step < 0.15:
            clients.close(chance)
        elif step < 0.2:
            await clients.change(chance)
        elif step < 0.25:
            await masters.change(targets)
        elif step < 0.27:
            world.time.pass_(FORGET_SECONDS + 1)
            await targets.renew()
        elif step < 0.35:
            learn(world, chance)
        else:
            fire(world, chance)
            world.time.pass_(0.1)  # what is bundled is sent
            (event,) = world.history.after(world.history.seq - 1)
            assert isinstance(event, Event)
            clients.check(event, plain, counts)
    assert min(counts["seen"], counts["hidden"]) > 400
    kinds = ("JOB_NEW", "JOB_MINION", "RUN", "WHEEL", "CUSTOM", "OTHER", "MINION", "REFRESH", "BEACON", "PRESENCE")
    assert sum(counts[f"{kind} seen"] > 0 for kind in kinds) >= 8


# Who is asked


class Asking(Visibility):
    """Counts the viewers about whom it decides."""

    def __init__(self, world: World) -> None:
        super().__init__(world.jobs.get, "root")
        self.asked: list[str] = []

    def view(self, viewer: Viewer, event: Event) -> bytes | None:
        self.asked.append(viewer.user)
        return super().view(viewer, event)


def subscribe(world: World, lists: Iterable[tuple[str, list[Any]]]) -> tuple[Asking, dict[str, Session]]:
    """Subscribe users to all events; return what counts those about whom the hub decides."""
    asking = world.hub._visibility = Asking(world)
    sessions = {}
    for user, entries in lists:
        sessions[user] = world.session(*entries, user=user)
        EventSubscription(world.hub, Client().connection, 1, sessions[user], filter_of({})).start(None)
    return asking, sessions


def fleet(world: World, more: tuple[Any, ...] = ()) -> tuple[Asking, dict[str, Session]]:
    """Subscribe an admin, and 50 users with two minions each."""
    for number in range(50):
        world.targets.sets[f"m{number}-*"] = {f"m{number}-a", f"m{number}-b"}
    users = [(f"user{number}", [{f"m{number}-*": ["test.*"]}, *more]) for number in range(50)]
    return subscribe(world, [("admin", [".*"]), *users])


def test_only_users_of_the_minion_are_asked_about_a_return() -> None:
    """And users who see everything."""
    world = World()
    asking, _ = fleet(world)
    world.publish("m7-a", "m8-b")
    asking.asked.clear()
    world.answer("m7-a")
    assert asking.asked == ["admin", "user7"]


def test_only_owners_are_asked_about_a_return_of_a_minion_of_nobody() -> None:
    """A user sees the own jobs on every minion."""
    world = World()
    asking, _ = fleet(world)
    world.publish("m99-a", user="user3")
    asking.asked.clear()
    world.answer("m99-a")
    assert asking.asked == ["admin", "user3"]


@pytest.mark.parametrize("more", [(), ("state.apply",), ({"@events": ["tag:team/*"]},)])
def test_nobody_with_a_few_minions_is_asked_about_other_events(more: tuple[Any, ...]) -> None:
    """Functions on all minions, and patterns of other tags, do not show them either."""
    world = World()
    asking, _ = fleet(world, more)
    world.fire("myco/deploy")
    world.fire("salt/auth", id="m7-a")
    world.fire("salt/stats/x")
    assert asking.asked == ["admin"] * 3


def test_users_are_asked_about_tags_that_fit_their_patterns() -> None:
    """Each of the patterns of a user counts."""
    world = World()
    lists = [(f"user{number}", [{"@events": ["tag:a/*", f"tag:team{number}/*"]}]) for number in range(5)]
    asking, _ = subscribe(world, lists)
    world.fire("team3/x")
    assert asking.asked == ["user3"]


def test_a_user_whose_targets_change_is_asked_at_once() -> None:
    """What was found for a minion before is dropped."""
    world = World()
    asking, _ = fleet(world)
    world.publish("m7-a", "m8-b")
    world.answer("m7-a")
    world.targets.sets["m9-*"].add("m7-a")
    asking.asked.clear()
    world.answer("m7-a")
    assert sorted(asking.asked) == ["admin", "user7", "user9"]


def test_a_user_who_leaves_is_asked_no_longer() -> None:
    """One with two subscriptions leaves with the second."""
    world = World()
    asking, _ = fleet(world)
    subscriptions = [
        EventSubscription(world.hub, Client().connection, 1, world.session({"m7-*": ["test.*"]}), filter_of(message))
        for message in ({}, {"tag": "salt/"})
    ]
    for subscription in subscriptions:
        subscription.start(None)
    world.publish("m7-a")
    for left, asked in ((2, 2), (1, 1), (0, 0)):
        asking.asked.clear()
        world.answer("m7-a")
        assert (asking.asked.count("ann"), asking.asked.count("user7")) == (asked, 1)
        if left:
            subscriptions[left - 1].stop()


def test_nothing_is_kept_of_a_user_who_left() -> None:
    """What was found for events until then names users too."""
    world = World()
    fleet(world)
    subscription = EventSubscription(world.hub, Client().connection, 1, world.session("test.*"), filter_of({}))
    viewer = weakref.ref(subscription.session.viewer)
    subscription.start(None)
    world.publish("m7-a")
    world.answer("m7-a")
    subscription.stop()
    del subscription
    gc.collect()
    assert viewer() is None


def test_an_entry_that_fails_hides_nothing_from_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor from its user: the decision about the user is made, and reports the fault."""
    world = World()
    asking, sessions = fleet(world)

    def fail(fun: str) -> bool:
        raise TypeError(fun)

    monkeypatch.setattr(sessions["user3"].permissions, "may_run_everywhere_somehow", fail)
    world.publish("m7-a")
    asking.asked.clear()
    world.answer("m7-a")
    assert sorted(asking.asked) == ["admin", "user3", "user7"]


def test_what_is_kept_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    """Minions and functions are named on the bus, where anybody may name them."""
    monkeypatch.setattr(viewer_index, "MAX_REQUIREMENTS", 3)
    monkeypatch.setattr(viewer_index, "MAX_BY_MINION", 10)
    world = World()
    fleet(world)
    kept: ViewerIndex = world.hub._routes._viewers
    for number in range(100):
        jid = f"202611231200000{number:05}"
        world.fire(f"salt/job/{jid}/new", fun=f"x.y{number}", arg=[], minions=[f"x{number}"], user="root", jid=jid)
        world.fire(f"salt/job/{jid}/ret/x{number}", cmd="_return", id=f"x{number}", jid=jid, fun="x", **{"return": 1})
    assert len(kept._everywhere) <= 3
    assert len(kept._by_minion) <= 10


@pytest.mark.parametrize("kind", ["job", "run"])
def test_nothing_is_kept_for_long_names(kind: str) -> None:
    """Thousands of these would take gigabytes; their events are delivered all the same."""
    world, client, name = World(), Client(), "x" * 1000
    fleet(world)
    EventSubscription(world.hub, client.connection, 1, world.session(user="ann"), filter_of({})).start(None)
    kept: ViewerIndex = world.hub._routes._viewers
    about = {"jid": JID, "user": "ann", "arg": [], "fun": name}
    world.fire(f"salt/{kind}/{JID}/new", **about, minions=[name])
    world.fire(f"salt/{kind}/{JID}/ret/{name}", **about, cmd="_return", id=name, **{"return": 1})
    assert [message["tag"].split("/")[3] for message in client.got if message["type"] == "event"] == ["new", "ret"]
    assert not any(name in str(one) for one in (*kept._by_minion, *kept._everywhere))


def test_the_filter_is_applied_once_for_all_users(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many users have the same."""
    world = World()
    fleet(world)
    applied = []
    found = filter_of({}).__class__.matches
    monkeypatch.setattr(filter_of({}).__class__, "matches", lambda one, event: applied.append(one) or found(one, event))
    world.fire("myco/deploy")
    assert len(applied) == 1


def test_what_is_sent_is_decided_before_anybody_gets_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that joins while the event is sent to others has it from the history: it must not get it twice."""
    world, late = World(), Client()
    subscribe(world, [(f"user{number}", [".*"]) for number in range(3)])
    deliver, joined = Group.deliver, list[EventSubscription]()

    def join_meanwhile(group: Group, event: Event, body: bytes) -> None:
        deliver(group, event, body)
        if not joined:
            joined.append(
                EventSubscription(world.hub, late.connection, 1, world.session(".*", user="late"), filter_of({}))
            )
            joined[0].start(0)

    monkeypatch.setattr(Group, "deliver", join_meanwhile)
    world.fire("myco/deploy")
    assert [message["seq"] for message in late.got if message["type"] == "event"] == [1]
