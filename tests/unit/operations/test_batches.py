"""Operations on batches: created in either form, followed, read and canceled, and every error."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Any

import pytest
from websocket_api.errors import MAX_FAULTS
from websocket_api.operations.batch_items import ITEMS_PER_TURN
from websocket_api.operations.dispatcher import Dispatcher

from tests.unit.core.batches.support import Store, settle
from tests.unit.operations.engine import Engine, Refused, Talker


async def started(*, limits: dict[str, Any] | None = None, batches: Store | None = None, **users: list[Any]) -> Engine:
    """An engine whose batch store has answered."""
    engine = Engine(limits=limits, batches=batches, **users)
    await engine.services.batches.maintenance.tick()
    return engine


async def run(engine: Engine, seconds: float = 1.0) -> None:
    """Advance the time."""
    for _ in range(int(seconds * 4)):
        engine.world.time.pass_(0.25)
        await settle()


def post(resource: str = "/test/ping", to: Any = "web1", **more: Any) -> dict[str, Any]:
    """An item in the puppetmaster's form."""
    return {"method": "post", "resource": resource, "data": {}, "__request": {"destination": to}, **more}


async def test_the_puppetmasters_form_names_a_function_by_its_path() -> None:
    """``data`` holds keyword arguments, and under ``__args`` positional ones."""
    engine = await started()
    ann = await engine.user()
    data = {"__args": ["nginx"], "reload": True}
    made = await ann.ask("batch", batch=[post("/service/restart", ["web1", "db"], data=data)])
    await run(engine)
    (sent,) = engine.commands.published
    assert (sent["fun"], sent["arg"], sent["kwarg"]) == ("service.restart", ["nginx"], {"reload": True})
    assert (sent["tgt"], sent["tgt_type"]) == (["web1", "db"], "list")
    assert len(made["requests"]) == made["total_count"] == 2
    one = await ann.ask("get_batch", request=made["requests"][1])
    assert (one["resource"], one["minion"]) == ("/service/restart", "db")
    assert (one["arg"], one["kwarg"]) == (["nginx"], {"reload": True})


async def test_minions_with_an_accepted_key_are_not_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Salt reads a file for each name of a list, which takes seconds for thousands."""
    engine, asked = await started(), []
    match = engine.match

    async def watched(tgt: Any, tgt_type: str) -> list[str]:
        asked.append(tgt)
        return await match(tgt, tgt_type)

    monkeypatch.setattr(engine, "match", watched)
    engine.services = dataclasses.replace(engine.services, match=watched)
    engine.dispatcher = Dispatcher(engine.services)
    ann = await engine.user()
    await ann.ask("batch", batch=[post(to=["web1", "gone", "db"])])
    assert asked == [["gone"]]


async def test_salts_form_takes_any_target() -> None:
    """Each minion that it matches becomes one request."""
    engine = await started()
    ann = await engine.user()
    made = await ann.ask("batch", batch=[{"fun": "test.ping", "tgt": "web*"}, {"fun": "test.ping", "tgt": ["db"]}])
    await run(engine)
    assert [sent["tgt"] for sent in engine.commands.published] == [["web1", "web2", "db"]]
    assert made["total_count"] == 3


async def test_state_functions_are_sent_with_progress_events() -> None:
    """The answer has only the arguments that the user gave."""
    engine = await started()
    ann = await engine.user()
    made = await ann.ask("batch", batch=[{"fun": "state.apply", "arg": ["web"], "tgt": "web*"}])
    await run(engine)
    assert engine.commands.published[0]["kwarg"] == {"state_events": True}
    assert (await ann.ask("get_batch", request=made["requests"][0]))["arg"] == ["web"]


async def test_a_missing_minion_of_a_list_does_not_stop_the_others() -> None:
    """Its request ends as an error at once."""
    engine = await started()
    ann = await engine.user()
    made = await ann.ask("batch", batch=[post(to=["web1", "gone"])])
    assert made["error_count"] == 1
    await run(engine)
    shown = await ann.ask("get_batch", batch=made["id"], collection=True)
    assert [one["status"] for one in shown["requests"]] == ["sent", "error"]
    assert shown["requests"][1]["result"]["error"] == "no_minions"


async def test_a_batch_is_returned_with_ids_or_with_pages_of_requests() -> None:
    """With ``offset`` and ``limit``."""
    engine = await started()
    ann = await engine.user()
    made = await ann.ask("batch", batch=[{"fun": "test.ping", "tgt": "*"}])
    assert (await ann.ask("get_batch", batch=made["id"]))["requests"] == made["requests"]
    part = await ann.ask("get_batch", batch=made["id"], collection=True, offset=1, limit=1)
    assert [one["id"] for one in part["requests"]] == [made["requests"][1]]


async def test_batches_are_listed_newest_first_and_by_status() -> None:
    """Users see their own."""
    engine = await started(ann=[".*"], bob=["test.*"])
    ann, bob = await engine.user(), await engine.user("bob")
    first = await ann.ask("batch", batch=[post()])
    engine.world.time.pass_(1)
    second = await bob.ask("batch", batch=[post(to="db")])
    assert [one["id"] for one in await ann.ask("list_batches")] == [second["id"], first["id"]]
    assert [one["id"] for one in await bob.ask("list_batches")] == [second["id"]]
    assert await ann.ask("list_batches", status="resolved") == []


async def test_a_subscription_sends_a_snapshot_and_then_changes_only() -> None:
    """The snapshot ends with ``live``."""
    engine = await started()
    ann = await engine.user()
    made = await ann.ask("batch", batch=[{"fun": "test.ping", "tgt": "*"}])
    await run(engine)
    await ann.ask("subscribe", subscription="batch", batch=made["id"])
    first, live = ann.frames
    assert (first["type"], len(first["requests"]), live["type"]) == ("batch", 3, "live")
    engine.returns(engine.commands.published[0]["jid"], "web2", True)
    await run(engine)
    (change,) = ann.frames
    assert [one["minion"] for one in change["requests"]] == ["web2"]
    assert change["batch"]["done_count"] == 1


async def test_a_subscription_sends_the_job_of_requests_when_it_is_known() -> None:
    """A function that runs for an hour has a job to open from its first second, not from its end."""
    engine = await started()
    ann = await engine.user()
    made = await ann.ask("batch", concurrency=1, batch=[{"fun": "test.ping", "tgt": "web*"}])
    await ann.ask("subscribe", subscription="batch", batch=made["id"])
    await run(engine)
    known = {one["minion"]: one["jid"] for frame in ann.frames for one in frame.get("requests", ())}
    assert known == {"web1": engine.commands.published[0]["jid"], "web2": None}
    engine.returns(known["web1"], "web1", True)
    await run(engine)
    known |= {one["minion"]: one["jid"] for frame in ann.frames for one in frame.get("requests", ())}
    assert known == {"web1": engine.commands.published[0]["jid"], "web2": engine.commands.published[1]["jid"]}


async def test_a_large_snapshot_comes_in_chunks() -> None:
    """At most 500 requests in a frame."""
    engine = await started()
    engine.sets["*"] = [f"m{number}" for number in range(1100)]
    ann = await engine.user()
    made = await ann.ask("batch", batch=[{"fun": "test.ping", "tgt": "*"}])
    await ann.ask("subscribe", subscription="batch", batch=made["id"])
    assert [len(frame.get("requests", ())) for frame in ann.frames] == [500, 500, 100, 0]


async def test_a_large_change_comes_in_chunks() -> None:
    """Canceling a hundred thousand requests must not make a frame of 40 MB."""
    engine = await started()
    engine.sets["*"] = [f"m{number}" for number in range(1100)]
    ann = await engine.user()
    made = await ann.ask("batch", concurrency=1, batch=[{"fun": "test.ping", "tgt": "*"}])
    await run(engine, 2)
    await ann.ask("subscribe", subscription="batch", batch=made["id"])
    assert ann.frames
    await ann.ask("cancel_batch", batch=made["id"])
    await run(engine)
    frames = [frame for frame in ann.frames if frame["requests"]]
    assert [len(frame["requests"]) for frame in frames][:2] == [500, 500]
    assert sum(len(frame["requests"]) for frame in frames) == 1100
    assert frames[-1]["batch"]["status"] == "canceled"


async def test_a_subscription_ends_when_its_batch_is_forgotten_during_the_snapshot() -> None:
    """A client that reads slowly does not wait for frames that never come."""
    engine = await started()
    engine.sets["*"] = [f"m{number}" for number in range(4000)]
    ann, slow = await engine.user(), await engine.user()
    made = await ann.ask("batch", concurrency=1, batch=[{"fun": "test.ping", "tgt": "*"}])
    slow.client.socket.stuck = True
    subscribing = slow.send({"type": "subscribe", "subscription": "batch", "batch": made["id"]})
    assert subscribing is not None
    await subscribing
    await run(engine, 2)
    await ann.ask("cancel_batch", batch=made["id"], forget=True)
    await run(engine)
    slow.client.socket.stuck = False
    slow.client.outbox.pump()
    reply, *_, head, ended = slow.client.got
    assert reply["subscription"] == ended["subscription"]
    assert (head["batch"]["status"], ended["type"], ended["error"]["code"]) == ("canceled", "ended", "not_found")


async def test_a_subscription_to_all_batches_includes_new_ones() -> None:
    """Without their requests."""
    engine = await started()
    ann = await engine.user()
    await ann.ask("subscribe", subscription="batch")
    assert [frame["type"] for frame in ann.frames] == ["live"]
    made = await ann.ask("batch", batch=[post()])
    await run(engine)
    frames = ann.frames
    assert {frame["batch"]["id"] for frame in frames} == {made["id"]}
    assert all(frame["requests"] == [] for frame in frames)


async def test_at_most_ten_frames_a_second_are_sent_and_always_the_last_state() -> None:
    """However fast the returns arrive."""
    engine = await started()
    engine.sets["*"] = [f"m{number}" for number in range(400)]
    ann = await engine.user()
    made = await ann.ask("batch", batch=[{"fun": "test.ping", "tgt": "*"}])
    await run(engine)
    await ann.ask("subscribe", subscription="batch", batch=made["id"])
    assert ann.frames
    jid = engine.commands.published[0]["jid"]
    for number in range(400):
        engine.returns(jid, f"m{number}", True)
        engine.world.time.pass_(0.005)
    await run(engine)
    frames = ann.frames
    assert 15 <= len(frames) <= 22
    assert frames[-1]["batch"]["status"] == "resolved"
    assert sum(len(frame["requests"]) for frame in frames) == 400


async def test_a_cancel_returns_the_canceled_batch_and_a_second_one_is_a_conflict() -> None:
    """The jobs are stopped with the master's key, on their minions."""
    engine = await started()
    ann = await engine.user()
    made = await ann.ask("batch", batch=[{"fun": "test.sleep", "arg": [9], "tgt": "web*"}])
    await run(engine, 2)
    shown = await ann.ask("cancel_batch", batch=made["id"])
    assert (shown["status"], shown["progress"]) == ("canceled", 100)
    jid = engine.commands.published[0]["jid"]
    assert engine.commands.as_master == [("saltutil.term_job", [jid], ["web1", "web2"])]
    with pytest.raises(Refused, match="conflict"):
        await ann.ask("cancel_batch", batch=made["id"])
    assert await ann.ask("cancel_batch", batch=made["id"], forget=True) is None
    with pytest.raises(Refused, match="not_found: there is no batch"):
        await ann.ask("cancel_batch", batch=made["id"], forget=True)


@pytest.mark.parametrize(
    ("message", "paths"),
    [
        ({"batch": []}, ["/batch"]),
        ({}, ["/batch"]),
        ({"batch": [{}]}, ["/batch/0"]),
        ({"batch": [post("/system")]}, ["/batch/0/resource"]),
        ({"batch": [post("/")]}, ["/batch/0/resource"]),
        ({"batch": [post("/../etc/passwd")]}, ["/batch/0/resource"]),
        ({"batch": [post(method="brew")]}, ["/batch/0/method"]),
        ({"batch": [post(to=[])]}, ["/batch/0/__request/destination"]),
        ({"batch": [post(to=7)]}, ["/batch/0/__request/destination"]),
        ({"batch": [post(to=["a/b"])]}, ["/batch/0/__request/destination/0"]),
        ({"batch": [{"method": "post", "resource": "/a/b", "__request": {}}]}, ["/batch/0/__request"]),
        ({"batch": [{"method": "post", "resource": "/a/b"}]}, ["/batch/0/__request"]),
        ({"batch": [{"fun": "test.ping"}]}, ["/batch/0/tgt"]),
        ({"batch": [{"fun": "test.ping", "tgt": "*", "resource": "/a/b"}]}, None),
        ({"batch": [post(data=[])]}, ["/batch/0/data"]),
        ({"batch": [post(data={"__args": "x"})]}, ["/batch/0/data/__args"]),
        ({"batch": [post(data={"__args": ["a=b"]})]}, ["/batch/0/data/__args/0"]),
        ({"batch": [{"fun": "a.b", "arg": ["a=b"], "tgt": "*"}, {"fun": "a.b", "arg": ["c=d"], "tgt": "*"}]}, None),
        ({"batch": [post()], "timeout": 0}, ["/timeout"]),
        ({"batch": [post()], "timeout": "Infinity"}, ["/timeout"]),
        ({"batch": [{"fun": "test.ping", "tgt": "*", "tunnel": "/remote"}]}, ["/batch/0/resource"]),
        ({"batch": [post()], "timeout": "9", "concurrency": -1, "on_error": "panic"}, None),
        ({"batch": [post()], "concurrency": 1.5}, ["/concurrency"]),
    ],
)
async def test_every_fault_is_reported_and_nothing_is_created(message: dict[str, Any], paths: list[str] | None) -> None:
    """With its path in the message."""
    engine = await started()
    ann = await engine.user()
    with pytest.raises(Refused) as caught:
        await ann.ask("batch", **message)
    assert caught.value.code == "bad_message"
    found = [fault["path"] for fault in caught.value.error["details"]]
    assert found == paths if paths else len(found) > 1
    assert await ann.ask("list_batches") == []
    assert engine.batches.batches == {}


async def test_every_target_without_a_minion_is_reported() -> None:
    """With its path in the message."""
    engine = await started()
    ann = await engine.user()
    with pytest.raises(Refused) as caught:
        await ann.ask("batch", batch=[post(), post(to="gone"), {"fun": "test.ping", "tgt": "nobody*"}])
    assert caught.value.code == "no_minions"
    assert [one["path"] for one in caught.value.error["details"]] == ["/batch/1/__request/destination", "/batch/2/tgt"]
    assert await ann.ask("list_batches") == []


async def test_a_batch_with_some_unknown_destinations_is_created() -> None:
    """Each of them becomes a failed request; if all are unknown, nothing is created."""
    engine = await started()
    ann = await engine.user()
    made = await ann.ask("batch", batch=[post(), post(to="gone"), post("/test/echo", ["lost", "web2"])])
    assert (made["total_count"], made["error_count"]) == (4, 2)
    whole = await ann.ask("get_batch", batch=made["id"], collection=True)
    statuses = {one["minion"]: one["status"] for one in whole["requests"]}
    assert statuses == {"web1": "pending", "gone": "error", "lost": "error", "web2": "pending"}
    assert whole["requests"][1]["result"]["error"] == "no_minions"
    with pytest.raises(Refused, match="no_minions"):
        await ann.ask("batch", batch=[post(to="gone"), post("/test/echo", ["lost"])])


async def test_the_fields_of_the_puppetmaster_are_kept() -> None:
    """``tunnel`` and ``method`` of each item, even for the same function; ``timeout`` may be ``infinity``."""
    engine = await started()
    ann = await engine.user()
    items = [post(tunnel="/remote"), post(to="web2"), post(to="db", method="get")]
    made = await ann.ask("batch", batch=items, timeout="infinity")
    assert made["timeout"] is None
    whole = await ann.ask("get_batch", batch=made["id"], collection=True)
    assert [(one.get("tunnel"), one["method"]) for one in whole["requests"]] == [
        ("/remote", "post"),
        (None, "post"),
        (None, "get"),
    ]
    assert [one.get("tunnel") for one in engine.batches.calls[made["id"]]] == ["/remote", None, None]


async def test_too_many_requests_are_refused_with_limit_and_number() -> None:
    """Two million, with a limit of a hundred; they are counted before any is created."""
    engine = await started(limits={"batch_requests": 100})
    engine.sets["*"] = [f"m{number}" for number in range(20_000)]
    ann = await engine.user()
    items = [{"fun": "test.ping", "arg": [number], "tgt": "*"} for number in range(100)]
    with pytest.raises(Refused) as caught:
        await ann.ask("batch", batch=items)
    assert caught.value.code == "too_large"
    assert caught.value.error["details"] == {"limit": "batch_requests", "most": 100, "requests": 2_000_000}


async def test_the_requests_of_all_running_batches_are_limited() -> None:
    """To ten times the limit of one batch."""
    engine = await started(limits={"batch_requests": 3})
    ann = await engine.user()
    for _ in range(10):
        await ann.ask("batch", batch=[{"fun": "test.sleep", "tgt": "*"}])
    with pytest.raises(Refused, match="too_many") as caught:
        await ann.ask("batch", batch=[post()])
    assert caught.value.error["details"] == {"limit": "batch_requests"}


async def test_large_arguments_count_as_many_requests() -> None:
    """One request in each of ten thousand batches could take 80 GB."""
    engine = await started(limits={"batch_requests": 100})
    ann = await engine.user()
    large = [{"fun": "test.arg", "arg": [[{}] * 5000], "tgt": "web1"}]
    await ann.ask("batch", batch=large)
    for again in (large, [post()]):
        with pytest.raises(Refused, match="too_many") as caught:
            await ann.ask("batch", batch=again)
        assert caught.value.error["details"] == {"limit": "batch_requests"}


async def test_items_that_salt_would_refuse_are_refused_at_once() -> None:
    """And not when the batch is half done."""
    engine = await started(half=[{"web*": ["test.*"]}])
    half: Talker = await engine.user("half")
    assert (await half.ask("batch", batch=[post(to="web1")]))["total_count"] == 1
    for wrong in (post(to="db"), post("/cmd/run", "web1")):
        with pytest.raises(Refused, match="forbidden"):
            await half.ask("batch", batch=[post(to="web2"), wrong])
    assert len(await half.ask("list_batches")) == 1


async def test_batches_and_requests_of_other_users_are_not_found() -> None:
    """404 and not 403, in every operation."""
    engine = await started(ann=[".*"], bob=["test.*"])
    ann, bob = await engine.user(), await engine.user("bob")
    made = await ann.ask("batch", batch=[post()])
    for kind, fields in (
        ("get_batch", {"batch": made["id"]}),
        ("get_batch", {"request": made["requests"][0]}),
        ("cancel_batch", {"batch": made["id"]}),
        ("pause_batch", {"batch": made["id"]}),
        ("resume_batch", {"batch": made["id"]}),
        ("subscribe", {"subscription": "batch", "batch": made["id"]}),
    ):
        with pytest.raises(Refused, match="not_found: there is no"):
            await bob.ask(kind, **fields)


async def test_batches_are_found_before_the_engine_has_read_its_store() -> None:
    """After a crash or a reload a client may ask sooner, and would believe that its batch is lost."""
    store = Store(shared=False)
    made = await (await (await started(batches=store)).user()).ask("batch", batch=[post()])
    asked = {"get_batch": {"batch": made["id"]}, "subscribe": {"subscription": "batch", "batch": made["id"]}}
    for kind, fields in {**asked, "list_batches": {}}.items():
        assert await (await Engine(batches=store).user()).ask(kind, **fields), kind


async def test_batches_need_the_client_local() -> None:
    """The option ``clients`` applies to them too."""
    engine = await started()
    ann = await engine.user()
    made = await ann.ask("batch", concurrency=1, batch=[post()])
    engine.set(clients=("runner",))
    with pytest.raises(Refused, match="forbidden"):
        await ann.ask("batch", batch=[post()])
    for kind in ("pause_batch", "resume_batch", "cancel_batch"):
        with pytest.raises(Refused, match="forbidden"):
            await ann.ask(kind, batch=made["id"])


async def test_a_batch_is_paused_and_resumed(caplog: pytest.LogCaptureFixture) -> None:
    """Subscribers see it. Once it has ended it is a conflict. Both have an audit line."""
    engine = await started()
    ann = await engine.user()
    made = await ann.ask("batch", concurrency=1, batch=[{"fun": "test.sleep", "arg": [9], "tgt": "web*"}])
    await ann.ask("subscribe", subscription="batch", batch=made["id"])
    await run(engine, 2)
    with caplog.at_level("INFO", "websocket_api.audit"):
        assert (await ann.ask("pause_batch", batch=made["id"]))["paused"] is True
        engine.returns(engine.commands.published[0]["jid"], "web1", True)
        await run(engine, 5)
        assert (len(engine.commands.published), ann.frames[-1]["batch"]["paused"]) == (1, True)
        assert (await ann.ask("resume_batch", batch=made["id"]))["paused"] is False
    await run(engine, 2)
    assert len(engine.commands.published) == 2
    lines = [record.getMessage() for record in caplog.records]
    for kind in ("pause_batch", "resume_batch"):
        assert [line for line in lines if f"operation={kind}" in line and f"batch={made['id']}" in line], kind
    await ann.ask("cancel_batch", batch=made["id"])
    for kind in ("pause_batch", "resume_batch"):
        with pytest.raises(Refused, match="conflict: the batch has ended"):
            await ann.ask(kind, batch=made["id"])


LABELS: list[tuple[dict[str, Any], tuple[Any, ...]]] = [
    ({"batch": [{"fun": "test.ping", "tgt": "web*"}]}, (None, ["test.ping"], "web*", "glob")),
    (
        {"name": "kernel, rack 4", "batch": [{"fun": fun, "tgt": "web*"} for fun in ("b.b", "a.a", "b.b")]},
        ("kernel, rack 4", ["a.a", "b.b"], "web*", "glob"),
    ),
    ({"batch": [{"fun": "test.ping", "tgt": one} for one in ("web*", "*")]}, (None, ["test.ping"], None, None)),
    ({"batch": [{"fun": "test.ping", "tgt": ["web1"]}]}, (None, ["test.ping"], None, None)),
    ({"name": None, "batch": [{"fun": f"m.f{at:02}", "tgt": "*"} for at in range(30)]}, (None, 20, "*", "glob")),
]


@pytest.mark.parametrize(("message", "expected"), LABELS)
async def test_a_batch_says_its_name_functions_and_target(message: dict[str, Any], expected: tuple[Any, ...]) -> None:
    """In lists as well, which do not have its requests."""
    engine = await started()
    ann = await engine.user()
    made = await ann.ask("batch", **message)
    (listed,) = await ann.ask("list_batches")
    for shown in (made, listed):
        functions = len(shown["functions"]) if isinstance(expected[1], int) else shown["functions"]
        assert (shown["name"], functions, shown["tgt"], shown["tgt_type"]) == expected


@pytest.mark.parametrize("name", ["", "x" * 201, "two\nlines", "\x1b[31m", 5])
async def test_an_invalid_name_is_refused(name: Any) -> None:
    """With its path."""
    engine = await started()
    ann = await engine.user()
    with pytest.raises(Refused, match="bad_message: /name"):
        await ann.ask("batch", name=name, batch=[post()])


async def test_a_batch_and_each_of_its_jobs_have_an_audit_line(caplog: pytest.LogCaptureFixture) -> None:
    """With user, function and target, but without arguments."""
    engine = await started()
    ann = await engine.user()
    with caplog.at_level("INFO", "websocket_api.audit"):
        made = await ann.ask("batch", batch=[post("/cmd/run", data={"__args": ["hush"]})])
        await run(engine)
    first, second = [record.getMessage() for record in caplog.records if "operation=batch" in record.getMessage()]
    assert f"batch={made['id']}" in first
    assert "fun=cmd.run" in second
    assert engine.commands.published[0]["jid"] in second
    assert "hush" not in first + second


@pytest.mark.parametrize(
    "item",
    [
        {"fun": "test.ping", "tgt": "web1", "arg": ["a=1"]},
        {"fun": "test.ping", "tgt": ["web1"], "arg": ["a=1"] * 20},
        {"fun": "test.ping", "tgt": "nobody*"},
        {"fun": "test.ping", "tgt": "web1(", "tgt_type": "pcre"},
        post(data={"__args": ["a=1"]}),
    ],
    ids=["an argument", "many arguments", "no minions", "no expression", "the other form"],
)
async def test_the_number_of_reported_faults_is_limited(item: dict[str, Any]) -> None:
    """For a thousand items that are all wrong."""
    ann = await (await started()).user()
    named = range(1_000) if "fun" in item else [None] * 1_000
    batch = [item if number is None else {**item, "fun": f"test.f{number}"} for number in named]
    with pytest.raises(Refused) as caught:
        await ann.ask("batch", batch=batch)
    assert 1 <= len(caught.value.error["details"]) <= MAX_FAULTS


@pytest.mark.parametrize("good", [True, False])
async def test_other_tasks_run_while_a_batch_is_planned(good: bool) -> None:
    """Items are read a hundred at a time."""
    ann = await (await started()).user()
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    counting = asyncio.ensure_future(count())
    batch = [post(to="web1") for _ in range(5000)] + ([] if good else [post(to="web1", data={"__args": ["a=1"]})])
    try:
        await ann.ask("batch", batch=batch)
        assert good
    except Refused:
        assert not good
    finally:
        counting.cancel()
    assert turns >= 5000 / ITEMS_PER_TURN


async def test_an_error_after_a_batch_was_created_names_it() -> None:
    """Its client must not create it again."""
    engine = await started(limits={"outbox_bytes": 2000})
    ann = await engine.user()
    with pytest.raises(Refused) as caught:
        await ann.ask("batch", batch=[{"fun": "test.ping", "tgt": ["web1", "db"]}] * 300)
    (batch,) = engine.services.batches.registry.known()
    error = caught.value.error
    assert (error["code"], error["details"]) == ("too_large", {"sent": True, "batch": batch.id})
    assert f"it has created the batch {batch.id}" in error["message"]
