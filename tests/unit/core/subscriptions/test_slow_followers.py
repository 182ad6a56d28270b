"""Followers of jobs that read slowly: changes wait for them at no cost, and are encoded once for all of them."""

from __future__ import annotations

import random
from typing import Any

import pytest
from websocket_api.core.access.session import Session
from websocket_api.core.delivery import positions
from websocket_api.core.delivery.outbox import TRANSPORT_BYTES
from websocket_api.core.jobs.part import Part
from websocket_api.core.subscriptions.job_subscription import JobSubscription

from tests.unit.core.subscriptions.test_all_jobs import answer, follow, jid, publish
from tests.unit.core.support import Client, World

WEB = ({"web*": ["test.*"]},)
NAMES = [f"{kind}{number}" for kind in ("web", "db") for number in range(300)]  # more than fit into one frame
FRAMES = 20  # may wait for a client


class Follower:
    """A client that follows all jobs, and at times does not read."""

    def __init__(self, world: World, session: Session) -> None:
        self.data: dict[str, Any] = {}
        self.client = Client(max_frames=FRAMES)
        self.subscription: JobSubscription = follow(world, self.client, session)

    def stop_reading(self) -> None:
        """Read nothing, with so much unread that nothing more may follow."""
        self.client.socket.stuck = True
        while not self.client.outbox.full:
            self.client.connection.send({"type": "reply"})

    def read(self) -> None:
        """Read all there is."""
        self.client.socket.stuck = False
        self.client.outbox.pump()
        for frame in self.client.got:
            if frame["type"] == "job":
                self.data[frame["jid"]] = frame["job"]
                self.data.update({f"{frame['jid']} {name}": part for name, part in frame["minions"].items()})


def settled(world: World, *followers: Follower) -> None:
    """Let all followers read until nothing more comes."""
    for _ in range(20):
        for one in followers:
            one.read()
        world.time.pass_(1)
    assert not any(one.subscription.is_behind or one.client.closed_with for one in followers)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("auth", [(".*",), WEB])
def test_followers_that_read_at_times_have_what_a_new_one_has(auth: tuple[Any, ...], seed: int) -> None:
    """However jobs start, return and return again, and however often the log of changes is too short."""
    world, chance = World(), random.Random(seed)
    world.job_feed.log._max_entries = chance.choice([50, 2000, 20_000])
    world.targets.sets["web*"] = {name for name in NAMES if name.startswith("web")}
    publish(world, 1, *NAMES)
    followers = [Follower(world, world.session(*auth)) for _ in range(4)]
    settled(world, *followers)
    newest = 1
    for _ in range(60):
        one = chance.choice(followers)
        match chance.choice(["publish", "answer", "answer many", "wait", "stop", "read", "read"]):
            case "publish" if newest < 8:
                newest += 1
                publish(world, newest, *NAMES)
            case "answer":
                answer(world, chance.randint(1, newest), chance.choice(NAMES), chance.random())
            case "answer many":
                for name in chance.sample(NAMES, 30):
                    answer(world, newest, name, chance.random())
            case "wait":
                world.time.pass_(chance.choice([0.01, 0.2, 3.0]))
            case "stop":
                one.stop_reading()
            case "read":
                one.read()
    settled(world, *followers)
    new = Follower(world, world.session(*auth))
    settled(world, new)
    assert all(one.data == new.data for one in followers)


def test_what_many_lack_is_encoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not for each follower, and not before the first of them reads, however late that is."""
    world = World()
    followers = [Follower(world, world.session(".*")) for _ in range(20)]
    settled(world, *followers)
    for one in followers:
        one.stop_reading()
    publish(world, 1, *NAMES)
    world.time.pass_(0.2)
    assert all(one.subscription.is_behind for one in followers)
    made: list[Part] = []
    to_dict = Part.to_dict
    monkeypatch.setattr(Part, "to_dict", lambda part: (made.append(part), to_dict(part))[1])
    for name in NAMES[:100]:
        answer(world, 1, name)
        world.time.pass_(0.05)
    assert not made
    for one in followers:
        one.read()
    settled(world, *followers)
    assert len(made) == len(NAMES), "each in its last state"
    assert all(one.data == followers[0].data for one in followers)
    assert followers[0].data[jid(1)]["done"] == 100


def test_a_client_that_does_not_read_keeps_no_changes() -> None:
    """However many there are. It gets the last state of each part when it reads."""
    world = World()
    stuck, reader = (Follower(world, world.session(".*")) for _ in range(2))
    publish(world, 1, *NAMES)
    settled(world, stuck, reader)
    stuck.client.socket.stuck = True
    for value in range(2 * FRAMES):
        for name in NAMES[:5]:
            answer(world, 1, name, value)
        world.time.pass_(0.2)
    assert (stuck.client.outbox.bytes, stuck.client.closed_with) == (0, [])
    settled(world, stuck, reader)
    assert stuck.data == reader.data
    assert stuck.data[f"{jid(1)} {NAMES[0]}"]["return"] == 2 * FRAMES - 1


def test_a_client_for_which_something_always_waits_gets_changes() -> None:
    """They come after what waited before them."""
    world = World()
    busy = Follower(world, world.session(".*"))
    publish(world, 1, *NAMES[:50])
    settled(world, busy)
    write = busy.client.socket.write
    busy.client.socket.write = lambda data: (write(data), setattr(busy.client.socket, "stuck", True))  # type: ignore[assignment]
    busy.client.outbox.max_bytes = 10 * TRANSPORT_BYTES
    for name in NAMES[:50]:
        busy.client.connection.send({"type": "reply", "fill": "x" * TRANSPORT_BYTES})
        answer(world, 1, name)
        world.time.pass_(0.2)
        busy.read()
        assert not busy.client.outbox.idle
    assert busy.data[jid(1)]["done"] > 40


def test_changed_permissions_while_behind_hide_what_changed() -> None:
    """The bytes for others are not those for this one."""
    world = World()
    world.targets.sets["web*"] = {name for name in NAMES if name.startswith("web")}
    publish(world, 1, "web1", "db1")
    free, bound = Follower(world, world.session(".*")), Follower(world, world.session(".*", user="bob"))
    settled(world, free, bound)
    for one in (free, bound):
        one.stop_reading()
    publish(world, 2, *NAMES)
    world.time.pass_(0.2)
    bound.subscription.session.viewer = world.session(*WEB, user="bob").viewer
    bound.subscription.regroup()
    answer(world, 1, "db1", "a secret")
    answer(world, 2, "db1", "a secret")
    world.time.pass_(0.2)
    assert free.subscription.is_behind
    settled(world, free, bound)
    assert free.data[f"{jid(1)} db1"]["return"] == "a secret"
    assert "a secret" not in str(bound.data)


def test_a_log_that_is_too_short_gives_all_jobs() -> None:
    """What changed is not known then."""
    world = World()
    one = Follower(world, world.session(".*"))
    settled(world, one)
    one.stop_reading()
    publish(world, 1, *NAMES)
    world.time.pass_(0.2)
    world.job_feed.log._max_entries = positions.MAX_PASSED // 1000
    for name in NAMES[:50]:
        answer(world, 1, name)
    world.time.pass_(0.2)
    settled(world, one)
    assert sum(part["state"] == "returned" for name, part in one.data.items() if " " in name) == 50
