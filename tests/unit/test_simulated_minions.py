"""The benchmarks' simulated minions return what jobs ask of them, in the bytes that a master's workers send."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgpack
import pytest

from tests.benchmarks import simulated
from tests.benchmarks.returns import announced, framed
from tests.support.buses import Publisher, Pull
from tests.support.buses import framed as published

pytestmark = pytest.mark.any_python

JID, OTHER = "20261130170000000000", "20261130170000000001"
MINIONS = [f"m{number:05}" for number in range(110)]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[tuple[Publisher, Pull, Path]]:
    """Both sockets of a bus."""
    with ExitStack() as stack:
        publisher, pull = Publisher(tmp_path), Pull(tmp_path)
        stack.callback(pull.close)
        stack.callback(publisher.close)
        yield publisher, pull, tmp_path


@contextlib.contextmanager
def running(bus: tuple[Publisher, Pull, Path], **times: float) -> Iterator[tuple[Publisher, Pull]]:
    """Simulated minions, which end with their bus."""
    publisher, pull, folder = bus

    def run() -> None:
        with contextlib.suppress(EOFError):
            paths = {side: str(folder / f"master_event_{side}.ipc") for side in ("pub", "pull")}
            simulated.main(**paths, minions=MINIONS, **times)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield publisher, pull
    finally:
        publisher.close()
        thread.join(20)
        assert not thread.is_alive()


def job(jid: str, minions: list[str], fun: str = "test.ping", *args: Any) -> tuple[str, dict[str, Any]]:
    """Return a job's announcement: its tag and data."""
    return f"salt/job/{jid}/new", {"jid": jid, "fun": fun, "arg": list(args), "minions": minions}


def test_each_minion_of_a_job_returns_in_its_turn(folder: tuple[Publisher, Pull, Path]) -> None:
    """Minions of others do not, whatever else is on the bus."""
    with running(folder, first=0.0, last=0.05) as (publisher, pull):
        wanted = MINIONS[5:25]
        others = [("bench/deploy/1", {"n": 1}), (f"salt/job/{OTHER}/ret/m00001", {"return": True})]
        publisher.send(*others, job(JID, [*reversed(wanted), "stranger"]), *others)
        found = [pull.next() for _ in wanted]
    assert [tag for tag, _ in found] == [f"salt/job/{JID}/ret/{minion}" for minion in wanted]
    assert {(data["jid"], data["fun"], data["return"]) for _, data in found} == {(JID, "test.ping", True)}
    assert pull.quiet


def test_a_search_for_a_job_is_answered_at_once_and_tells_who_runs_it(folder: tuple[Publisher, Pull, Path]) -> None:
    """Salt goes on waiting for those only."""
    with running(folder, first=3_600.0, last=3_600.0) as (publisher, pull):
        publisher.send(job(JID, MINIONS[:1]), job(OTHER, MINIONS[:2], simulated.FIND_JOB, JID))
        found = dict(pull.next() for _ in range(2))
    answers = {tag: data["return"] for tag, data in found.items()}
    assert answers == {f"salt/job/{OTHER}/ret/m00000": {"jid": JID, "pid": 1}, f"salt/job/{OTHER}/ret/m00001": {}}


def test_with_late_minions_one_in_a_hundred_never_returns(folder: tuple[Publisher, Pull, Path]) -> None:
    """And the one after it later than all others."""
    with running(folder, first=0.0, last=0.05, late=0.2) as (publisher, pull):
        publisher.send(job(JID, MINIONS))
        found = [pull.next()[1]["id"] for _ in range(len(MINIONS) - 2)]
    never, late = {MINIONS[0], MINIONS[100]}, [MINIONS[2], MINIONS[102]]
    assert found == [minion for minion in MINIONS if minion not in {*never, *late}] + late


@pytest.mark.parametrize("step", [1, 7, 100_000])
def test_jobs_are_found_wherever_the_bytes_are_cut(step: int) -> None:
    """An announcement may be as large as 1 MiB."""
    stream = b"".join(
        published(tag, data)
        for tag, data in (job(JID, MINIONS), ("salt/job/x/new", {}), job(OTHER, MINIONS[:1]), ("salt/job/1/news", {}))
    )
    with ExitStack() as stack:
        publisher, pub = (stack.enter_context(one) for one in socket.socketpair())
        bus, found = simulated.Bus(pub), []
        for start in range(0, len(stream), step):
            publisher.sendall(stream[start : start + step])
            found += [job["jid"] for job in bus.jobs()]
        assert found == [JID, OTHER]
        publisher.close()
        with pytest.raises(EOFError):
            list(bus.jobs())


@pytest.mark.with_salt
def test_returns_are_the_bytes_that_salts_own_client_sends() -> None:
    """On each line of Salt."""
    import salt.transport.frame
    import salt.utils.event

    for frame in (framed(JID, "m00001", "test.ping", True), announced(JID, MINIONS, "test.ping")):
        assert struct.unpack(">I", frame[:4]) == (len(frame) - 4,)
        tag, _, packed = msgpack.unpackb(frame[4:])["body"].partition(b"\n\n")
        event = salt.utils.event.SaltEvent.pack(tag.decode(), msgpack.unpackb(packed))
        assert salt.transport.frame.frame_msg_ipc(event, raw_body=True) == frame
