"""No change is lost between a snapshot and the changes after it, however much happens during the snapshot."""

from __future__ import annotations

import contextlib
import itertools
import json
import urllib.request
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
NAMES = [f"m{number:04d}" for number in range(1200)]  # three chunks of a snapshot
AT_ONCE = 40  # of them change while a snapshot is sent, thirty times

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


class Followed:
    """A subscription from its snapshot to its last change.

    :param complete: whether a state needs no more changes
    """

    def __init__(self, client: Client, number: int, complete: Callable[[dict[str, Any]], bool]) -> None:
        self.known: dict[str, Any] = {}
        self._client, self._number, self._complete = client, number, complete
        self._read(lambda frame: frame["type"] == "live")
        self.began_incomplete = not complete(self.known)

    def finish(self) -> dict[str, Any]:
        """Return the complete state."""
        if not self._complete(self.known):
            self._read(lambda _: self._complete(self.known))
        return self.known

    def _read(self, until: Callable[[Frame], bool]) -> None:
        def read(frame: Frame) -> bool:
            self.known.update(frame.get("minions", {}))
            return until(frame)

        self._client.frames(until=read, subscription=self._number)


def test_salt_apis_list_of_jobs_has_whole_targets(engine: Engine, client: Client, bus: Publisher) -> None:
    """As Salt's runner `jobs.list_jobs` has them; the native list cuts long ones."""
    jid = next(JIDS)
    new = {"fun": "test.echo", "arg": [], "tgt": NAMES, "tgt_type": "list", "user": "root", "jid": jid}
    bus.send((f"salt/job/{jid}/new", {**new, "minions": NAMES, "missing": [], "_stamp": stamp(jid)}))
    wait_until(lambda: jid in [job["jid"] for job in client.ask("list_jobs")], "the job")
    (listed,) = client.ask("list_jobs", since=str(int(jid) - 1), before=str(int(jid) + 1))
    assert (listed["tgt"], listed["tgt_length"]) == (NAMES[:100], len(NAMES))
    request = urllib.request.Request(f"http://127.0.0.1:{engine.port}/jobs", headers={"X-Auth-Token": engine.token()})
    with urllib.request.urlopen(request, timeout=20) as response:
        assert json.load(response)["return"][0][jid]["Target"] == NAMES


def test_no_return_is_lost_between_the_snapshot_of_a_job_and_its_changes(client: Client, bus: Publisher) -> None:
    """Subscriptions that begin while minions return all get every return."""
    jid = next(JIDS)
    new = {"fun": "test.echo", "arg": [], "tgt": "*", "tgt_type": "glob", "user": "root", "jid": jid}
    bus.send((f"salt/job/{jid}/new", {**new, "minions": NAMES, "missing": [], "_stamp": stamp(jid)}))
    wait_until(lambda: jid in [job["jid"] for job in client.ask("list_jobs")], "the job")

    def complete(known: dict[str, Any]) -> bool:
        return len(known) == len(NAMES) and all(one["return"] for one in known.values())

    followed = []
    for names in portions():
        returned = {"cmd": "_return", "jid": jid, "fun": "test.echo", "retcode": 0, "success": True}
        bus.send(*[(f"salt/job/{jid}/ret/{name}", {**returned, "id": name, "return": name}) for name in names])
        number = client.ask("subscribe", subscription="job", jid=jid)["subscription"]
        followed.append(Followed(client, number, complete))
    for one in followed:
        assert {name: part["return"] for name, part in one.finish().items()} == {name: name for name in NAMES}
    assert all(one.began_incomplete for one in followed[:-1])


def test_no_minion_is_lost_between_the_snapshot_of_the_fleet_and_its_changes(client: Client, bus: Publisher) -> None:
    """Subscriptions that begin while minions start all show every minion as connected."""
    bus.send(("salt/presence/change", {"new": [], "lost": NAMES}))
    wait_until(
        lambda: [one["connected"] for one in client.ask("list_minions")] == [False] * len(NAMES), "the minions' absence"
    )

    def complete(known: dict[str, Any]) -> bool:
        return len(known) == len(NAMES) and all(one["connected"] for one in known.values())

    followed = []
    for names in portions():
        started = {"cmd": "_minion_event", "data": "started", "pretag": None}
        tags = {name: f"salt/minion/{name}/start" for name in names}
        bus.send(*[(tag, {**started, "id": name, "tag": tag}) for name, tag in tags.items()])
        number = client.ask("subscribe", subscription="minions")["subscription"]
        followed.append(Followed(client, number, complete))
    for one in followed:
        assert sorted(one.finish()) == NAMES
    assert all(one.began_incomplete for one in followed[:-1])
