"""Progress reports of a running job reach clients that watch the job, and no other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.client import Client
from tests.support.gates import Gate

pytestmark = pytest.mark.slow

QUEUED = {"queue": True}  # else the states are refused while those of an earlier test still run


def watch(client: Client, jid: str, gate: Gate) -> list[dict[str, Any]]:
    """Follow a job to its end and return the job frames; each progress opens the gate to the next."""
    gate.open("100")  # the last report may be shown together with the end
    number = client.ask("subscribe", subscription="job", jid=jid)["subscription"]

    def ends(frame: dict[str, Any]) -> bool:
        if frame["type"] != "job":
            return False
        gate.open(f"{frame['job']['progress']:g}")
        return bool(frame["job"]["state"] != "running")

    frames = client.frames(subscription=number, until=ends, timeout=120)
    return [frame for frame in frames if frame["type"] == "job"]


def parts(frames: list[dict[str, Any]], minion: str) -> list[dict[str, Any]]:
    return [frame["minions"][minion] for frame in frames if minion in frame["minions"]]


def test_reports_of_a_custom_module_show_in_the_job(demo: Client, gate: Gate) -> None:
    """Each report shows as the minion's progress and message, the job's progress rises to 100, and ends there."""
    gated = {"gate": str(gate.folder)}
    jid = demo.ask("cmd", fun="steps.walk", tgt="minion-1", args=[10, 55, 90, 100], kwargs=gated)["jid"]
    frames = watch(demo, jid, gate)
    # The return may overtake the last report.
    running = [part for part in parts(frames, "minion-1") if part["state"] == "running" and part["progress"] < 100]
    seen = [(part["progress"], part["message"]) for part in running]
    assert [(percent, f"at {percent}") for percent in (10, 55, 90)] == [pair for pair in seen if pair[1]]
    progress = [frame["job"]["progress"] for frame in frames]
    assert progress == sorted(progress)
    assert (frames[-1]["job"]["state"], frames[-1]["job"]["progress"]) == ("complete", 100)


def test_the_progress_of_a_job_is_that_of_all_its_minions(demo: Client, gate: Gate) -> None:
    """Two minions at 50 % make a job at 50 %."""
    jid = demo.ask("cmd", fun="steps.walk", tgt="*", args=[50], kwargs={"gate": str(gate.folder)})["jid"]
    frames = watch(demo, jid, gate)
    assert 50 in {frame["job"]["progress"] for frame in frames}
    assert frames[-1]["job"]["done"] == 2


def test_reports_from_a_state_show_in_the_job(demo: Client, gate: Gate) -> None:
    """What states report by websocket_api.progress, from module.run and from a state module, shows as well."""
    gated = {**QUEUED, "pillar": {"gate": str(gate.folder)}}
    frames = watch(demo, demo.ask("cmd", fun="state.apply", tgt="minion-1", args=["steps"], kwargs=gated)["jid"], gate)
    messages = [part["message"] for part in parts(frames, "minion-1")]
    assert {"at 10", "at 20", "at 60"} <= set(messages)
    assert frames[-1]["job"]["state"] == "complete"


def test_states_report_by_themselves_when_asked_to(demo: Client, gate: Gate) -> None:
    """With `progress: true` each state that has run raises the progress, with no config on the minion."""
    gated = {**QUEUED, "pillar": {"gate": str(gate.folder)}}
    four = {"fun": "state.apply", "tgt": "minion-1", "args": ["steps.four"], "kwargs": gated}
    frames = watch(demo, demo.ask("cmd", **four, progress=True)["jid"], gate)
    seen = {part["progress"] for part in parts(frames, "minion-1")}
    assert {25, 50, 75, 100} <= seen
    assert frames[-1]["job"]["state"] == "complete"


def test_progress_is_shown_to_those_who_may_see_the_job(connect: Callable[..., Client], demo: Client) -> None:
    """A user who may not run the function sees none of its reports on the bus."""
    viewer = connect("viewer")
    viewer.ask("subscribe", subscription="event")
    demo.ask("subscribe", subscription="event", tag="salt/job/")
    jid = demo.ask("cmd", fun="steps.walk", tgt="minion-1", args=[10, 20])["jid"]
    ping = demo.ask("cmd", fun="test.ping", tgt="minion-1", mode="sync")["jid"]
    end = f"salt/job/{jid}/ret/minion-1"
    mine = [frame["tag"] for frame in demo.frames(until=lambda frame: frame.get("tag") == end)]
    assert f"salt/job/{jid}/prog/minion-1/websocket_api" in mine
    last = demo.ask("cmd", fun="test.ping", tgt="minion-1", mode="sync")["jid"]
    theirs = viewer.frames(until=lambda frame: frame.get("tag") == f"salt/job/{last}/ret/minion-1")
    tags = [frame["tag"] for frame in theirs if frame["type"] == "event"]
    assert f"salt/job/{ping}/ret/minion-1" in tags
    assert not [tag for tag in tags if jid in tag]


def test_a_report_is_shown_unwrapped_as_an_event(demo: Client) -> None:
    """On an event subscription a report is what the minion said, not Salt's envelope around it."""
    demo.ask("subscribe", subscription="event", tag="*/websocket_api", match_type="fnmatch")
    jid = demo.ask("cmd", fun="steps.walk", tgt="minion-1", args=[33])["jid"]
    frame = demo.frames(until=lambda frame: f"/{jid}/" in frame.get("tag", ""))[-1]
    assert frame["data"] == {"percent": 33, "message": "at 33"}
