"""The result of each operation on real minions; the client checks every reply against its schema."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.client import Client
from tests.integration.conftest import CHECKOUT
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow

NAMES = {path.stem for path in (CHECKOUT / "schemas" / "operations").glob("*.json")}


def test_describe_names_every_operation_with_its_schema(demo: Client) -> None:
    """A client learns from the server alone what it can send."""
    told = demo.ask("describe")
    assert set(told["operations"]) == NAMES
    assert told["version"] == (CHECKOUT / "schemas" / "VERSION").read_text().strip()
    assert told["limits"]["message_bytes"] == 262144


def test_whoami_summarizes_permissions(connect: Callable[..., Client]) -> None:
    """``can`` summarizes the permissions."""
    demo, viewer = connect("demo").ask("whoami"), connect("viewer").ask("whoami")
    assert (demo["user"], demo["can"]["all"], demo["can"]["jobs"], demo["can"]["keys"]) == ("demo", True, True, True)
    assert (viewer["perms"], viewer["can"]["all"], viewer["can"]["jobs"]) == (["test.ping"], False, False)
    assert viewer["can"]["fire"] is False


def test_match_returns_the_minions_of_a_target(connect: Callable[..., Client], demo: Client) -> None:
    """Each target type is resolved as by Salt, and limited to minions that the user may ping."""
    both = ["minion-1", "minion-2"]
    assert demo.ask("match", tgt="minion-*") == both
    assert demo.ask("match", tgt="minion-[2]") == ["minion-2"]
    assert demo.ask("match", tgt="minion-(1|3)", tgt_type="pcre") == ["minion-1"]
    assert demo.ask("match", tgt=["minion-2", "nobody"]) == ["minion-2"]
    assert demo.ask("match", tgt="minion-* and not minion-1", tgt_type="compound") == ["minion-2"]
    assert demo.ask("match", tgt="nobody-*") == []
    assert connect("half").ask("match", tgt="minion-*") == ["minion-1"]


def test_functions_are_limited_to_those_permitted(connect: Callable[..., Client], demo: Client) -> None:
    """The names of minions' functions, runners and wheels are sorted."""
    names = demo.ask("functions", tgt="minion-1", timeout=30)
    assert names == sorted(names)
    assert {"test.ping", "steps.walk", "websocket_api.progress"} <= set(names)
    assert "steps.two" in demo.ask("functions", client="runner")
    assert {"steps.two", "key.list_all"} <= set(demo.ask("functions", client="wheel"))
    assert connect("viewer").ask("functions", client="runner") == []


def test_signatures_come_with_a_schema_of_the_arguments(demo: Client) -> None:
    """Names, defaults and documentation of a minion's function, a runner and a wheel."""
    ours = demo.ask("signature", module="websocket_api.progress", tgt="minion-1", timeout=30)
    assert (ours["args"], ours["defaults"]) == (["percent", "message"], [""])
    assert ours["schema"]["required"] == ["percent"]
    for client in ("runner", "wheel"):
        two = demo.ask("signature", module="steps.two", client=client)
        assert (two["args"], two["defaults"], two["doc"]) == (
            ["first", "second"],
            ["b"],
            "Return both arguments by their names.",
        )
        assert two["schema"]["additionalProperties"] is False


def test_list_minions_has_key_connection_and_grains(connect: Callable[..., Client], demo: Client) -> None:
    """Minions that have just answered are connected; hidden minions are left out."""
    demo.ask("cmd", fun="test.ping", tgt="*", mode="sync")
    both = {"minion-1", "minion-2"}  # others are those of other tests, which are known for a while
    found = {minion["id"]: minion for minion in demo.ask("list_minions") if minion["id"] in both}
    assert set(found) == both
    assert all((it["key"], it["connected"]) == ("accepted", True) and it["seen"] for it in found.values())
    assert found["minion-1"]["grains"]["id"] == "minion-1"
    assert [it["id"] for it in demo.ask("list_minions", minions=["minion-2", "nobody"])] == ["minion-2"]
    assert [it["id"] for it in connect("half").ask("list_minions")] == ["minion-1"]
    (one,) = demo.ask("list_minions", minions=["minion-1"], grains=["id", "os", "no such grain"])
    assert one["grains"] == {name: found["minion-1"]["grains"][name] for name in ("id", "os")}


def test_list_jobs_filters_jobs(demo: Client) -> None:
    """Newest first, by function, user, kind, state and metadata, in pages."""
    ticket = f"T-{time.time_ns()}"
    jids = [
        demo.ask("cmd", fun="test.ping", tgt="*", mode="sync", metadata={"ticket": ticket, "n": n})["jid"]
        for n in range(3)
    ]
    assert [job["jid"] for job in demo.ask("list_jobs", metadata={"ticket": ticket})] == jids[::-1]
    assert [job["jid"] for job in demo.ask("list_jobs", metadata={"ticket": ticket, "n": 1})] == [jids[1]]
    chosen = {"fun": "test.p*", "user": "demo", "kind": "job", "state": "complete", "metadata": {"ticket": ticket}}
    page = demo.ask("list_jobs", limit=2, **chosen)
    assert [job["jid"] for job in page] == jids[:0:-1]
    assert demo.ask("list_jobs", before=page[-1]["jid"], metadata={"ticket": ticket})[0]["jid"] == jids[0]
    assert demo.ask("list_jobs", since=jids[1], metadata={"ticket": ticket})[0]["jid"] == jids[2]


def test_a_canceled_job_ends_as_canceled(demo: Client) -> None:
    """A running job can be stopped by its owner; its minions stop working on it."""
    jid = demo.ask("cmd", fun="test.sleep", tgt="*", arg=[60])["jid"]
    number = demo.ask("subscribe", subscription="job", jid=jid)["subscription"]

    def runs() -> bool:
        job = demo.ask("cmd", fun="saltutil.is_running", tgt="*", arg=["test.sleep"], mode="sync")
        return all(any(it["jid"] == jid for it in part["return"]) for part in job["minions"].values())

    wait_until(runs, "the job running on both minions")
    assert demo.ask("cancel", jid=jid) == {"jid": jid, "minions": ["minion-1", "minion-2"]}
    frames = demo.frames(
        subscription=number, until=lambda frame: frame["type"] == "job" and frame["job"]["state"] != "running"
    )
    assert frames[-1]["job"]["state"] == "canceled"
    wait_until(lambda: not runs(), "the end of the function on a minion")


def test_get_event_continues_after_the_last_event(connect: Callable[..., Client], demo: Client) -> None:
    """It returns the next match, even if that happened between two requests."""
    reader, begin = connect("demo"), f"myco/{time.time_ns()}/"
    assert reader.ask("get_event", tag=begin, wait=0) is None
    for number in range(3):
        demo.ask("event", tag=f"{begin}{number}", body={"n": number})
    assert [reader.ask("get_event", tag=begin)["n"] for _ in range(2)] == [0, 1]
    whole = reader.ask("get_event", tag=begin, full=True)
    assert (whole["tag"], whole["data"]["n"], whole["data"]["_user"]) == (f"{begin}2", 2, "demo")
    assert reader.ask("get_event", tag=begin, wait=0.2) is None


def test_an_event_can_be_fired_on_the_buses_of_minions(demo: Client) -> None:
    """With `tgt` the event goes to those minions' own buses, by a job that the master's bus shows."""
    demo.ask("subscribe", subscription="event", fun="event.fire")
    fired = f"myco/{time.time_ns()}/reload"
    assert demo.ask("event", tag=fired, body={"now": True}, tgt="minion-1") is True
    frames = demo.frames(
        until=lambda frame: frame.get("tag", "").endswith("/ret/minion-1") and fired in str(frame["data"]["fun_args"])
    )
    body, tag = frames[-1]["data"]["fun_args"]
    assert (body["now"], tag) == (True, fired)
    assert frames[-1]["data"]["return"] is True


def test_unsubscribe_ends_the_frames(demo: Client) -> None:
    """After the reply the subscription sends nothing more, and others continue."""
    tag = f"myco/{time.time_ns()}"
    ended = demo.ask("subscribe", subscription="event", tag=tag)["subscription"]
    going = demo.ask("subscribe", subscription="event", tag=tag)["subscription"]
    assert demo.ask("unsubscribe", subscription=ended) is True
    demo.ask("event", tag=tag, body={})
    frames: list[dict[str, Any]] = demo.frames(until=lambda frame: frame.get("tag") == tag)
    assert {frame["subscription"] for frame in frames} == {going}


def test_a_minions_subscription_shows_the_fleet_and_its_changes(demo: Client, salt_master: Any) -> None:
    """It sends a snapshot of all minions, ``live``, then accepted keys and deleted ones (null)."""
    keys = Path(salt_master.config["pki_dir"])

    def delete() -> None:
        demo.ask("wheel", fun="key.delete", kwarg={"match": "newcomer"}, mode="sync")

    delete()  # of a try before
    number = demo.ask("subscribe", subscription="minions")["subscription"]
    snapshot = demo.frames(subscription=number, until=lambda frame: frame["type"] == "live")
    known = {minion_id for frame in snapshot if frame["type"] == "minions" for minion_id in frame["minions"]}
    assert {"minion-1", "minion-2"} <= known
    shutil.copy(keys / "minions" / "minion-1", keys / "minions_pre" / "newcomer")
    try:
        demo.ask("wheel", fun="key.accept", kwarg={"match": "newcomer"}, mode="sync")
        # It may be told before as one that waits.
        demo.frames(
            subscription=number,
            until=lambda frame: (frame.get("minions", {}).get("newcomer") or {}).get("key") == "accepted",
        )
    finally:
        delete()
    demo.frames(subscription=number, until=lambda frame: frame.get("minions", {}).get("newcomer", 0) is None)
