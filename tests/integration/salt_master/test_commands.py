"""What the master makes of our commands, and what arrives at the other end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from websocket_api.errors import ApiError
from websocket_api.salt_master.commands import Commands
from websocket_api.salt_master.job_cache import JobCache

pytestmark = [pytest.mark.slow, pytest.mark.both_lines]

Token = Callable[[str], Awaitable[str]]
WRONG_TOKEN = "f" * 64
RETURN_SECONDS = 90  # that a minion may take on a loaded machine; half a second is usual


async def returned(store: JobCache, jid: str, count: int = 1) -> dict[str, Any]:
    """Return what ``count`` minions returned."""
    deadline = time.monotonic() + RETURN_SECONDS
    while time.monotonic() < deadline:
        job = await store.job(jid)
        if job and len(job["returns"]) >= count:
            return {minion: data["return"] for minion, data in job["returns"].items()}
        await asyncio.sleep(0.1)
    raise AssertionError(f"no return of {jid}")


EXACT = ["1", 1, 1.5, True, None, "", "None", "2020-01-01", "[1]", "{a: 1}", "# x", "=", "a==b", " a=b", "x\ny=1"]
EXACT += [["1", "a=b"], {"k": "a=b"}, -1, 2**63 - 1, "\N{SNOWMAN}", "yes", "1_000", "/a/b=c"]


async def test_arguments_arrive_at_a_minion_exactly_as_they_were_given(
    commands: Commands, token: Token, store: JobCache
) -> None:
    """Salt's command line would read YAML into half of these."""
    keywords = {"a": "1", "b": "x=y", "c": 1, "d": None, "e": ["1"], "f": "yes"}
    job = await commands.publish(await token("demo"), "demo", "test.arg", EXACT, keywords, "minion-1", "glob")
    arrived = (await returned(store, job["jid"]))["minion-1"]
    assert arrived["args"] == EXACT
    assert {key: value for key, value in arrived["kwargs"].items() if not key.startswith("__pub_")} == keywords


async def test_arguments_arrive_at_a_runner_exactly_as_they_were_given(
    commands: Commands, token: Token, store: JobCache
) -> None:
    """Among them the strings that a minion would take for keyword arguments."""
    positional, keywords = [*EXACT, "a=b"], {"a": "1", "b": "x=y"}
    run = await commands.runner(await token("demo"), "test.arg", positional, keywords)
    assert run["tag"] == f"salt/run/{run['jid']}"
    (arrived,) = (await returned(store, run["jid"])).values()
    assert (arrived["args"], arrived["kwargs"]) == (positional, keywords)


@pytest.mark.parametrize(
    ("arg", "kwarg", "path"),
    [
        (["x", "a=b"], {}, "/args/1"),
        ([{"__kwarg__": True, "a": 1}], {}, "/args/0"),
        ([], {"__pub_user": "root"}, "/kwargs/__pub_user"),
    ],
)
async def test_what_salt_would_turn_into_something_else_is_refused_and_named(
    commands: Commands, arg: list[Any], kwarg: dict[str, Any], path: str
) -> None:
    """Nothing is sent: a wrong argument can be worse than none."""
    with pytest.raises(ApiError) as refused:
        await commands.publish(WRONG_TOKEN, "demo", "test.arg", arg, kwarg, "*", "glob")
    assert refused.value.code == "bad_message"
    assert [fault["path"] for fault in refused.value.details] == [path]


async def test_strings_are_parsed_as_salt_api_does_where_that_is_asked_for(
    commands: Commands, token: Token, store: JobCache
) -> None:
    """Its clients say ``a=b`` and mean a keyword argument."""
    job = await commands.publish(
        await token("demo"), "demo", "test.arg", ["x", "a=b"], {}, "minion-1", "glob", parse=True
    )
    arrived = (await returned(store, job["jid"]))["minion-1"]
    assert arrived["args"] == ["x"]
    assert arrived["kwargs"]["a"] == "b"


@pytest.mark.parametrize(
    ("tgt", "tgt_type", "meant"),
    [
        ("*", "glob", ["minion-1", "minion-2"]),
        ("minion-1,minion-2", "list", ["minion-1", "minion-2"]),
        (["minion-2"], "list", ["minion-2"]),
        ("both", "nodegroup", ["minion-1", "minion-2"]),
        ("N@both and not minion-1", "compound", ["minion-2"]),
        ("minion-.$", "pcre", ["minion-1", "minion-2"]),
    ],
)
async def test_a_publish_tells_the_minions_that_are_meant(
    commands: Commands, token: Token, tgt: Any, tgt_type: str, meant: list[str]
) -> None:
    """With nodegroups resolved here, for the minions know none."""
    job = await commands.publish(await token("demo"), "demo", "test.ping", [], {}, tgt, tgt_type)
    assert sorted(job["minions"]) == meant
    assert len(job["jid"]) == 20


async def test_metadata_travels_with_the_job(commands: Commands, token: Token, store: JobCache) -> None:
    """And is found in the job cache again; the token that travels too is not shown."""
    demo = await token("demo")
    job = await commands.publish(demo, "demo", "test.ping", [], {}, "minion-1", "glob", {"metadata": {"ticket": 7}})
    await returned(store, job["jid"])
    stored = await store.job(job["jid"])
    assert stored is not None
    assert stored["load"]["metadata"] == {"ticket": 7}
    assert stored["load"]["user"] == "demo"
    assert demo not in repr(stored)


@pytest.mark.parametrize(
    ("user", "fun", "tgt", "code"),
    [
        (None, "test.ping", "*", "unauthenticated"),
        ("viewer", "test.arg", "*", "forbidden"),
        ("half", "test.ping", "minion-2", "forbidden"),
        ("demo", "test.ping", "nobody", "no_minions"),
    ],
)
async def test_a_refused_publish_says_why(
    commands: Commands, token: Token, user: str | None, fun: str, tgt: str, code: str
) -> None:
    """Decided by the master, by the token in the load."""
    key = await token(user) if user else WRONG_TOKEN
    with pytest.raises(ApiError) as refused:
        await commands.publish(key, user or "demo", fun, [], {}, tgt, "glob")
    assert refused.value.code == code


async def test_the_name_beside_a_token_gives_no_rights(commands: Commands, token: Token) -> None:
    """Not even root's."""
    with pytest.raises(ApiError) as refused:
        await commands.publish(await token("viewer"), "root", "test.arg", [], {}, "*", "glob")
    assert refused.value.code == "forbidden"
    with pytest.raises(ValueError, match="key"):
        await commands.publish(WRONG_TOKEN, "x", "test.ping", [], {}, "*", "glob", {"key": "x"})


@pytest.mark.parametrize("client", ["runner", "wheel"])
async def test_a_refused_runner_or_wheel_says_why(commands: Commands, token: Token, client: str) -> None:
    """Salt names both causes alike; we do not."""
    call, fun = getattr(commands, client), {"runner": "jobs.active", "wheel": "key.list_all"}[client]
    for key, code in ((await token("viewer"), "forbidden"), (WRONG_TOKEN, "unauthenticated")):
        with pytest.raises(ApiError) as refused:
            await call(key, fun, [], {})
        assert refused.value.code == code
    with pytest.raises(ApiError) as refused:
        await call(WRONG_TOKEN, "test.no_such_function", [], {})
    assert refused.value.code == "unknown_function"


async def test_a_wheels_positional_arguments_are_bound_to_their_names(commands: Commands, token: Token) -> None:
    """Salt takes names only."""
    demo = await token("demo")
    by_position = await commands.wheel(demo, "key.list", ["accepted"], {})
    by_name = await commands.wheel(demo, "key.list", [], {"match": "accepted"})
    assert by_position["return"] == by_name["return"]
    assert sorted(by_name["return"]["minions"]) == ["minion-1", "minion-2"]
    assert by_name["success"] is True
    assert by_name["tag"] == f"salt/wheel/{by_name['jid']}"


@pytest.mark.parametrize(
    ("arg", "kwarg", "code"),
    [
        (["a", "b"], {}, "unknown_function"),
        (["a"], {"match": "b"}, "unknown_function"),
        ([], {"nonsense": 1}, "unknown_function"),
        ([], {}, "unknown_function"),
    ],
)
async def test_arguments_that_a_wheel_does_not_take_are_refused(
    commands: Commands, arg: list[Any], kwarg: dict[str, Any], code: str
) -> None:
    """Before anything is sent."""
    with pytest.raises(ApiError) as refused:
        await commands.wheel(WRONG_TOKEN, "key.list", arg, kwarg)
    assert refused.value.code == code


async def test_the_masters_own_key_serves_for_jobs_only(commands: Commands, store: JobCache) -> None:
    """It may query and stop a job; any other function is a bug of the caller."""
    asked = await commands.publish_as_master(
        "saltutil.find_job", ["20200101000000000000"], {}, ["minion-1", "minion-2"]
    )
    assert sorted(asked["minions"]) == ["minion-1", "minion-2"]
    assert await returned(store, asked["jid"], 2) == {"minion-1": {}, "minion-2": {}}
    with pytest.raises(ValueError, match=r"cmd\.run"):
        await commands.publish_as_master("cmd.run", ["id"], {}, ["minion-1"])


async def test_many_at_once_are_all_answered(commands: Commands, token: Token, away: str) -> None:
    """Each with a job of its own. The minion is one that is down, or the next tests would wait for its forty jobs."""
    demo = await token("demo")
    jobs = await asyncio.gather(*(commands.publish(demo, "demo", "test.ping", [], {}, away, "glob") for _ in range(40)))
    assert len({job["jid"] for job in jobs}) == 40
