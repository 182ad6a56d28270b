"""functions and signature return cached answers of minions."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from websocket_api.core.minions import answers
from websocket_api.errors import ApiError

from tests.unit.operations.engine import Engine, Refused, Talker

SPEC = {"args": ["name"], "defaults": None, "varargs": None, "kwargs": True}
OTHER = {"args": ["nom"], "defaults": None, "varargs": None, "kwargs": None}
OLD = answers.FRESH_SECONDS + 1
SIGNATURE = {"module": "pkg.install", "tgt": "db"}
FUNCTIONS = {"tgt": "db"}
KINDS = pytest.mark.parametrize(("kind", "fields"), [("signature", SIGNATURE), ("functions", FUNCTIONS)])


def answering(**users: list[Any]) -> Engine:
    engine = Engine(**users)
    engine.commands.answers = {
        "sys.list_functions": ["test.ping", "pkg.install"],
        "sys.argspec": {"pkg.install": SPEC},
        "sys.doc": {"pkg.install": "Install a package."},
    }
    return engine


def asked(engine: Engine) -> list[str]:
    """Return the functions that were published, in order."""
    return [load["fun"] for load in engine.commands.published]


async def code(talker: Talker, kind: str, **fields: Any) -> str:
    with pytest.raises(Refused) as caught:
        await talker.ask(kind, **fields)
    return caught.value.code


@KINDS
async def test_a_fresh_answer_is_returned_without_a_request(kind: str, fields: dict[str, str]) -> None:
    """The minion is busy and does not answer any more."""
    engine = answering()
    ann = await engine.user()
    first = await ann.ask(kind, **fields)
    sent, engine.commands.answers = len(engine.commands.published), {}
    for _ in range(3):
        assert await ann.ask(kind, **fields) == first
    assert len(engine.commands.published) == sent


@KINDS
async def test_an_old_answer_is_returned_and_requested_again(kind: str, fields: dict[str, str]) -> None:
    """The new answer is for the next call."""
    engine = answering()
    ann = await engine.user()
    first = await ann.ask(kind, **fields)
    sent = len(engine.commands.published)
    engine.world.time.pass_(OLD)
    engine.commands.answers["sys.argspec"] = {"pkg.install": OTHER}
    engine.commands.answers["sys.list_functions"] = ["test.ping"]
    assert await ann.ask(kind, **fields) == first
    assert len(engine.commands.published) == 2 * sent
    await asyncio.sleep(0)
    assert await ann.ask(kind, **fields) != first
    assert len(engine.commands.published) == 2 * sent


@KINDS
async def test_an_expired_answer_is_not_used(kind: str, fields: dict[str, str], monkeypatch: Any) -> None:
    """The minion's answer may be different now."""
    engine = answering()
    ann = await engine.user()
    await ann.ask(kind, **fields)
    engine.world.time.pass_(answers.KEEP_SECONDS + 1)
    engine.commands.answers = {}
    monkeypatch.setattr(engine.services.job_watcher, "wait_for_end", _not_in_time)
    ann = await engine.user()
    assert await code(ann, kind, **fields) == "timeout"


async def _not_in_time(*_: Any) -> bool:
    return False


async def test_each_minion_answers_for_itself() -> None:
    """Another minion may have another module of the same name, with any version of Salt."""
    engine = answering()
    engine.world.minions.read_grains({"db": {"saltversion": "3008.3"}, "web1": {"saltversion": "3008.3"}})
    ann = await engine.user()
    await ann.ask("signature", **SIGNATURE)
    engine.commands.answers["sys.argspec"] = {"pkg.install": OTHER}
    assert (await ann.ask("signature", module="pkg.install", tgt="web1"))["args"] == ["nom"]
    assert (await ann.ask("signature", **SIGNATURE))["args"] == ["name"]


async def test_a_minion_with_a_cached_answer_is_preferred() -> None:
    """Other minions would have to be asked."""
    engine = answering()
    ann = await engine.user()
    await ann.ask("signature", **SIGNATURE)
    sent = len(engine.commands.published)
    engine.world.fire("salt/presence/present", present=["web1", "web2"])
    await ann.ask("signature", module="pkg.install", tgt="*")
    assert len(engine.commands.published) == sent


@pytest.mark.parametrize("change", ["version", "key"])
async def test_a_changed_minion_is_asked_again(change: str) -> None:
    """The minion was upgraded, or its key was deleted and another machine has its name."""
    engine = answering()
    registry = engine.world.minions
    registry.read_grains({"db": {"saltversion": "3007.1"}})
    ann = await engine.user()
    await ann.ask("signature", **SIGNATURE)
    engine.commands.answers["sys.argspec"] = {"pkg.install": OTHER}
    if change == "version":
        registry.read_grains({"db": {"saltversion": "3008.3"}})
    else:
        registry.read_keys({"web1": "accepted", "web2": "accepted"})
        registry.read_keys({"web1": "accepted", "web2": "accepted", "db": "accepted"})
        registry.read_grains({"db": {"saltversion": "3007.1"}})
    assert (await ann.ask("signature", **SIGNATURE))["args"] == ["nom"]


@KINDS
async def test_a_cached_answer_is_hidden_without_permission(kind: str, fields: dict[str, str]) -> None:
    """Without permission on any minion, and without permission on this minion."""
    engine = answering(ann=[".*"], bob=["test.ping"], eve=[{"web1": ["sys.*"]}])
    engine.sets["web1"] = ["web1"]
    await (await engine.user("ann")).ask(kind, **fields)
    assert await code(await engine.user("bob"), kind, **fields) == "forbidden"
    assert await code(await engine.user("eve"), kind, **fields) == "no_minions"


@KINDS
async def test_salt_authorizes_each_user_before_a_cached_answer(kind: str, fields: dict[str, str]) -> None:
    """The engine does not know Salt's blacklists, for example."""
    engine = answering(ann=[".*"], bob=[".*"])
    await (await engine.user("ann")).ask(kind, **fields)
    engine.commands.fault = ApiError("forbidden", "Salt does not permit this command")
    bob = await engine.user("bob")
    assert await code(bob, kind, **fields) == "forbidden"
    engine.commands.fault, engine.commands.answers = None, {}
    assert await bob.ask(kind, **fields), "the master accepted the question, so the known answer is given"


async def test_salt_authorizes_again_although_the_answer_is_fresh() -> None:
    """Salt's decision about a user is valid for a minute, like the answer."""
    engine = answering(ann=[".*"], bob=[".*"])
    ann, bob = await engine.user("ann"), await engine.user("bob")
    await bob.ask("functions", tgt="db")
    engine.world.time.pass_(OLD)
    await ann.ask("functions", tgt="db")
    await asyncio.sleep(0)
    await ann.ask("functions", tgt="db")
    engine.commands.fault = ApiError("forbidden", "Salt does not permit this command")
    assert await ann.ask("functions", tgt="db")
    assert await code(bob, "functions", tgt="db") == "forbidden"


async def test_documentation_needs_its_own_permission() -> None:
    """Also if another user requested it before."""
    engine = answering(ann=[".*"], bob=["sys.argspec"])
    assert (await (await engine.user("ann")).ask("signature", **SIGNATURE))["doc"]
    assert (await (await engine.user("bob")).ask("signature", **SIGNATURE))["doc"] is None
    assert asked(engine)[2:] == ["sys.argspec"]


async def test_functions_are_limited_to_what_the_user_may_run() -> None:
    """The cached list is complete."""
    engine = answering(ann=[".*"], bob=["sys.*", "test.*"])
    assert await (await engine.user("ann")).ask("functions", tgt="db") == ["pkg.install", "test.ping"]
    assert await (await engine.user("bob")).ask("functions", tgt="db") == ["test.ping"]


async def test_a_request_in_flight_is_not_sent_twice() -> None:
    """Eight calls of a user are two jobs, and all are answered."""
    engine = answering()
    talkers = [await engine.user() for _ in range(8)]
    found = await asyncio.gather(*(ann.ask("signature", **SIGNATURE) for ann in talkers))
    assert [one["args"] for one in found] == [["name"]] * 8
    assert asked(engine) == ["sys.argspec", "sys.doc"]


async def test_a_late_answer_is_cached() -> None:
    """A busy minion answers late."""
    engine = answering()
    engine.commands.answers = {}
    ann = await engine.user()
    result = ann.start("functions", tgt="db", timeout=1)
    with pytest.raises(Refused) as caught:
        await result()
    assert caught.value.code == "timeout"
    (load,) = engine.commands.published
    engine.returns(load["jid"], "db", ["test.ping"])
    assert await ann.ask("functions", tgt="db") == ["test.ping"]
    assert len(engine.commands.published) == 1


@pytest.mark.parametrize("kind", ["signature", "functions"])
async def test_the_wait_is_that_of_a_job(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A minute, unless the message says otherwise, up to an hour."""
    engine, waits = answering(), []
    ended = engine.services.job_watcher.wait_for_end

    async def audit_fields(job: Any, seconds: float, connection: Any) -> bool:
        waits.append(seconds)
        return await ended(job, seconds, connection)

    monkeypatch.setattr(engine.services.job_watcher, "wait_for_end", audit_fields)
    ann = await engine.user()
    fields = {"module": "pkg.install"} if kind == "signature" else {}
    await ann.ask(kind, tgt="db", **fields)
    await ann.ask(kind, tgt="web1", timeout=3600, **fields)
    assert set(waits) == {60, 3600}


async def test_an_unknown_function_is_requested_again() -> None:
    """It may have been synced meanwhile."""
    engine = answering()
    engine.commands.answers["sys.argspec"] = {}
    ann = await engine.user()
    assert await code(ann, "signature", **SIGNATURE) == "unknown_function"
    engine.commands.answers["sys.argspec"] = {"pkg.install": SPEC}
    assert (await ann.ask("signature", **SIGNATURE))["args"] == ["name"]


MALFORMED = [[], "text", 7, None, [[]], {"pkg.install": []}, {"pkg.install": "x"}, {"pkg.install": 1}]
MALFORMED_SPECS = [
    {"args": "abc"},
    {"args": [1, None], "defaults": 5},
    {"args": ["a"], "defaults": [1, 2, 3], "kwargs": {}},
]


@pytest.mark.parametrize("answer", MALFORMED)
async def test_an_invalid_answer_of_a_minion_is_not_an_internal_error(answer: Any) -> None:
    """The answer comes from another machine."""
    engine = answering()
    engine.commands.answers["sys.argspec"] = engine.commands.answers["sys.doc"] = answer
    assert await code(await engine.user(), "signature", **SIGNATURE) == "unknown_function"


@pytest.mark.parametrize("spec", MALFORMED_SPECS)
async def test_an_incomplete_argspec_is_returned(spec: Any) -> None:
    """The talker checks it against the schema of the result."""
    engine = answering()
    engine.commands.answers["sys.argspec"] = {"pkg.install": spec}
    assert await (await engine.user()).ask("signature", **SIGNATURE)


async def test_the_memory_of_answers_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    """The least recently used answers are dropped first, and users beyond the limit are authorized again."""
    monkeypatch.setattr(answers, "MAX_ANSWERS", 2)
    engine = answering()
    ann = await engine.user()
    for tgt in ("db", "web1", "db", "web2"):
        await ann.ask("functions", tgt=tgt)
    assert len(engine.commands.published) == 3
    await ann.ask("functions", tgt="db")
    assert len(engine.commands.published) == 3
    await ann.ask("functions", tgt="web1")
    assert len(engine.commands.published) == 4
