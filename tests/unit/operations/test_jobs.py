"""get_job, list_jobs, cancel."""

from __future__ import annotations

from typing import Any

import pytest
from websocket_api.operations import jobs as operations_jobs

from tests.unit.operations.engine import Engine, Refused, Talker

OLD = "20261122120000000001"
WEB = [{"web*": ["test.*"]}]
DONE = {"return": True, "retcode": 0, "success": True}


async def fails(talker: Talker, kind: str, /, **fields: Any) -> Refused:
    with pytest.raises(Refused) as caught:
        await talker.ask(kind, **fields)
    return caught.value


async def start(talker: Talker, fun: str = "test.ping", tgt: Any = "*", **more: Any) -> str:
    jid: str = (await talker.ask("cmd", fun=fun, tgt=tgt, **more))["jid"]
    return jid


def stored(
    engine: Engine,
    *minions: str,
    returned: tuple[str, ...] = (),
    fun: str = "test.ping",
    kind: str = "job",
    reported_by: str | None = None,
) -> None:
    load = {"fun": fun, "arg": [], "tgt": "*", "tgt_type": "glob", "user": "root", "minions": list(minions)}
    returns = {name: {**DONE, "id": name} for name in returned}
    engine.store.jobs[OLD] = {"kind": kind, "reported_by": reported_by, "load": load, "returns": returns}


# get_job


async def test_a_job_is_returned_with_its_present_state() -> None:
    """From memory, while it runs."""
    engine = Engine()
    talker = await engine.user()
    jid = await start(talker, arg=["x"])
    engine.returns(jid, "db", "no", retcode=1)
    job = await talker.ask("get_job", jid=jid)
    assert (job["state"], job["done"], job["failed"], job["arg"]) == ("running", 1, 1, ["x"])
    assert job["minions"]["db"] == {
        "state": "failed",
        "return": "no",
        "retcode": 1,
        "success": False,
        "progress": 100.0,
        "message": None,
    }


@pytest.mark.parametrize(("returned", "state"), [(("web1", "db"), "complete"), (("web1",), "unknown"), ((), "unknown")])
async def test_an_old_job_is_read_from_the_job_cache(returned: tuple[str, ...], state: str) -> None:
    """Minions without a return may still run it."""
    engine = Engine()
    stored(engine, "web1", "db", returned=returned)
    job = await (await engine.user()).ask("get_job", jid=OLD)
    assert (job["state"], job["total"], job["done"]) == (state, 2, len(returned))


async def test_an_old_runner_is_a_runner() -> None:
    """The job cache keeps them beside jobs."""
    engine = Engine()
    stored(engine, returned=("master_master",), fun="runner.manage.up", kind="runner")
    job = await (await engine.user()).ask("get_job", jid=OLD)
    assert (job["kind"], job["fun"], job["state"], job["return"]) == ("runner", "manage.up", "complete", True)


async def test_an_old_job_is_cut_too() -> None:
    """By today's permissions."""
    engine = Engine(bob=WEB)
    stored(engine, "web1", "db", returned=("web1", "db"))
    job = await (await engine.user("bob")).ask("get_job", jid=OLD)
    assert (set(job["minions"]), job["total"], job["tgt"], job["arg"]) == ({"web1"}, 1, None, None)


async def test_a_function_reported_by_a_minion_reveals_only_its_part() -> None:
    """The function in a return is only the minion's claim."""
    engine = Engine(ann=[".*"], bob=["test.ping"])
    stored(engine, "web1", "db", returned=("web1", "db"), reported_by="db")
    assert set((await (await engine.user("ann")).ask("get_job", jid=OLD))["minions"]) == {"web1", "db"}
    assert set((await (await engine.user("bob")).ask("get_job", jid=OLD))["minions"]) == {"db"}
    job, bob = engine.world.jobs.get(OLD), engine.world.session("test.ping", user="bob").viewer
    assert [engine.world.visibility.sees_part(bob, job, name) for name in ("web1", "db")] == [False, True]


async def test_a_hidden_job_is_not_found() -> None:
    """Hidden and missing jobs get the same answer."""
    engine = Engine(ann=[".*"], bob=["cmd.run"])
    jid = await start(await engine.user("ann"))
    bob = await engine.user("bob")
    hidden, unknown = await fails(bob, "get_job", jid=jid), await fails(bob, "get_job", jid=OLD)
    assert (hidden.code, hidden.error) == ("not_found", unknown.error)


async def test_one_minions_part_is_returned_alone() -> None:
    """The counts are those of the whole job; a part that the user may not see is like none."""
    engine = Engine(ann=[".*"], bob=WEB)
    ann, bob = await engine.user("ann"), await engine.user("bob")
    jid = await start(ann)
    engine.returns(jid, "db", "yes")
    job = await ann.ask("get_job", jid=jid, minion="db")
    assert (job["minions"]["db"]["return"], list(job["minions"]), job["total"]) == ("yes", ["db"], 3)
    hidden, unknown = [await fails(bob, "get_job", jid=jid, minion=name) for name in ("db", "x")]
    assert (hidden.code, hidden.error["message"]) == ("not_found", unknown.error["message"].replace("x ", "db ", 1))


# list_jobs


async def jobs(engine: Engine) -> Talker:
    """Three jobs and a runner, the oldest first."""
    ann, bob = await engine.user("ann"), await engine.user("bob")
    first = await start(ann, "test.ping", metadata={"ticket": 1, "more": 2})
    await start(ann, "cmd.run", "db")
    await start(bob, "test.ping", "web1", metadata={"ticket": 2})
    await ann.ask("runner", fun="manage.up")
    for minion in ("web1", "web2", "db"):
        engine.returns(first, minion, True)
    return ann


FILTERS: list[tuple[dict[str, Any], list[int]]] = [
    ({}, [4, 3, 2, 1]),
    ({"limit": 2}, [4, 3]),
    ({"fun": "test.*"}, [3, 1]),
    ({"fun": "manage.up"}, [4]),
    ({"user": "bob"}, [3]),
    ({"state": "complete"}, [1]),
    ({"state": "running"}, [4, 3, 2]),
    ({"kind": "runner"}, [4]),
    ({"kind": "job", "limit": 1}, [3]),
    ({"search": "PING web"}, [3]),
    ({"search": "bob"}, [3]),
    ({"search": "000002"}, [2]),
    ({"search": "  "}, [4, 3, 2, 1]),
    ({"search": "ping nothing"}, []),
    ({"stored": True}, [4, 3, 2, 1]),
    ({"minion": "db"}, [2, 1]),
    ({"minion": "web1", "fun": "test.*"}, [3, 1]),
    ({"minion": "none"}, []),
    ({"metadata": {"ticket": 1}}, [1]),
    ({"metadata": {}}, [4, 3, 2, 1]),
    ({"metadata": {"ticket": 3}}, []),
    ({"before": "20261123150000000003"}, [2, 1]),
    ({"since": "20261123150000000002"}, [4, 3]),
    ({"since": "20261123150000000001", "before": "20261123150000000004"}, [3, 2]),
]


@pytest.mark.parametrize(("fields", "numbers"), FILTERS)
async def test_jobs_are_listed_newest_first(fields: dict[str, Any], numbers: list[int]) -> None:
    """All filters must match; minions are omitted."""
    talker = await jobs(Engine(ann=[".*", "@runner"], bob=["test.ping"]))
    found = await talker.ask("list_jobs", **fields)
    assert [int(job["jid"][-6:]) for job in found] == numbers


MANY = [f"m{number}" for number in range(5000)]


async def test_a_long_target_is_cut_in_a_list_which_says_so() -> None:
    """A search looks at all of it, other requests have it whole, and short targets have no length."""
    engine = Engine()
    engine.sets["*"] = MANY
    talker = await engine.user()
    jid = await start(talker, tgt=MANY, tgt_type="list")
    await start(talker, tgt="web1")
    short, listed = await talker.ask("list_jobs")
    assert (listed["tgt"], listed["tgt_length"], listed["tgt_type"]) == (MANY[:100], 5000, "list")
    assert "tgt_length" not in short
    (found,) = await talker.ask("list_jobs", search="m4999")
    assert (found["jid"], found["tgt_length"]) == (jid, 5000)
    (whole,) = await talker.ask("list_jobs", search="m4999", whole_targets=True)
    await talker.ask("subscribe", subscription="job", jid=jid)
    frame, *_ = talker.frames
    for job in (whole, await talker.ask("get_job", jid=jid), frame["job"]):
        assert job["tgt"] == MANY
        assert "tgt_length" not in job


@pytest.mark.parametrize(("length", "cut"), [(2000, False), (2001, True)])
async def test_a_long_expression_is_cut_in_a_list(length: int, cut: bool) -> None:
    """If it has more than 2,000 characters."""
    engine, tgt = Engine(), "x" * length
    engine.sets[tgt] = ["db"]
    talker = await engine.user()
    await start(talker, tgt=tgt, tgt_type="compound")
    (listed,) = await talker.ask("list_jobs")
    assert (listed["tgt"], listed.get("tgt_length")) == (tgt[:2000], length if cut else None)


async def test_jobs_with_thousands_of_names_fit_in_one_reply() -> None:
    """A hundred of them would be larger than all that may wait for a client."""
    engine = Engine(limits={"outbox_bytes": 1 << 20})
    engine.sets["*"] = MANY
    talker = await engine.user()
    for _ in range(50):
        await start(talker, tgt=MANY, tgt_type="list")
    assert len(await talker.ask("list_jobs", limit=1000)) == 50
    assert (await fails(talker, "list_jobs", limit=1000, whole_targets=True)).code == "too_large"


async def test_only_visible_jobs_are_listed() -> None:
    """Hidden jobs do not count for the limit."""
    engine = Engine(ann=[".*", "@runner"], bob=["test.ping"], eve=WEB)
    await jobs(engine)
    eve = await engine.user("eve")
    found = await eve.ask("list_jobs", limit=2)
    assert [(int(job["jid"][-6:]), job["total"]) for job in found] == [(3, 1), (1, 2)]


async def test_the_jobs_of_a_minion_have_its_part_only() -> None:
    """Without its return, which may be large. A job whose part of this minion is hidden is not listed."""
    engine = Engine(ann=[".*", "@runner"], bob=["test.ping"], eve=WEB)
    ann = await jobs(engine)
    first = (await ann.ask("list_jobs", minion="db"))[-1]
    expected = {"state": "returned", "retcode": 0, "success": True, "progress": 100.0, "message": None}
    assert (first["minions"], first["total"]) == ({"db": expected}, 3)
    assert await (await engine.user("eve")).ask("list_jobs", minion="db") == []


STORED_FILTERS: list[tuple[dict[str, Any], bool]] = [
    ({}, True),
    ({"fun": "test.*"}, True),
    ({"fun": "cmd.*"}, False),
    ({"user": "root"}, True),
    ({"user": "ann"}, False),
    ({"search": "root PING"}, True),
    ({"search": "nothing"}, False),
    ({"state": "complete"}, True),
    ({"state": "failed"}, False),
    ({"kind": "runner"}, False),
    ({"minion": "db"}, True),
    ({"minion": "web1"}, False),
    ({"before": OLD}, False),
    ({"before": "20261122120000000002"}, True),
    ({"since": OLD, "before": "20261122120000000002"}, False),
    ({"metadata": {"ticket": 1}}, False),
]


@pytest.mark.parametrize(("fields", "listed"), STORED_FILTERS)
async def test_jobs_of_the_job_cache_are_listed_on_request(fields: dict[str, Any], listed: bool) -> None:
    """The same filters apply. They are not kept in memory."""
    engine = Engine()
    talker = await engine.user()
    stored(engine, "db", returned=("db",))
    assert await talker.ask("list_jobs", **fields) == []
    found = await talker.ask("list_jobs", stored=True, **fields)
    assert [(job["jid"], job["state"]) for job in found] == ([(OLD, "complete")] if listed else [])
    assert len(engine.services.jobs) == 0


async def test_stored_jobs_count_for_the_limit_after_newer_ones() -> None:
    """A job that is in memory and in the cache is listed once."""
    engine = Engine()
    talker = await engine.user()
    stored(engine, "db", returned=("db",))
    jid = await start(talker)
    load = {"fun": "test.ping", "arg": [], "tgt": "*", "tgt_type": "glob", "user": "ann", "minions": ["db"]}
    engine.store.jobs[jid] = {"kind": "job", "reported_by": None, "load": load, "returns": {}}
    assert [job["jid"] for job in await talker.ask("list_jobs", stored=True)] == [jid, OLD]
    assert [job["jid"] for job in await talker.ask("list_jobs", stored=True, limit=1)] == [jid]


async def test_stored_jobs_show_only_what_the_user_may_see() -> None:
    """As those in memory: neither a job of others nor its target, which a word would find out."""
    engine = Engine(eve=WEB, mia=[".*"])
    eve = await engine.user("eve")
    stored(engine, "db", "web1", returned=("db", "web1"))
    (job,) = await eve.ask("list_jobs", stored=True)
    assert (job["total"], job["tgt"]) == (1, None)
    assert await eve.ask("list_jobs", stored=True, search="*") == []
    stored(engine, "db", returned=("db",))
    assert await eve.ask("list_jobs", stored=True) == []
    assert len(await (await engine.user("mia")).ask("list_jobs", stored=True, search="*")) == 1


async def test_a_request_reads_a_limited_number_of_stored_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of them may have thousands of returns."""
    monkeypatch.setattr(operations_jobs, "MAX_STORED", 2)
    engine = Engine()
    talker = await engine.user()
    stored(engine, "db", returned=("db",))
    record = engine.store.jobs[OLD]
    engine.store.jobs = {f"2026112212000000000{n}": record for n in range(1, 6)}
    assert [job["jid"][-1] for job in await talker.ask("list_jobs", stored=True)] == ["5", "4"]


async def test_salts_own_jobs_are_not_listed() -> None:
    """Such as find_job."""
    engine = Engine()
    talker = await engine.user()
    engine.world.fire(f"salt/job/{OLD}/new", fun="saltutil.find_job", arg=["x"], minions=["db"], user="root")
    assert await talker.ask("list_jobs") == []


# cancel


@pytest.mark.parametrize(("fields", "fun"), [({}, "term_job"), ({"signal": "kill"}, "kill_job")])
async def test_the_owner_cancels_with_the_masters_key(fields: dict[str, str], fun: str) -> None:
    """Only on minions that still run it, and only for its jid."""
    engine = Engine(ann=["test.sleep"])
    talker = await engine.user()
    jid = await start(talker, "test.sleep")
    engine.returns(jid, "db", True)
    assert await talker.ask("cancel", jid=jid, **fields) == {"jid": jid, "minions": ["web1", "web2"]}
    assert engine.commands.as_master == [(f"saltutil.{fun}", [jid], ["web1", "web2"])]
    assert len(engine.commands.published) == 1


async def test_canceling_another_users_job_needs_permission() -> None:
    """On the minions that the user sees; Salt authorizes it."""
    engine = Engine(ann=[".*"], bob=[{"web*": ["test.*", "saltutil.term_job"]}])
    jid = await start(await engine.user("ann"))
    bob = await engine.user("bob")
    assert await bob.ask("cancel", jid=jid) == {"jid": jid, "minions": ["web1", "web2"]}
    assert engine.commands.as_master == []
    sent = engine.commands.published[-1]
    assert (sent["fun"], sent["arg"], sent["tgt"], sent["user"]) == (
        "saltutil.term_job",
        [jid],
        ["web1", "web2"],
        "bob",
    )


async def test_a_job_is_canceled_when_its_minions_report_it() -> None:
    """A killed job sends no return."""
    engine = Engine()
    engine.commands.answers["saltutil.term_job"] = "Signal 15 sent"
    talker = await engine.user()
    jid = await start(talker)
    job = talker.start("cmd", fun="test.ping", tgt="*", mode="sync")
    await talker.ask("cancel", jid=jid)
    await talker.ask("cancel", jid="20261123150000000002")
    assert (await job())["state"] == "canceled"
    assert (await talker.ask("get_job", jid=jid))["state"] == "canceled"


async def test_an_ended_job_cannot_be_canceled() -> None:
    """The error is a conflict."""
    engine = Engine()
    talker = await engine.user()
    jid = await start(talker, tgt="db")
    engine.returns(jid, "db", True)
    assert (await fails(talker, "cancel", jid=jid)).code == "conflict"


async def test_a_runner_cannot_be_canceled() -> None:
    """Salt has no way to stop one."""
    talker = await Engine().user()
    jid = (await talker.ask("runner", fun="manage.up"))["jid"]
    assert (await fails(talker, "cancel", jid=jid)).code == "conflict"


async def test_a_hidden_job_cannot_be_canceled() -> None:
    """It is not found."""
    engine = Engine(ann=[".*"], bob=["cmd.run"])
    jid = await start(await engine.user("ann"))
    assert (await fails(await engine.user("bob"), "cancel", jid=jid)).code == "not_found"
    assert engine.commands.as_master == []
