"""Counts of the fleet: minions by key and connection, jobs by function and outcome, the last highstates."""

from __future__ import annotations

from typing import Any

import pytest
from websocket_api.core import fleet
from websocket_api.core.fleet import functions
from websocket_api.core.fleet.functions import MAX_FUNCTIONS, OFTEN
from websocket_api.core.fleet.highstates import Highstate, is_highstate

from tests.unit.core.support import World

MINIONS = ("db", "web1", "web2")


class Counted:
    """A world whose fleet is counted."""

    def __init__(self, max_highstates: int = 0, *, syndics: bool = False) -> None:
        self.world = World(syndics=syndics)
        self.fleet = fleet.build(
            jobs=self.world.jobs, minions=self.world.minions, max_highstates=max_highstates, wall=self.world.time
        )
        self.world.minions.read_keys(dict.fromkeys(MINIONS, "accepted"))
        self._number = 0

    def job(self, fun: Any, retcode: int = 0, *, minion: str = "web1", arg: Any = ()) -> None:
        """Let a minion run a job."""
        self._number += 1
        jid = f"20261123120000{self._number:06}"
        self.world.fire(f"salt/job/{jid}/new", fun=fun, arg=list(arg), minions=[minion], tgt=minion, tgt_type="glob")
        self.returned(jid, fun, minion, retcode, arg)

    def returned(self, jid: str, fun: Any, minion: str, retcode: int = 0, arg: Any = ()) -> None:
        """Put a minion's return on the bus."""
        data = {"cmd": "_return", "id": minion, "jid": jid, "fun": fun, "fun_args": list(arg), "retcode": retcode}
        self.world.fire(f"salt/job/{jid}/ret/{minion}", **data, success=not retcode, **{"return": True})


def test_each_minion_counts_once_by_key_and_connection() -> None:
    """A change moves the minion from one count to another; an emptied count stays as 0."""
    counted = Counted()
    counts, minions = counted.fleet.minions.by_state, counted.world.minions
    assert counts == {("accepted", "unknown"): 3}
    counted.job("test.ping")
    assert counts == {("accepted", "unknown"): 2, ("accepted", "connected"): 1}
    minions.absent(["web1", "web1", "nobody"])
    minions.read_keys({"web1": "accepted", "web2": "rejected", "new": "pending"})
    assert counts == {
        ("accepted", "unknown"): 0,
        ("accepted", "connected"): 0,
        ("accepted", "disconnected"): 1,
        ("rejected", "unknown"): 1,
        ("pending", "unknown"): 1,
    }


def test_minions_below_count_by_syndic_and_syndics_by_connection() -> None:
    """Minions of masters below have no key here."""
    counted = Counted(syndics=True)
    counted.world.minions.read_keys(dict.fromkeys(MINIONS, "accepted"), ["db"])
    counted.world.minions.absent(["db"])
    counted.world.fire(f"syndic/db/salt/job/{'2' * 20}/new", minions=["low1", "low2"])
    counts = counted.fleet.minions
    assert (counts.by_state["below", "unknown"], counts.below, counts.syndics) == (2, {"db": 2}, {"db": False})
    counted.world.minions.read_keys({"web1": "accepted", "low1": "accepted"}, [])
    assert counts.below == {"db": 1}


def test_syndics_beyond_the_limit_count_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the number of labels is limited."""
    monkeypatch.setattr("websocket_api.core.fleet.minions.MAX_SYNDICS", 1)
    counted = Counted(syndics=True)
    counted.world.minions.read_keys(dict.fromkeys(MINIONS, "accepted"), MINIONS)
    for syndic, low in (("db", ["a", "b"]), ("web1", ["c"]), ("web2", ["d"])):
        counted.world.fire(f"syndic/{syndic}/salt/job/{'2' * 20}/new", minions=low)
    assert counted.fleet.minions.below == {"db": 2, "other": 2}


def test_a_resource_counts_as_one() -> None:
    """It has no key, and is below no master."""
    counted = Counted()
    counted.world.minions.read_keys(dict.fromkeys(MINIONS, "accepted"), registered={"lamp": ("dummy", "db")})
    assert counted.fleet.minions.by_state["resource", "unknown"] == 1


def test_jobs_count_once_when_they_end() -> None:
    """By function and outcome; a late return does not count again."""
    counted = Counted()
    counted.job("state.apply")
    counted.job("state.apply", retcode=2)
    jid = "20261123120000000009"
    counted.world.fire(f"salt/job/{jid}/new", fun="test.ping", arg=[], minions=["web1", "web2"], tgt="*")
    counted.returned(jid, "test.ping", "web1")
    assert ("job", "test.ping") not in {one[:2] for one in +counted.fleet.jobs.ended}
    job = counted.world.jobs.get(jid)
    assert job is not None
    counted.world.jobs.give_up(job, ["web2"], "missing")
    counted.returned(jid, "test.ping", "web2")
    counted.world.fire(f"salt/run/{jid[:-1]}8/new", fun="runner.state.apply", user="ann", jid=f"{jid[:-1]}8")
    end = {"fun": "runner.state.apply", "user": "ann", "jid": f"{jid[:-1]}8", "return": {}, "success": False}
    counted.world.fire(f"salt/run/{jid[:-1]}8/ret", **end)
    assert +counted.fleet.jobs.ended == {
        ("job", "state.apply", "complete"): 1,
        ("job", "state.apply", "failed"): 1,
        ("job", "test.ping", "partial"): 1,
        ("runner", "state.apply", "failed"): 1,
    }


def test_the_main_functions_have_zeros_from_the_start() -> None:
    """Otherwise Prometheus would see no increase by the first failed state."""
    assert Counted().fleet.jobs.ended["job", "state.apply", "failed"] == 0
    assert ("job", "state.apply", "failed") in Counted().fleet.jobs.ended


def test_questions_of_salts_clients_are_no_jobs() -> None:
    """They run ``saltutil.find_job`` again and again."""
    counted = Counted()
    counted.job("saltutil.find_job")
    assert not +counted.fleet.jobs.ended


def test_a_function_gets_its_label_when_it_is_used_often() -> None:
    """Earlier jobs stay in ``other``: counters never decrease."""
    counted = Counted()
    for _ in range(OFTEN + 1):
        counted.job("disk.usage")
    ended = counted.fleet.jobs.ended
    assert +ended == {("job", "other", "complete"): OFTEN - 1, ("job", "disk.usage", "complete"): 2}


@pytest.mark.parametrize(
    "fun",
    ["nodot", "a" * 65 + ".x", ["test.ping", "disk.usage"], "test.ping,disk.usage", 'a.b"}', "a.b\n", "é.x"],
)
def test_an_odd_name_never_becomes_a_label(fun: Any) -> None:
    """However often it comes; Salt's compound command has no function of its own."""
    counted = Counted()
    for _ in range(OFTEN + 1):
        counted.job(fun)
    assert {one.function for one in +counted.fleet.jobs.ended} == {"other"}


def test_labels_of_functions_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever names users send, and however often."""
    monkeypatch.setattr(functions, "MAX_CANDIDATES", 10)
    counts = Counted().fleet.jobs
    for number in range(300):
        for _ in range(OFTEN):
            counts._label(f"made.up{number}")
        assert len(counts._candidates) <= 10
    assert {counts._label(f"made.up{number}") for number in range(300)} >= {"other", "made.up0"}
    assert len(counts._named) + len(functions.ALWAYS) == MAX_FUNCTIONS
    assert counts._label("state.apply") == "state.apply"


def test_the_last_highstate_of_each_minion_is_kept() -> None:
    """Also of one that the minion ran on a schedule, which no job announces; single states do not count."""
    counted = Counted(10)
    counted.job("state.apply")
    counted.job("state.apply", minion="web2", arg=["nginx"])
    counted.world.time.pass_(60)
    now = counted.world.time.now
    counted.returned("20261123120000000900", "state.highstate", "db", retcode=2)
    assert counted.fleet.highstates.last == {"web1": Highstate(now - 60, True), "db": Highstate(now, False)}
    counted.job("state.highstate", minion="db")
    assert counted.fleet.highstates.last["db"] == (now, True)


def test_highstates_are_limited_and_those_of_deleted_minions_dropped() -> None:
    """So that a scrape stays small."""
    counted = Counted(1)
    counted.job("state.apply", minion="web1")
    counted.job("state.apply", minion="web2")
    assert (list(counted.fleet.highstates.last), counted.fleet.highstates.left_out) == (["web1"], 1)
    counted.world.minions.read_keys({"web2": "accepted"})
    assert not counted.fleet.highstates.last
    counted.job("state.apply", minion="web2")
    assert list(counted.fleet.highstates.last) == ["web2"]


def test_without_the_option_no_highstate_is_kept() -> None:
    """Ids of minions are labels only if the operator wants them."""
    counted = Counted()
    counted.job("state.apply")
    assert (counted.fleet.highstates.last, counted.fleet.highstates.left_out) == ({}, 0)


def test_a_minion_cannot_report_a_highstate_of_another() -> None:
    """The master checks the id in the envelope; the tag alone proves nothing."""
    counted = Counted(10)
    data = {"cmd": "_return", "id": "web1", "jid": "20261123120000000900", "fun": "state.highstate", "return": {}}
    counted.world.fire("salt/job/20261123120000000900/ret/db", **data)
    assert not counted.fleet.highstates.last


@pytest.mark.parametrize(
    ("fun", "arguments", "expected"),
    [
        ("state.apply", [], True),
        ("state.apply", None, True),
        ("state.highstate", ["queue=True"], True),
        ("state.apply", [{"__kwarg__": True, "queue": True}], True),
        ("state.apply", ["test=False"], True),
        ("state.apply", ["nginx"], False),
        ("state.apply", ["mods=nginx"], False),
        ("state.apply", [{"__kwarg__": True, "mods": "nginx"}], False),
        ("state.apply", [{"__kwarg__": True, "test": True}], False),
        ("state.highstate", ["test=True"], False),
        ("state.sls", [], False),
        ("test.ping", [], False),
        (["state.apply"], [[]], False),
        (None, None, False),
    ],
)
def test_what_counts_as_a_highstate(fun: Any, arguments: Any, expected: bool) -> None:
    """All states of the minion, and no dry run."""
    assert is_highstate(fun, arguments) is expected
