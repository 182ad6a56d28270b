"""Requests in flight at a reload: what goes on in the last process, and what is answered at once."""

from __future__ import annotations

import asyncio
import copy
from typing import Any

import pytest
from websocket_api.core.delivery.caller import Caller
from websocket_api.errors import ApiError
from websocket_api.operations.call import OPERATIONS
from websocket_api.protocols import connections as module
from websocket_api.protocols.connections import Connections

from tests.unit.operations.engine import Engine, Refused, Talker

SECONDS = 20.0


async def refused(talker: Talker, kind: str, /, **fields: Any) -> Refused:
    with pytest.raises(Refused) as error:
        await talker.ask(kind, **fields)
    return error.value


async def waiting(talker: Talker, **fields: Any) -> Any:
    """Start a command that waits for its minions; return a function that waits for its result."""
    result = talker.start("cmd", **{"fun": "test.sleep", "tgt": "*", "mode": "sync", **fields})
    await asyncio.sleep(0)
    return result


async def test_a_command_waits_on_for_its_minions() -> None:
    """Its returns no longer get numbers here, and go to no subscription."""
    engine = Engine()
    talker = await engine.user()
    result = await waiting(talker)
    (job,) = engine.services.jobs.newest_first()
    engine.returns(job.jid, "web1", "one")
    await engine.dispatcher.settle(SECONDS)
    number = engine.services.history.seq
    for minion, value in (("web1", "one"), ("web2", "two"), ("db", "three")):
        data = {"cmd": "_return", "id": minion, "jid": job.jid, "fun": "x.y", "retcode": 0, "success": True}
        engine.services.hub.apply(f"salt/job/{job.jid}/ret/{minion}", {**data, "return": value})
    shown = await result()
    assert {name: part["return"] for name, part in shown["minions"].items()} == {
        "web1": "one",
        "web2": "two",
        "db": "three",
    }
    assert (shown["state"], engine.services.history.seq) == ("complete", number)


async def test_a_runner_waits_on_for_its_end() -> None:
    """As for returns of minions."""
    engine = Engine()
    talker = await engine.user()
    result = talker.start("runner", fun="test.sleep", mode="sync")
    await asyncio.sleep(0)
    await engine.dispatcher.settle(SECONDS)
    (job,) = engine.services.jobs.newest_first()
    done = {"fun": "runner.test.sleep", "user": "ann", "jid": job.jid, "return": "slept", "success": True}
    engine.services.hub.apply(f"salt/run/{job.jid}/ret", done)
    assert await result() == "slept"


async def test_a_lookup_waits_on_for_its_minion() -> None:
    """The functions of a minion, and the signature of one."""
    engine = Engine()
    talker = await engine.user()
    functions, signature = talker.start("functions", tgt="db"), talker.start("signature", tgt="db", module="test.ping")
    for _ in range(10):
        await asyncio.sleep(0)
    await engine.dispatcher.settle(SECONDS)
    answers = {
        "sys.list_functions": ["test.ping"],
        "sys.argspec": {"test.ping": {"args": [], "defaults": None, "varargs": None, "kwargs": None}},
        "sys.doc": {"test.ping": "Return True."},
    }
    for job in list(engine.services.jobs.newest_first()):
        data = {"cmd": "_return", "id": "db", "jid": job.jid, "fun": job.fun, "retcode": 0, "success": True}
        engine.services.hub.apply(f"salt/job/{job.jid}/ret/db", {**data, "return": answers[str(job.fun)]})
    await asyncio.gather(*[task for task in asyncio.all_tasks() if task is not asyncio.current_task()])
    replies = {reply["id"]: reply for reply in talker.client.got}
    assert [reply["type"] for reply in replies.values()] == ["result", "result"]
    del functions, signature


async def test_events_that_are_seen_twice_count_once() -> None:
    """The further connection to the bus is open before the first one is passed on: both bring what comes in between."""
    engine = Engine()
    published: list[tuple[str, dict[str, Any]]] = []
    publish = engine.services.hub.publish

    def record(tag: str, data: dict[str, Any]) -> None:
        published.append((tag, copy.deepcopy(data)))
        publish(tag, data)

    def apply_again() -> None:
        for tag, data in published:
            engine.services.hub.apply(tag, copy.deepcopy(data))

    engine.services.hub.publish = record  # type: ignore[method-assign]
    talker = await engine.user()
    result = await waiting(talker)
    runner = talker.start("runner", fun="test.sleep", mode="sync", timeout=100)
    await asyncio.sleep(0)
    called, job = sorted(engine.services.jobs.newest_first(), key=lambda job: job.kind == "job")
    engine.world.fire("salt/presence/present", present=["web1", "db"])
    engine.returns(job.jid, "web1", {"large": "x" * 1_000})
    engine.returns(job.jid, "web2", None, retcode=2)
    engine.world.fire(f"salt/job/{job.jid}/prog/db", cmd="_minion_event", id="db", data={"percent": 50})
    done = {"fun": "runner.test.sleep", "user": "ann", "jid": called.jid, "return": "slept", "success": True}
    engine.world.fire(f"salt/run/{called.jid}/ret", **done)
    ends: list[str] = []
    engine.services.jobs.on_end(lambda job: ends.append(job.jid))
    await engine.dispatcher.settle(SECONDS)
    seen = [(repr(one), one.memory, one.size) for one in (job, called)]
    minions = repr(engine.services.minions.all())
    assert len(published) > 6
    apply_again()
    assert [(repr(one), one.memory, one.size) for one in (job, called)] == seen
    assert repr(engine.services.minions.all()) == minions
    engine.returns(job.jid, "db", 1)
    await result()
    del runner
    apply_again()
    assert ends == [job.jid]
    assert len(list(engine.services.jobs.newest_first())) == 2


async def test_what_needs_the_state_is_answered_at_once() -> None:
    """A wait for events: only the process that numbers them can answer, and its client resumes there."""
    engine = Engine()
    talker = await engine.user()
    running = talker.send({"type": "get_event", "id": 7, "wait": 100})
    command = await waiting(talker)
    await engine.dispatcher.settle(SECONDS)
    assert running is not None
    assert running.done()
    (reply,) = talker.client.got
    assert (reply["id"], reply["error"]["code"], reply["error"]["retryable"]) == (7, "master_unavailable", True)
    del command
    await engine.dispatcher.stop()


async def test_work_is_waited_for() -> None:
    """What a request changes must be known before the state is passed on: here who owns a job."""
    engine = Engine()
    talker = await engine.user()
    gate = asyncio.Event()
    publish = engine.commands.publish

    async def slow(*args: Any, **fields: Any) -> dict[str, Any]:
        await gate.wait()
        return await publish(*args, **fields)

    engine.commands.publish = slow  # type: ignore[method-assign]
    result = await waiting(talker)
    settling = asyncio.ensure_future(engine.dispatcher.settle(SECONDS))
    for _ in range(10):
        await asyncio.sleep(0)
    assert not settling.done()
    gate.set()
    await settling
    (job,) = engine.services.jobs.newest_first()
    assert (job.user, job.eauth) == ("ann", "pam")
    del result
    await engine.dispatcher.stop()


async def test_work_that_takes_too_long_does_not_hold_up_the_reload() -> None:
    """It goes on, unless it needs what is passed on."""
    engine = Engine()
    talker = await engine.user()
    never = asyncio.Event()

    async def hang(*args: Any, **fields: Any) -> Any:
        await never.wait()

    engine.commands.publish = hang  # type: ignore[method-assign]
    engine.batches.write = hang  # type: ignore[method-assign]
    command = talker.send({"type": "cmd", "id": 1, "fun": "test.ping", "tgt": "*"})
    await engine.dispatcher.settle(0.05)
    assert command is not None
    assert not command.done()
    await engine.dispatcher.stop()
    assert command.done()


async def test_new_requests_of_websockets_are_refused_and_http_goes_on() -> None:
    """A request over HTTP may hold several commands; the rest of them runs, but no batch starts here."""
    engine = Engine()
    talker = await engine.user()
    await engine.dispatcher.settle(SECONDS)
    assert (await refused(talker, "ping")).code == "master_unavailable"
    caller = Caller("127.0.0.1")
    assert talker.connection.session is not None
    caller.set_session(talker.connection.session)
    assert (await engine.dispatcher.call(caller, "cmd", fun="test.ping", tgt="db"))["minions"] == ["db"]
    on_batches = {name for name in OPERATIONS if name == "batch" or name.endswith(("_batch", "_batches"))}
    assert {"pause_batch", "resume_batch", "cancel_batch"} < on_batches
    for operation in (*sorted(on_batches), "subscribe", "unsubscribe", "get_event"):
        with pytest.raises(ApiError, match="stopping"):
            await engine.dispatcher.call(caller, operation)
    await engine.dispatcher.stop()
    with pytest.raises(ApiError, match="stopping"):
        await engine.dispatcher.call(caller, "ping")


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look often."""
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.001)


async def until(found: Any) -> None:
    for _ in range(20_000):
        if found():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("it did not happen")


@pytest.mark.usefixtures("at_once")
async def test_a_connection_closes_after_its_answer() -> None:
    """Others are asked to reconnect at once. Subscriptions of both end here, and go on in the next process."""
    engine = Engine()
    clients = Connections(engine.services, engine.dispatcher, 10)
    busy, idle = await engine.user(), await engine.user()
    for talker in (busy, idle):
        clients.add(talker.connection)
        await talker.ask("subscribe", subscription="event")
    result = await waiting(busy)
    await clients.settle()
    finishing = asyncio.ensure_future(clients.finish(asyncio.Event()))
    await until(lambda: idle.client.closed_with)
    assert idle.client.closed_with == [(1012, "the engine stops: retry in 0 s")]
    assert busy.client.closed_with == []
    assert [len(talker.connection.subscriptions) for talker in (busy, idle)] == [0, 0]
    (job,) = engine.services.jobs.newest_first()
    for minion in job.waiting:
        engine.returns(job.jid, minion, True)
    assert (await result())["state"] == "complete"
    await until(lambda: busy.client.closed_with)
    for talker in (busy, idle):
        clients.remove(talker.connection)
    await finishing
    assert busy.client.closed_with == idle.client.closed_with


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("end", ["deadline", "signal"])
async def test_a_request_that_takes_too_long_gets_a_retryable_error(monkeypatch: pytest.MonkeyPatch, end: str) -> None:
    """At the deadline, or when the master stops; the error names the job, which must not run twice."""
    engine = Engine()
    clients = Connections(engine.services, engine.dispatcher, 10)
    talker = await engine.user()
    clients.add(talker.connection)
    result = await waiting(talker)
    hurry = asyncio.Event()
    if end == "deadline":
        monkeypatch.setattr(module, "ANSWER_SECONDS", 0.05)
    else:
        hurry.set()
    await clients.settle()
    await clients.finish(hurry)
    assert talker.client.closed_with == []
    await clients.close()
    with pytest.raises(Refused) as error:
        await result()
    assert error.value.error["retryable"]
    assert error.value.error["details"]["jid"]
    assert [code for code, _ in talker.client.closed_with] == [1012]


@pytest.mark.parametrize(("number", "seconds"), [(10, 0.03), (1_000, 3.0), (20_000, 5.0)])
async def test_clients_return_as_fast_as_they_can_be_served(
    monkeypatch: pytest.MonkeyPatch, number: int, seconds: float
) -> None:
    """The reason names no delay, so the close frames are spread: in proportion to the clients, with a maximum."""
    engine = Engine()
    clients = Connections(engine.services, engine.dispatcher, number)
    slept: list[float] = []
    talkers = [Talker(engine) for _ in range(number)]
    for talker in talkers:
        clients.add(talker.connection)
    await clients.settle()
    hurry = asyncio.Event()
    mine, real = asyncio.current_task(), asyncio.sleep

    async def sleep(duration: float) -> None:
        if asyncio.current_task() is not mine:  # other threads have event loops too
            await real(duration)
            return
        slept.append(duration)
        hurry.set()

    monkeypatch.setattr(module.asyncio, "sleep", sleep)
    await clients.finish(hurry)
    monkeypatch.undo()
    assert sum(slept) == pytest.approx(seconds, abs=module.LOOK_SECONDS + module.MIN_SLEEP_SECONDS)
    assert {len(talker.client.closed_with) for talker in talkers} == {1}
