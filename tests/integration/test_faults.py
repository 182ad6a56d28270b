"""The master's event bus fails, or the engine is frozen: no event is lost without a gap.

These tests harm their master, so they do not use the shared one.
"""

from __future__ import annotations

import contextlib
import datetime
import os
import re
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import salt.transport.frame
import salt.utils.event
import salt.version

from tests.client import Client, Refused
from tests.integration.staging import Stage, staged
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.both_lines, pytest.mark.timeout(300)]

# Salt 3008 does not restart its event publisher; 3007 does, after three to five seconds.
COMES_BACK = salt.version.__saltstack_version__.major < 3008

SAID_SECONDS = 2.0  # from the loss of the bus to the line at CRITICAL
SLACK_SECONDS = 20.0  # more that this may take on a loaded machine
TOLD_SECONDS = 30.0  # until all that must tell of a lost bus has done so; two on a quiet machine
BACK_SECONDS = 60.0  # after which 3007's publisher, or a killed engine, must be there again
ANSWER_SECONDS = 20.0  # for an error in place of an answer
MANY = 12_000  # events: more than the publisher keeps for one listener, which is 10,000 on Salt 3008
WAITS = {"publish_drain_timeout": 1.0}  # seconds instead of 60 that the publisher waits for a listener, on both lines
STOPPED_SECONDS = 4.0  # that the engine stands still: longer than that
MINION = "faults-minion"


@pytest.fixture(scope="module")
def stage(salt_factories: Any, file_root: Path) -> Iterator[Stage]:
    """A master with a minion."""
    with staged(salt_factories, file_root, "faults", minion=True, config=WAITS) as stage:
        yield stage


def run(client: Client) -> str:
    """Run a job to its end and return its jid."""
    job = client.ask("cmd", fun="test.ping", tgt=MINION, mode="sync", timeout=15, patience=30)
    assert job["minions"][MINION]["return"] is True
    return str(job["jid"])


def until_it_runs(client: Client, timeout: float) -> None:
    """Run a job as soon as that works."""

    def runs() -> bool:
        with contextlib.suppress(Refused, AssertionError):
            return bool(run(client))
        return False

    wait_until(runs, "a job", timeout=timeout)


@contextlib.contextmanager
def firing(stage: Stage) -> Iterator[Callable[..., None]]:
    """Fire numbered events as fast as the publisher accepts them; one connection keeps their order."""
    with socket.socket(socket.AF_UNIX) as pull:
        pull.connect(os.path.join(stage.master.config["sock_dir"], "master_event_pull.ipc"))

        def fire(tag: str, numbers: Iterable[int] = (0,)) -> None:
            for number in numbers:
                event = salt.utils.event.SaltEvent.pack(tag, {"number": number, "_stamp": ""})
                pull.sendall(salt.transport.frame.frame_msg_ipc(event, raw_body=True))

        yield fire


def test_events_while_the_engine_is_frozen_arrive_or_become_a_gap(stage: Stage) -> None:
    """Afterwards the stream continues in order; events that the publisher dropped are a gap in their place."""
    for many in (MANY, 4 * MANY):
        came, gaps = _events_while_the_engine_is_frozen(stage, many)
        missing = {place for place, one in enumerate(came) if one != (came[place - 1] + 1 if place else 0)}
        print(f"of {many} events came {len(came)}; gaps after {gaps}, missing before {missing}")
        assert came == sorted(set(came))
        assert missing <= gaps
        if missing:
            return  # else a quick publisher kept all that many
    raise AssertionError("the publisher kept everything: this test shows nothing")


def _events_while_the_engine_is_frozen(stage: Stage, many: int) -> tuple[list[int], set[int]]:
    """Return the numbers of the events that a client got, and after how many of them it got a gap."""
    came: list[int] = []
    gaps: set[int] = set()

    def take(frame: dict[str, Any]) -> bool:
        if frame["type"] == "gap":
            assert frame["reason"] == "bus"
            gaps.add(len(came))
        came.extend(event["data"]["number"] for event in frame.get("events", ()))
        return bool(came) and came[-1] >= many

    with stage.client() as client, firing(stage) as fire:
        number = client.ask("subscribe", subscription="event", tag="still/", bundle=True)["subscription"]
        engine = stage.engine
        began = time.monotonic()
        try:
            engine.suspend()
            fire("still/many", range(many))
            time.sleep(max(0.0, began + STOPPED_SECONDS - time.monotonic()))
        finally:
            engine.resume()
        for later in range(many, many + 60):
            fire("still/later", [later])
            with contextlib.suppress(TimeoutError):
                client.frames(until=take, subscription=number, timeout=1)
                break
        else:
            raise AssertionError(f"the stream does not go on after {came[-1:]}")
        # The publisher may still write all these to other listeners before a return.
        until_it_runs(client, 60)
    return came, gaps


def test_after_a_crash_of_the_engine_a_position_is_of_another_epoch(stage: Stage) -> None:
    """A client that resumes gets a gap and follows from now on."""
    with stage.client() as client:
        position = client.ask("subscribe", subscription="event", tag="")
        stage.engine.kill()
        client.closed()
    stage.comes_back(BACK_SECONDS)
    since = {"epoch": position["epoch"], "seq": position["seq"]}
    with stage.client() as client:
        result = client.ask("subscribe", subscription="event", tag="crash/", since=since)
        assert result["recovered"] is False
        assert result["epoch"] != position["epoch"]
        wait_until(lambda: stage.health == 200, "the bus")
        with firing(stage) as fire:
            fire("crash/after")
        frames = client.frames(until=lambda frame: frame["type"] == "event", subscription=result["subscription"])
        assert [frame["type"] for frame in frames] == ["gap", "event"]
        assert frames[0]["reason"] == "epoch"
        with pytest.raises(Refused) as refused:
            client.ask("get_event", tag="", since=since)
        assert refused.value.code == "gap"


def test_a_lost_event_publisher_is_reported_and_survived(stage: Stage) -> None:
    """Streams and snapshots get a gap. If Salt restarts it, all continues; else health, log and clients report it
    until the master is restarted, and then all works again."""
    if not healthy(stage):  # a try that failed has left it without its publisher
        restart(stage)
    with stage.client() as client:
        jid = run(client)
        follow = [
            {"subscription": "event", "tag": ""},
            {"subscription": "job", "jid": jid},
            {"subscription": "minions"},
        ]
        numbers = [client.ask("subscribe", **fields)["subscription"] for fields in follow]
        assert stage.health == 200
        before = stage.log.count("[CRITICAL]")
        began = time.monotonic()
        stage.publisher.kill()
        for number in numbers:
            gap = client.frames(until=lambda frame: frame["type"] == "gap", subscription=number, timeout=TOLD_SECONDS)
            assert gap[-1]["reason"] == "bus"
        if COMES_BACK:
            until_it_runs(client, BACK_SECONDS)
            wait_until(lambda: stage.health == 200, "health", timeout=BACK_SECONDS)
            goes_on(stage, client, numbers[0])
            print("seconds until the stream went on:", round(time.monotonic() - began, 1))
            return
        for told, what in (
            (lambda: stage.health == 503, "a bad state of health"),
            (lambda: stage.log.count("[CRITICAL]") > before, "a line at CRITICAL"),
        ):
            wait_until(told, what, timeout=TOLD_SECONDS)
        said = seconds_between(stage.log, "lost the master's event bus", "the master's event bus does not come back")
        print("seconds until all was told:", round(time.monotonic() - began, 1), "until the line:", said)
        assert 0 < said <= SAID_SECONDS + SLACK_SECONDS
        refused_as_unavailable(client)
    restart(stage)
    with stage.client() as client:
        number = client.ask("subscribe", subscription="event", tag="")["subscription"]
        goes_on(stage, client, number)


def healthy(stage: Stage) -> bool:
    """Return whether the engine listens and is connected to the bus."""
    with contextlib.suppress(OSError):
        return stage.health == 200
    return False


def restart(stage: Stage) -> None:
    """Restart the master and wait until everything works."""
    with stage.master.stopped():
        pass
    stage.comes_back(BACK_SECONDS)
    with stage.client() as client:
        wait_until(lambda: stage.health == 200, "health", timeout=BACK_SECONDS)
        until_it_runs(client, 60)  # the minion looks for its master every few seconds


def seconds_between(log: str, first: str, then: str) -> float:
    """Return the seconds between the last line with ``first`` and the next line with ``then``."""
    lines = log.splitlines()
    start = max(number for number, line in enumerate(lines) if first in line)
    end = next(line for line in lines[start:] if then in line)
    times = [re.search(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}", line) for line in (lines[start], end)]
    began, ended = (datetime.datetime.fromisoformat(one[0].replace(",", ".")) for one in times if one)
    return (ended - began).total_seconds()


def goes_on(stage: Stage, client: Client, number: int) -> None:
    """Fail unless a stream delivers an event that is fired now."""
    with firing(stage) as fire:
        fire("goes/on")
    client.frames(until=lambda frame: frame.get("tag") == "goes/on", subscription=number)


def refused_as_unavailable(client: Client) -> None:
    """Fail unless commands get a retryable error."""
    for operation, fields in {
        "cmd": {"fun": "test.ping", "tgt": MINION},
        "runner": {"fun": "test.arg"},
        "event": {"tag": "my/event", "body": {}},
    }.items():
        began = time.monotonic()
        with pytest.raises(Refused) as refused:
            client.ask(operation, **fields)
        assert (operation, refused.value.code) == (operation, "master_unavailable")
        assert refused.value.retryable
        assert time.monotonic() - began < ANSWER_SECONDS
