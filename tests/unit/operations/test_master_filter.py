"""Several masters: each list, subscription and question can be limited to some of them."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import Any

import pytest

from tests.unit.operations.engine import MINIONS, Engine, Refused, Talker
from tests.unit.operations.test_shared_minions import own
from tests.unit.operations.test_shared_stream import Masters

NAMES = ("m1", "m2", "m3")
BELOW = {"m1": set(MINIONS), "m2": {"db2"}, "m3": {"db3"}}
"""The minions that each master shows as its own or another one's, seen from m1."""
CHOICES: list[Any] = ["m1", "m2", ["m2"], ["m1", "m3"], list(NAMES), "unknown", ["unknown", "m2"]]


def jid(name: str) -> str:
    return f"2026112315000000000{NAMES.index(name)}"


def chosen(master: Any) -> set[str]:
    """Return the known masters that a filter names."""
    return {master} & set(NAMES) if isinstance(master, str) else set(master) & set(NAMES)


async def busy() -> Masters:
    """Three masters, each with a job, a minion of its own and an event."""
    masters = Masters(*NAMES)
    for name in ("m2", "m3"):
        own(masters[name], *MINIONS, *BELOW[name])
    await masters.carry()
    await act(masters)
    return masters


async def act(masters: Masters) -> None:
    """Let each master announce a job."""
    for name in NAMES:
        masters[name].world.fire(f"salt/job/{jid(name)}/new", fun="test.ping", minions=["web1"], user="root")
    await masters.carry()


def sent(talker: Talker) -> dict[int, list[dict[str, Any]]]:
    """Return the new frames of each subscription."""
    found: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for frame in talker.frames:
        found[frame["subscription"]].append(frame)
    return found


@pytest.mark.parametrize("master", CHOICES)
async def test_lists_have_what_belongs_to_the_masters(master: Any) -> None:
    """A master that is unknown has nothing: it may start later."""
    talker = await (await busy())["m1"].user()
    jobs = await talker.ask("list_jobs", master=master)
    assert {job["master"] for job in jobs} == chosen(master)
    minions = await talker.ask("list_minions", master=master)
    assert {one["id"] for one in minions} == set().union(*(BELOW[name] for name in chosen(master)))


@pytest.mark.parametrize("master", CHOICES)
async def test_snapshots_and_changes_have_what_belongs_to_the_masters(master: Any) -> None:
    """All jobs, jobs by id, minions, and events: first what is there, then what happens."""
    masters = await busy()
    talker = await masters["m1"].user()
    every = (await talker.ask("subscribe", subscription="job", master=master))["subscription"]
    named = (await talker.ask("subscribe", subscription="job", jid=[*map(jid, NAMES)], master=master))["subscription"]
    minions = (await talker.ask("subscribe", subscription="minions", master=master))["subscription"]
    events = (await talker.ask("subscribe", subscription="event", tag="t/", master=master))["subscription"]
    expected = {jid(name) for name in chosen(master)}
    shown = set().union(*(BELOW[name] for name in chosen(master)))
    for turn in range(2):
        frames = sent(talker)
        for number in (every, named):
            assert {frame["jid"] for frame in frames[number] if frame["type"] == "job"} == expected
            assert turn or frames[number][-1]["type"] == "live"
        assert {name for frame in frames[minions] for name in frame.get("minions", ())} == shown
        tags = {frame["tag"] for frame in frames[events] if frame["type"] == "event"}
        assert tags == ({f"t/{name}" for name in chosen(master)} if turn else set())
        for name in NAMES:
            masters[name].returns(jid(name), "web1", True)
            masters[name].world.fire(f"t/{name}")
            for minion in BELOW[name]:
                masters[name].world.fire(f"salt/minion/{minion}/start", cmd="_minion_event", id=minion, data="")
        await masters.carry()
        masters["m1"].time.pass_(1)


async def test_a_minion_that_goes_to_another_master_leaves_the_snapshot() -> None:
    """Its key is accepted here: then it is this master's."""
    masters = await busy()
    talker = await masters["m1"].user()
    other = (await talker.ask("subscribe", subscription="minions", master="m2"))["subscription"]
    here = (await talker.ask("subscribe", subscription="minions", master="m1"))["subscription"]
    assert {frame["type"] for frame in sent(talker)[here]} == {"minions", "live"}
    own(masters["m1"], *MINIONS, "db2")
    masters["m1"].time.pass_(1)
    frames = sent(talker)
    assert [frame["minions"] for frame in frames[other]] == [{"db2": None}]
    assert [frame["minions"]["db2"]["master"] for frame in frames[here]] == ["m1"]


async def test_the_next_event_of_a_master_is_waited_for() -> None:
    """Events of others are passed over."""
    masters = await busy()
    talker = await masters["m1"].user()
    answer = talker.start("get_event", tag="t/", master="m2", wait=60, full=True)
    await asyncio.sleep(0)
    masters["m1"].world.fire("t/1")
    masters["m2"].world.fire("t/2")
    await masters.carry()
    assert (await answer())["tag"] == "t/2"


async def test_a_restricted_user_sees_the_same_with_and_without_the_filter() -> None:
    """The filter only takes away: what the permissions hide stays hidden, at each master."""
    masters = await busy()
    masters["m1"].sets["db*"] = ["db", "db2", "db3"]
    names = {"web": [{"web*": ["test.ping"]}], "db": [{"db*": ["test.ping"]}], "runs": ["@runner"]}
    masters["m1"].accounts.users = names
    table = (("web", NAMES, {"web1", "web2"}), ("db", (), {"db", "db2", "db3"}), ("runs", NAMES, ()))
    for user, shown, ids in table:
        talker = await masters["m1"].user(user)
        for kind in ("list_jobs", "list_minions"):
            every = await talker.ask(kind)
            parts = [one for name in NAMES for one in await talker.ask(kind, master=name)]
            key = "jid" if kind == "list_jobs" else "id"
            assert sorted(one[key] for one in parts) == sorted(one[key] for one in every), (user, kind)
            expected = set(map(jid, shown)) if kind == "list_jobs" else set(ids)
            assert {one[key] for one in every} == expected, (user, kind)


async def test_a_target_of_a_list_matches_minions_of_other_masters() -> None:
    """By their ids. Without permission to ping them there is no answer about them."""
    masters = await busy()
    masters["m1"].accounts.users |= {"web": [{"web*": ["test.ping"]}], "runs": ["@runner"]}

    async def listed(user: str = "ann", **fields: Any) -> list[str]:
        return [one["id"] for one in await (await masters["m1"].user(user)).ask("list_minions", **fields)]

    assert await listed(tgt="db2") == ["db2"]
    assert await listed(tgt="db2", master="m2") == ["db2"]
    assert await listed(tgt="db2", master=["m1", "m3"]) == []
    assert await listed(tgt="web*", master="m1") == ["web1", "web2"]
    assert await listed(tgt=["db3", "web1", "stranger"]) == ["db3", "web1"]
    assert await listed(tgt="db3,db2,web1", tgt_type="list", master=["m1", "m2"]) == ["db2", "web1"]
    assert await listed(tgt=["db3", "web1"], minions=["web1", "web2"]) == ["web1"]
    assert await listed("web", tgt=["db3", "db2", "web1", "db"]) == ["web1"]
    assert await listed("runs", tgt=["db3", "web1"]) == []
    many = [f"n{number}" for number in range(100)]
    own(masters["m2"], *MINIONS, *many)
    await masters.carry()
    assert await listed(tgt=many, master="m2") == sorted(many)


@pytest.mark.parametrize("master", ["", [], [""], "x" * 256, 7, None, ["m1", 7], [f"m{one}" for one in range(65)]])
@pytest.mark.parametrize(
    "kind", ["list_jobs", "list_minions", "list_batches", "get_event", "event", "job", "minions", "batch"]
)
async def test_an_odd_filter_is_refused(kind: str, master: Any) -> None:
    """In each operation alike."""
    talker = await Engine().user()
    is_operation = kind == "get_event" or kind.startswith("list_")
    fields = {"type": kind} if is_operation else {"subscription": kind}
    with pytest.raises(Refused, match="bad_message"):
        await talker.ask(fields.pop("type", "subscribe"), **fields, master=master)


async def test_a_single_master_has_everything() -> None:
    """What it has does not name it, so that its id means all, and any other id nothing."""
    engine = Engine(master_id="m1")
    engine.world.fire(f"salt/job/{jid('m1')}/new", fun="test.ping", minions=["web1"], user="root")
    talker = await engine.user()
    for master, jobs, minions in (("m1", 1, 3), (["m2", "m1"], 1, 3), ("m2", 0, 0)):
        assert len(await talker.ask("list_jobs", master=master)) == jobs
        assert len(await talker.ask("list_minions", master=master)) == minions
        numbers = [
            (await talker.ask("subscribe", subscription=kind, master=master))["subscription"]
            for kind in ("job", "minions", "event")
        ]
        engine.world.fire("t/1")
        engine.time.pass_(1)
        frames = sent(talker)
        kinds = {one["type"] for number in numbers for one in frames[number]} & {"job", "minions", "event"}
        assert kinds == ({"job", "minions", "event"} if jobs else set())


@pytest.mark.parametrize("shared", [True, False])
async def test_minions_of_a_cluster_belong_to_all_its_masters(shared: bool) -> None:
    """A filter by master would hide minions that are there: it is refused. Jobs name their master."""
    if shared:
        masters = Masters("m1", "m2", clustered=True)
        await masters.carry()
        engine = masters["m1"]
    else:
        engine = Engine(master_id="m1", cluster_id="m1")
    engine.world.fire(f"salt/job/{jid('m1')}/new", fun="test.ping", minions=["web1"], user="root")
    talker = await engine.user()
    assert [len(await talker.ask("list_jobs", master=name)) for name in ("m1", "m2")] == [1, 0]
    for ask in ({"kind": "list_minions"}, {"kind": "subscribe", "subscription": "minions"}):
        fields = dict(ask)
        with pytest.raises(Refused, match="belong to all masters of the cluster"):
            await talker.ask(fields.pop("kind"), **fields, master="m1")


@pytest.mark.parametrize("is_own", [True, False])
async def test_stored_jobs_are_of_the_master_that_has_the_job_cache(is_own: bool) -> None:
    """Of a common database it is unknown which master ran a job: such a job belongs to none."""
    masters = Masters("m1", "m2")
    store = masters["m1"].store
    store.is_own = is_own
    masters.engines["m1"] = engine = Engine(master_id="m1", log=masters.logs["m1"], store=store)
    load = {"jid": jid("m3"), "fun": "test.ping", "arg": [], "tgt": "web1", "user": "root", "minions": ["web1"]}
    returns = {"web1": {"return": True, "retcode": 0, "success": True}}
    store.jobs[jid("m3")] = {"kind": "job", "reported_by": None, "load": load, "returns": returns}
    talker = await engine.user()
    found = [len(await talker.ask("list_jobs", stored=True, master=name)) for name in ("m1", "m2")]
    assert found == [int(is_own), 0]
    assert (await talker.ask("get_job", jid=jid("m3"))).get("master") == ("m1" if is_own else None)
    assert len(await talker.ask("list_jobs", stored=True)) == 1


@pytest.mark.parametrize("kind", ["job", "minions"])
async def test_a_snapshot_of_some_masters_is_resumed_with_the_same_filter_only(kind: str) -> None:
    """Then only what changed is sent, of these masters. With another filter all is sent again."""
    masters = await busy()
    talker = await masters["m1"].user()
    await talker.ask("subscribe", subscription=kind, master="m2")
    (since,) = (frame["position"] for frame in talker.frames if frame["type"] == "live")
    for name in NAMES:
        masters[name].returns(jid(name), "web1", True)
        for minion in BELOW[name]:
            masters[name].world.fire(f"salt/minion/{minion}/start", cmd="_minion_event", id=minion, data="")
    await masters.carry()
    again = await masters["m1"].user()
    for master, recovered in (("m2", True), ("m3", False), (["m2", "m3"], False)):
        result = await again.ask("subscribe", subscription=kind, master=master, since=since)
        assert result["recovered"] is recovered
        frames = [frame for frame in sent(again)[result["subscription"]] if frame["type"] == kind]
        objects = [{one["jid"]: True} if kind == "job" else one["minions"] for one in frames]
        shown = {name for found in objects for name, one in found.items() if one}  # null: the client may have it
        of = chosen(master)
        assert shown == (set(map(jid, of)) if kind == "job" else set().union(*(BELOW[name] for name in of)))
