"""salt-api's streams on a real master with two minions, as salt-api's clients know them."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import websocket

from tests.client import PATIENCE, Client
from tests.sse import Stream

pytestmark = [pytest.mark.slow, pytest.mark.both_lines]

Connect = Callable[..., Client]
Socket = Callable[..., Any]
READY = "websocket client ready"


@pytest.fixture
def token(connect: Connect) -> Callable[[str], str]:
    """Log in: ``token("demo")``."""
    return lambda name: str(connect().login(name)["token"])


@pytest.fixture
def socket(engine_url: str, token: Callable[[str], str]) -> Iterator[Socket]:
    """Connect as docs/salt-api.md does: ``socket("all_events", "demo")``."""
    with contextlib.ExitStack() as stack:

        def connect(path: str, user: str) -> Any:
            ws = websocket.create_connection(f"{engine_url}{path}/{token(user)}", timeout=PATIENCE)
            stack.callback(ws.close)
            ws.send(READY)
            return ws

        yield connect


def run(client: Client, fun: str, *arg: Any, tgt: str = "minion-*") -> str:
    """Run a job to its end and return its jid."""
    job = client.ask("cmd", fun=fun, tgt=tgt, arg=list(arg), mode="sync", timeout=30)
    assert job["state"] == "complete", job
    return str(job["jid"])


def until(ws: Any, tag: str) -> list[dict[str, Any]]:
    """Return the events up to and including the first with this tag."""
    found = [json.loads(ws.recv())]
    while found[-1]["tag"] != tag:
        found.append(json.loads(ws.recv()))
    return found


def test_events_are_what_is_on_the_bus(
    demo: Client, bus: Any, token: Callable[[str], str], socket: Socket, engine_port: int
) -> None:
    """Both streams send a job and a minion's own event with the tag, data and order of the bus."""
    ws = socket("all_events", "demo")
    number = demo.ask("subscribe", subscription="event", tag="my/")["subscription"]
    with Stream(engine_port, headers={"X-Auth-Token": token("demo")}) as stream:
        jid = run(demo, "test.ping")
        run(demo, "event.send", "my/disk", '{"free": 1}', tgt="minion-1")
        demo.tags_arrived(number, ["my/disk"])
        demo.ask("event", tag="my/end", body={})
        sent = [one.data for one in stream.until("my/end")]
        live = until(ws, "my/end")
        real = until_real(bus, "my/end")
    both = [event for event in live if event in sent]
    assert both == sent[-len(both) :]
    tags = [event["tag"] for event in both]
    wanted = [f"salt/job/{jid}/new", f"salt/job/{jid}/ret/minion-1", f"salt/job/{jid}/ret/minion-2", "my/disk"]
    assert set(wanted) <= set(tags)
    assert tags == [event["tag"] for event in real if event["tag"] in set(tags)][-len(tags) :]
    for tag in wanted:
        (shown,) = [event for event in both if event["tag"] == tag]
        (fired,) = [event for event in real if event["tag"] == tag]
        if fired["data"].get("cmd") == "_minion_event":
            # Other fields of the envelope are internal to Salt, and differ between its releases.
            envelope = ("id", "tag", "data", "cmd", "_stamp")
            fired["data"] = {name: fired["data"][name] for name in envelope}
        assert shown == json.loads(json.dumps(fired))


def until_real(bus: Any, tag: str) -> list[dict[str, Any]]:
    """Return what Salt's own event object reads from the bus, up to and including the first with this tag."""
    found: list[dict[str, Any]] = []
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        event = bus.get_event(wait=1, full=True, auto_reconnect=False)
        if event is not None:
            found.append(event)
            if event["tag"] == tag:
                return found
    raise TimeoutError(f"{tag} is not among {[event['tag'] for event in found]}")


def test_streams_are_cut_to_the_user(demo: Client, token: Callable[[str], str], engine_port: int) -> None:
    """`viewer` may only run test.ping, and sees only such jobs."""
    with Stream(engine_port, headers={"X-Auth-Token": token("viewer")}) as stream:
        hidden = run(demo, "test.arg", "secret")
        seen = run(demo, "test.ping", tgt="minion-1")
        events = [one.data for one in stream.until(f"salt/job/{seen}/ret/minion-1")]
    assert hidden not in json.dumps(events)
    assert {event["tag"] for event in events} >= {f"salt/job/{seen}/new", f"salt/job/{seen}/ret/minion-1"}


def merged(ws: Any, done: Callable[[dict[str, Any], dict[str, Any]], Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Merge frames, as docs/salt-api.md describes, until ``done`` is true; return the minions and the jobs."""
    minions: dict[str, Any] = {}
    jobs: dict[str, Any] = {}
    while not done(minions, jobs):
        text = ws.recv()
        assert text.endswith("\n\n")
        frame = json.loads(text)
        minions.update(frame.get("minions", {}))
        for jid, job in frame.get("jobs", {}).items():
            jobs[jid] = {**job, "minions": {**jobs.get(jid, {}).get("minions", {}), **job["minions"]}}
    return minions, jobs


def test_formatted_events_are_as_the_document_shows_them(demo: Client, socket: Socket) -> None:
    """Minions with their grains, and ended and running jobs with the minions' returns."""
    before = run(demo, "test.ping")
    ws = socket("formatted_events", "demo")
    after = run(demo, "test.ping")
    minions, jobs = merged(
        ws, lambda minions, jobs: jobs.get(after, {}).get("state") == "complete" and before in jobs and len(minions) > 1
    )
    assert {"minion-1", "minion-2"} <= set(minions)
    for name in ("minion-1", "minion-2"):
        assert set(minions[name]) == {"id", "grains"}
        assert (minions[name]["id"], minions[name]["grains"]["id"]) == (name, name)
        assert minions[name]["grains"]["kernel"] == "Linux"
    for jid in (before, after):
        assert set(jobs[jid]) == {"jid", "fun", "tgt", "tgt_type", "start_time", "state", "minions"}
        assert (jobs[jid]["jid"], jobs[jid]["fun"], jobs[jid]["state"]) == (jid, "test.ping", "complete")
        assert (jobs[jid]["tgt"], jobs[jid]["tgt_type"]) == ("minion-*", "glob")
        returned = {"return": True, "retcode": 0, "success": True}
        assert jobs[jid]["minions"] == {"minion-1": returned, "minion-2": returned}


def test_formatted_events_are_cut_to_the_user(demo: Client, socket: Socket) -> None:
    """`viewer` sees the minions without their grains, and only jobs that ran test.ping."""
    hidden = [run(demo, "test.arg", "secret")]
    ws = socket("formatted_events", "viewer")
    hidden.append(run(demo, "test.arg", "secret"))
    seen = run(demo, "test.ping")
    minions, jobs = merged(ws, lambda minions, jobs: jobs.get(seen, {}).get("state") == "complete")
    assert all(minions[name] == {"id": name, "grains": {}} for name in ("minion-1", "minion-2"))
    # Earlier jobs belong to other tests, and some of them to the viewer.
    assert {job["fun"] for jid, job in jobs.items() if jid > hidden[0]} == {"test.ping"}
    assert not set(hidden) & set(jobs)


def test_a_failed_return_ends_the_job_as_failed(demo: Client, socket: Socket) -> None:
    """In saltnado such a job runs forever."""
    ws = socket("formatted_events", "demo")
    jid = demo.ask("cmd", fun="cmd.run", args=["exit 3"], tgt="minion-1")["jid"]
    _, jobs = merged(ws, lambda minions, jobs: jobs.get(jid, {}).get("state") not in (None, "running"))
    assert jobs[jid]["state"] == "failed"
    assert (jobs[jid]["minions"]["minion-1"]["success"], set(jobs[jid]["minions"])) == (False, {"minion-1"})
