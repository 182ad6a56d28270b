"""Subscriptions with ``short_targets``: the same frames with the beginning of long targets, and nothing hidden."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest
from websocket_api.core.access.permissions import Permissions
from websocket_api.core.access.session import Session
from websocket_api.core.access.visibility import Viewer
from websocket_api.core.events.encoding import encode
from websocket_api.core.jobs.job import Job
from websocket_api.core.jobs.short_targets import MAX_CHARACTERS, MAX_NAMES, bytes_left_out, with_short_target
from websocket_api.core.subscriptions.job_subscription import JobSubscription

from tests.unit.core.plain_visibility import PlainVisibility
from tests.unit.core.random_rights import MINIONS, TARGETS, auth_list
from tests.unit.core.subscriptions.test_all_jobs import answer, jid
from tests.unit.core.support import Client, World

LONG = [f"web{number}" for number in range(MAX_NAMES + 20)]
TARGETS_OF_JOBS: list[tuple[Any, str]] = [
    ("web*", "glob"),
    (LONG, "list"),
    (LONG[:MAX_NAMES], "list"),
    (" or ".join(LONG * 4), "compound"),
    ("", "glob"),
    (None, "glob"),
    ({"not": "a target"}, "glob"),
]
CALLS = ["test.ping", "state.apply", "pkg.install", "test.ping,state.apply"]
JIDS = [jid(number) for number in range(1, 9)]


class Pair:
    """A viewer with two subscriptions to the same jobs: one with whole targets, one with short ones."""

    def __init__(self, world: World, chance: random.Random) -> None:
        self.session = world.session(*auth_list(chance), user=chance.choice(["ann", "bob"]))
        known = [job for one in JIDS if (job := world.jobs.get(one)) is not None]
        wanted = known if known and chance.random() < 0.5 else None
        without_return = chance.random() < 0.3
        self.clients = [Client(), Client()]
        self.subscriptions = []
        for client, short in zip(self.clients, (False, True), strict=True):
            less = {"without_return": without_return, "short_targets": short}
            one = JobSubscription(world.job_feed, client.connection, 1, self.session, wanted, **less)
            client.connection.add(one)
            one.start()
            self.subscriptions.append(one)

    def change(self, world: World, chance: random.Random) -> None:
        """Change what the user may see, as a check of the token does."""
        session = self.session
        session.viewer = Viewer(session.user, session.eauth, Permissions(auth_list(chance), world.targets))
        for subscription in self.subscriptions:
            subscription.regroup()

    def check(self, world: World, plain: PlainVisibility, counts: Counter[str]) -> None:
        """Compare the frames with each other, and with a plain decision about each job."""
        whole, short = [client.got for client in self.clients]
        assert [_shortened(frame) for frame in whole] == [_without_view(frame) for frame in short]
        for frame in short:
            if frame["type"] != "job":
                continue
            job, shown = world.jobs.get(frame["jid"]), frame["job"]
            assert job is not None
            sees_all = plain.sees_job(self.session.viewer, job) is True
            is_long = isinstance(job.tgt, (str, list)) and len(job.tgt) > (2000 if isinstance(job.tgt, str) else 100)
            assert ("tgt_length" in shown) == (sees_all and is_long)
            assert sees_all or shown["tgt"] is None
            counts[f"{'all' if sees_all else 'some'} of a {'long' if is_long else 'short'} target"] += 1


def _without_view(frame: dict[str, Any]) -> dict[str, Any]:
    """Leave out the name of the view: each of the two has its own positions."""
    position = frame.get("position")
    return frame if position is None else {**frame, "position": {**position, "view": ""}}


def _shortened(frame: dict[str, Any]) -> dict[str, Any]:
    return {**frame, "job": with_short_target(frame["job"])} if frame["type"] == "job" else _without_view(frame)


def publish(world: World, chance: random.Random) -> None:
    """Announce a job, or one that is known again with another target: the first counts."""
    tgt, tgt_type = chance.choice(TARGETS_OF_JOBS)
    number = chance.choice(JIDS)
    new = {"fun": chance.choice(CALLS), "arg": [], "tgt": tgt, "tgt_type": tgt_type, "jid": number, "missing": []}
    minions = chance.sample(MINIONS[:-1], chance.randint(1, 4))
    world.fire(f"salt/job/{number}/new", **new, minions=minions, user=chance.choice(["ann", "root"]))


def returned(world: World, chance: random.Random) -> None:
    answer(world, chance.randint(1, len(JIDS)), chance.choice(MINIONS[:-1]))


def test_a_short_target_shows_nothing_that_the_whole_one_hides() -> None:
    """A viewer of some minions gets neither a target nor its length. Over random jobs, returns and permissions."""
    counts = Counter[str]()
    for seed in range(12):
        follow_a_history(random.Random(seed), counts)
    assert min(counts[f"{seen} of a {size} target"] for seen in ("all", "some") for size in ("long", "short")) > 20


def follow_a_history(chance: random.Random, counts: Counter[str]) -> None:
    """Let viewers come, and jobs and permissions change."""
    world = World()
    world.targets.sets = {target: set(chance.sample(MINIONS[:-1], chance.randint(0, 4))) for target in TARGETS}
    plain = PlainVisibility(world.jobs.get, world.targets.matches)
    pairs: list[Pair] = []
    for _ in range(150):
        deed = chance.random()
        if deed < 0.1 and len(pairs) < 12:
            pairs.append(Pair(world, chance))
        elif deed < 0.2 and pairs:
            chance.choice(pairs).change(world, chance)
        elif deed < 0.4:
            publish(world, chance)
        else:
            returned(world, chance)
        world.time.pass_(0.2)
        for pair in list(pairs):
            pair.check(world, plain, counts)
            if not pair.clients[0].connection.subscriptions:  # it may see none of its jobs any more
                assert not pair.clients[1].connection.subscriptions
                pairs.remove(pair)


def follow(world: World, session: Session, jobs: list[Job] | None = None, **more: Any) -> Client:
    client = Client()
    subscription = JobSubscription(world.job_feed, client.connection, 1, session, jobs, **more)
    client.connection.add(subscription)
    subscription.start()
    return client


def announce(world: World, number: int, tgt: Any, **more: Any) -> None:
    new = {"fun": "test.ping", "arg": [], "tgt": tgt, "tgt_type": "list", "missing": [], "user": "root", **more}
    world.fire(f"salt/job/{jid(number)}/new", **{"minions": LONG, **new})


def test_followers_with_short_targets_share_their_bytes() -> None:
    """Others get other bytes, which they share too."""
    world = World()
    announce(world, 1, LONG)
    session = world.session(".*")
    clients = [follow(world, session, short_targets=short) for short in (False, True, False, True)]
    for client in clients:
        client.socket.written.clear()
    answer(world, 1, "web1")
    world.time.pass_(1)
    first, second, third, fourth = [client.socket.written[0] for client in clients]
    assert (first is third, second is fourth, len(second) < len(first)) == (True, True, True)


def test_a_change_of_a_job_on_a_long_list_is_small() -> None:
    """Its bytes do not depend on the length of the list."""
    sizes = []
    for length in (200, 5000):
        world, names = World(), [f"m{number:05}" for number in range(length)]
        announce(world, 1, names, minions=names)
        client = follow(world, world.session(".*"), short_targets=True)
        client.socket.written.clear()
        answer(world, 1, names[0])
        world.time.pass_(1)
        (change,) = client.got
        sizes.append(len(encode({**change["job"], "total": 0, "tgt_length": 0, "progress": 0})))
    assert sizes[0] == sizes[1]


def test_a_snapshot_of_many_jobs_on_long_lists_is_weighed_as_it_is_sent() -> None:
    """So that clients that come together share it, though the whole targets are larger than what is kept."""
    world, names = World(), [f"m{number:05}" for number in range(5000)]
    for number in range(1, 6):
        announce(world, number, names, minions=["m00000"])
    session = world.session(".*")
    weights = []
    for short in (False, True):
        client = Client()
        subscription = JobSubscription(world.job_feed, client.connection, 1, session, None, short_targets=short)
        client.connection.add(subscription)
        weights.append(world.job_feed.weigh(subscription, None))
        subscription.start()
        *jobs, _live = client.got
        sent = sum(len(encode(frame)) for frame in jobs)
        assert 0.7 * sent < weights[-1] < 1.3 * sent
    assert weights[1] < weights[0] / 20


LONG_TARGETS: list[Any] = ["x" * MAX_CHARACTERS, "x" * (MAX_CHARACTERS + 7), LONG, LONG[:MAX_NAMES], [None] * 200]


@pytest.mark.parametrize("target", [*LONG_TARGETS, [1, 2], None, {}, 17])
def test_the_bytes_that_are_left_out_are_those_of_the_rest(target: Any) -> None:
    """Exactly for names and text."""
    short = with_short_target({"tgt": target})["tgt"]
    difference = len(encode(target)) - len(encode(short))
    assert bytes_left_out(target) >= difference
    if isinstance(target, str) or target is LONG:
        assert bytes_left_out(target) == difference


def test_a_position_of_an_earlier_release_is_still_valid() -> None:
    """The shape without this filter is what it was, so clients resume after an update."""
    world = World()
    subscription = JobSubscription(world.job_feed, Client().connection, 1, world.session(".*"), None)
    assert subscription.shape == ("job", None, [], False, [])
