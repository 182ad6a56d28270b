"""The counted memory of jobs and events is what they take; else a limit in MiB would not hold."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable
from typing import Any

import msgpack  # type: ignore[import-untyped]
import pytest
from websocket_api.core.jobs import store
from websocket_api.core.subscriptions.jobs import JobFeed

from tests.unit.core.support import World

NUMBER = 2000
NAMES = [f"minion{number:04}" for number in range(NUMBER)]


def from_bus(data: dict[str, Any]) -> dict[str, Any]:
    """Return data whose strings are not those of an earlier event."""
    value: dict[str, Any] = msgpack.unpackb(msgpack.packb(data))
    return value


def run(world: World, jid: str, minions: list[str], value: Callable[[int], Any]) -> None:
    """Announce a job, and return for each of its minions."""
    about = {"jid": jid, "fun": "test.ping"}
    new = {**about, "arg": [], "tgt": "*", "tgt_type": "glob", "user": "root", "minions": minions, "missing": []}
    world.fire(f"salt/job/{jid}/new", **from_bus(new))
    for number, name in enumerate(minions):
        done = {"cmd": "_return", "id": name, "success": True, "return": value(number), "retcode": 0, "fun_args": []}
        stamp = f"2026-11-23T12:00:00.{number:06}"
        world.hub.publish(f"salt/job/{jid}/ret/{name}", from_bus({**done, **about, "_stamp": stamp}))


def grown(work: Callable[[], None]) -> int:
    """Return the bytes that the work leaves."""
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        work()
        gc.collect()
        return tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()


def world_of(monkeypatch: pytest.MonkeyPatch, events: int) -> World:
    """Return a world that has seen a job on all minions, and keeps no log of changes."""
    monkeypatch.setattr(store, "MAX_BYTES", 1 << 40)
    monkeypatch.setattr(JobFeed, "_on_change", lambda *_: None)
    world = World(events=events, size=1 << 40)
    world.minions.read_keys(from_bus(dict.fromkeys(NAMES, "accepted")))
    run(world, jid(0), NAMES, lambda number: True)
    return world


def jid(number: int) -> str:
    return f"20261123120000{number:06}"


@pytest.mark.parametrize(
    ("value", "max_bytes"),
    [(lambda number: True, 200), (lambda number: f"{number:04} " * 100, 800)],
    ids=["of test.ping", "a text"],
)
def test_the_counted_memory_of_a_part_is_what_it_takes(
    value: Callable[[int], Any], max_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a large job: its names are those of the minions, and nothing is kept of the event around a return."""
    world = world_of(monkeypatch, events=1)
    before = world.jobs._bytes
    taken = grown(lambda: run(world, jid(1), NAMES, value)) / NUMBER
    counted = (world.jobs._bytes - before) / NUMBER
    assert taken <= max_bytes
    assert counted * 0.75 < taken < counted * 1.2, (taken, counted)


@pytest.mark.parametrize(
    "value",
    [
        lambda number: {},
        lambda number: [[], [], [1.5], ["a"], {}] * 10,
        lambda number: {f"/etc/file{one}": {"result": True, "changes": {}, "comment": "as wanted"} for one in range(9)},
        lambda number: ["a" * 3000 + "\u20ac"],
        lambda number: {"stdout": "a" * 3000 + "\U0001f600"},
    ],
    ids=["nothing", "lists", "states", "a wide character", "a wider character"],
)
def test_other_returns_take_less_memory_than_counted(
    value: Callable[[int], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Small values take many times their text, and the text does not tell which of them share objects."""
    world = world_of(monkeypatch, events=1)
    before = world.jobs._bytes
    assert grown(lambda: run(world, jid(1), NAMES, value)) < 1.2 * (world.jobs._bytes - before)


def test_the_counted_memory_of_a_small_job_is_what_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of jobs on a minion each are limited too."""
    world = world_of(monkeypatch, events=1)
    world.jobs._retention._max_jobs = 10 * NUMBER

    def work() -> None:
        for number in range(1, NUMBER):
            run(world, jid(number), NAMES[number : number + 1], lambda _: True)

    before = world.jobs._bytes
    taken = grown(work)
    counted = world.jobs._bytes - before
    assert counted * 0.7 < taken < counted * 1.3, (taken / NUMBER, counted / NUMBER)


def test_the_counted_memory_of_an_event_is_what_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the objects around its body, and the part of the job."""
    world = world_of(monkeypatch, events=100_000)
    before = world.history.bytes + world.jobs._bytes
    taken = grown(lambda: run(world, jid(1), NAMES, lambda number: True))
    counted = world.history.bytes + world.jobs._bytes - before
    assert counted * 0.8 < taken < counted * 1.2, (taken / NUMBER, counted / NUMBER)


def test_the_names_of_a_fleet_are_kept_once() -> None:
    """The jobs, their minions and the events have the same objects, as they come from the bus again and again."""
    world = World()
    world.minions.read_keys(from_bus(dict.fromkeys(NAMES[:2], "accepted")))
    run(world, jid(0), NAMES[:2], lambda number: True)
    run(world, jid(1), NAMES[:2], lambda number: True)
    parts = [{id(name) for name in world.jobs.get(jid(number)).parts} for number in (0, 1)]  # type: ignore[union-attr]
    assert parts == [{id(name) for name in world.minions.all()}] * 2
    assert {id(event.topic.minion) for event in world.history.after(0) if event.topic.minion} == parts[0]  # type: ignore[union-attr]
    assert len({id(event.fun) for event in world.history.after(0)}) == 1  # type: ignore[union-attr]
