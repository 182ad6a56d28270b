"""No change is lost between a snapshot and the changes after it, however much happens during the snapshot."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest

pytest.importorskip("salt")
pytest.importorskip("websocket")

from tests.client import Client
from tests.functional.running import Engine
from tests.support.buses import Publisher, stamp
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.both_lines]

JIDS = (f"20260102030405{number:06}" for number in itertools.count(1))  # one for each try
NAMES = [f"m{number:04d}" for number in range(1200)]  # three pieces of a snapshot
AT_ONCE = 40  # of them change between two subscriptions: thirty begin in the middle of it

Frame = dict[str, Any]


@pytest.fixture(scope="module")
def engine(make: Callable[..., Engine]) -> Engine:
    """An engine on a master that knows many minions."""
    engine = make()
    keys = engine.key_dir / "minions"
    keys.mkdir(parents=True)
    for name in NAMES:
        (keys / name).write_text("a key that nobody looks at\n")
    engine.start()
    engine.wait()
    return engine


@pytest.fixture(scope="module")
def make(engine_root: Any, names: Iterator[int]) -> Iterator[Callable[..., Engine]]:
    """Make an engine that is started later and stops with the module."""
    engine = Engine(engine_root / str(next(names)), {})
    engine.give_schemas()
    yield lambda: engine
    engine.stop()


@pytest.fixture(scope="module")
def bus(engine: Engine) -> Iterator[Publisher]:
    """The master's bus."""
    with contextlib.closing(Publisher(engine.sock_dir)) as publisher:
        yield publisher


@pytest.fixture
def client(engine: Engine) -> Iterator[Client]:
    """A client that has logged in."""
    with engine.client("demo") as client:
        yield client


def portions() -> Iterator[list[str]]:
    """Yield the minions in portions."""
    for first in range(0, len(NAMES), AT_ONCE):
        yield NAMES[first : first + AT_ONCE]


def state_of(client: Client, number: int, complete: Callable[[dict[str, Any]], bool]) -> tuple[dict[str, Any], bool]:
    """Return the complete state, and whether it was incomplete when ``live`` arrived."""
    known: dict[str, Any] = {}
    began: list[bool] = []

    def take(frame: Frame) -> bool:
        if frame["type"] == "live":
            began.append(not complete(known))
        known.update(frame.get("minions", {}))
        return bool(began) and complete(known)

    client.frames(until=take, subscription=number)
    return known, began[0]


def test_no_return_is_lost_between_the_snapshot_of_a_job_and_its_changes(client: Client, bus: Publisher) -> None:
    """Subscriptions that begin while minions return all get every return."""
    jid = next(JIDS)
    new = {"fun": "test.echo", "arg": [], "tgt": "*", "tgt_type": "glob", "user": "root", "jid": jid}
    bus.send((f"salt/job/{jid}/new", {**new, "minions": NAMES, "missing": [], "_stamp": stamp(jid)}))
    wait_until(lambda: jid in [job["jid"] for job in client.ask("list_jobs")], "the job")
    numbers = []
    for names in portions():
        returned = {"cmd": "_return", "jid": jid, "fun": "test.echo", "retcode": 0, "success": True}
        bus.send(*[(f"salt/job/{jid}/ret/{name}", {**returned, "id": name, "return": name}) for name in names])
        numbers.append(client.ask("subscribe", subscription="job", jid=jid)["subscription"])
    halfway = 0
    for number in numbers:
        known, in_the_middle = state_of(
            client, number, lambda known: len(known) == len(NAMES) and all(one["return"] for one in known.values())
        )
        assert {name: part["return"] for name, part in known.items()} == {name: name for name in NAMES}
        halfway += in_the_middle
    assert halfway > len(numbers) // 2, "all began when it was over: this test shows nothing"


def test_no_minion_is_lost_between_the_snapshot_of_the_fleet_and_its_changes(client: Client, bus: Publisher) -> None:
    """Subscriptions that begin while minions start all show every minion as connected."""
    bus.send(("salt/presence/change", {"new": [], "lost": NAMES}))
    wait_until(
        lambda: [one["connected"] for one in client.ask("list_minions")] == [False] * len(NAMES), "the minions' absence"
    )
    numbers = []
    for names in portions():
        started = {"cmd": "_minion_event", "data": "started", "pretag": None}
        tags = {name: f"salt/minion/{name}/start" for name in names}
        bus.send(*[(tag, {**started, "id": name, "tag": tag}) for name, tag in tags.items()])
        numbers.append(client.ask("subscribe", subscription="minions")["subscription"])
    halfway = 0
    for number in numbers:
        known, in_the_middle = state_of(
            client, number, lambda known: len(known) == len(NAMES) and all(one["connected"] for one in known.values())
        )
        assert sorted(known) == NAMES
        halfway += in_the_middle
    assert halfway > len(numbers) // 2, "all began when it was over: this test shows nothing"
