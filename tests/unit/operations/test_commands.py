"""cmd, runner, wheel."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from websocket_api.errors import ApiError

from tests.unit.operations.engine import Engine, Refused, Talker


async def fails(talker: Talker, kind: str, **fields: Any) -> Refused:
    with pytest.raises(Refused) as caught:
        await talker.ask(kind, **fields)
    return caught.value


SYNONYMS: list[dict[str, Any]] = [
    {"method": "pkg.install", "pattern": "web*", "pattern_type": "glob", "args": ["a"], "kwargs": {"b": 1}},
    {"fun": "pkg.install", "tgt": "web*", "tgt_type": "glob", "arg": ["a"], "kwarg": {"b": 1}},
    {"fun": "pkg.install", "pattern": "web*", "args": ["a"], "kwarg": {"b": 1}},
]


@pytest.mark.parametrize("fields", SYNONYMS)
async def test_both_sets_of_field_names_are_equivalent(fields: dict[str, Any]) -> None:
    """The names of the first documents, and Salt's own names."""
    engine = Engine()
    talker = await engine.user()
    started = await talker.ask("cmd", **fields)
    (sent,) = engine.commands.published
    assert started == {"jid": sent["jid"], "minions": ["web1", "web2"]}
    assert (sent["fun"], sent["arg"], sent["kwarg"], sent["tgt_type"]) == ("pkg.install", ["a"], {"b": 1}, "glob")


async def test_a_command_runs_with_the_clients_own_token() -> None:
    """Salt itself authorizes the user."""
    engine = Engine(ann=[".*"], bob=["test.ping"])
    ann, token = await engine.user("ann"), engine.accounts.give("bob")
    await ann.ask("cmd", fun="test.ping", tgt="*", token=token)
    assert (engine.commands.published[0]["token"], engine.commands.published[0]["user"]) == (token, "bob")


async def test_a_list_of_minions_is_a_list() -> None:
    """With any default type."""
    engine = Engine()
    await (await engine.user()).ask("cmd", fun="test.ping", tgt=["web1", "db"])
    assert engine.commands.published[0]["tgt_type"] == "list"


async def test_metadata_is_sent_with_the_job() -> None:
    """To Salt and into the job object."""
    engine = Engine()
    talker = await engine.user()
    jid = (await talker.ask("cmd", fun="test.ping", tgt="*", metadata={"ticket": 1}))["jid"]
    assert engine.commands.published[0]["extra"] == {"metadata": {"ticket": 1}}
    assert (await talker.ask("get_job", jid=jid))["metadata"] == {"ticket": 1}


@pytest.mark.parametrize(
    ("fun", "kwarg", "sent"),
    [
        ("state.apply", {}, {"state_events": True}),
        ("state.highstate", {"test": True}, {"test": True, "state_events": True}),
        ("state.sls", {"state_events": False}, {"state_events": False}),
        ("test.ping", {}, {}),
    ],
)
async def test_progress_makes_states_report(fun: str, kwarg: dict[str, Any], sent: dict[str, Any]) -> None:
    """Only functions with this argument get it, and the client's own value has precedence."""
    engine = Engine()
    await (await engine.user()).ask("cmd", fun=fun, tgt="*", kwarg=kwarg, progress=True)
    assert engine.commands.published[0]["kwarg"] == sent


async def test_sync_answers_with_the_ended_job() -> None:
    """All returns at once, as the job object."""
    engine = Engine()
    engine.commands.answers["test.ping"] = True
    job = await (await engine.user()).ask("cmd", fun="test.ping", tgt="*", mode="sync")
    assert (job["state"], job["total"], job["user"]) == ("complete", 3, "ann")
    assert {part["return"] for part in job["minions"].values()} == {True}


async def test_sync_answers_with_the_present_state_after_the_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """The job continues, with the state `running`."""
    engine = Engine()

    async def at_once(*_: Any) -> bool:
        return False

    monkeypatch.setattr(engine.services.job_watcher, "wait_for_end", at_once)
    job = await (await engine.user()).ask("cmd", fun="test.ping", tgt="*", mode="sync", timeout=1)
    assert (job["state"], job["done"]) == ("running", 0)


@pytest.mark.parametrize(
    ("fields", "waits"),
    [
        ({"type": "cmd", "fun": "test.ping", "tgt": "web1", "mode": "sync"}, True),
        ({"type": "cmd", "fun": "test.ping", "tgt": "web1"}, False),
        ({"type": "runner", "fun": "manage.up", "mode": "sync"}, True),
        ({"type": "runner", "fun": "manage.up"}, False),
        ({"type": "functions", "tgt": "web1"}, True),
    ],
)
async def test_the_bus_is_read_quickly_from_the_start_of_a_job_to_wait_for(fields: dict[str, Any], waits: bool) -> None:
    """Returns can come before the master's reply to the publish; a read that waits for more events delays them."""
    engine = Engine()
    engine.commands.answers |= {"test.ping": True, "manage.up": ["web1"], "sys.list_functions": ["test.ping"]}
    watcher, seen = engine.services.job_watcher, list[bool]()
    engine.services.jobs.on_change(lambda job, minions: seen.append(watcher.has_waiters))
    await (await engine.user()).ask(fields["type"], **{name: fields[name] for name in fields if name != "type"})
    assert seen[0] is waits
    assert not watcher.has_waiters


@pytest.mark.parametrize("kind", ["cmd", "runner"])
async def test_a_job_that_does_not_start_is_not_waited_for(kind: str) -> None:
    """Or the bus would be read in small parts from then on."""
    engine = Engine()
    engine.commands.fault = ApiError("master_unavailable", "the master does not answer")
    fields = {"fun": "test.ping", "tgt": "web1"} if kind == "cmd" else {"fun": "manage.up"}
    assert (await fails(await engine.user(), kind, mode="sync", **fields)).code == "master_unavailable"
    assert not engine.services.job_watcher.has_waiters


async def test_users_see_the_jobs_that_they_started() -> None:
    """Also if their permissions do not show the job otherwise."""
    engine = Engine(ann=["test.ping"], bob=["test.ping"])
    jid = (await (await engine.user("ann")).ask("cmd", fun="test.ping", tgt="*"))["jid"]
    engine.accounts.users["ann"] = ["cmd.run"]
    ann, bob = await engine.user("ann"), await engine.user("bob")
    assert (await ann.ask("get_job", jid=jid))["fun"] == "test.ping"
    jid = (await ann.ask("cmd", fun="cmd.run", tgt="*"))["jid"]
    assert (await fails(bob, "get_job", jid=jid)).code == "not_found"


CLIENTS: list[tuple[tuple[str, ...], str, str, bool]] = [
    (("local",), "cmd", "sync", True),
    (("local",), "cmd", "async", True),
    (("local_async",), "cmd", "async", True),
    (("local_async",), "cmd", "sync", False),
    (("local_batch",), "cmd", "sync", True),  # which is how each of its batches runs
    (("local_subset",), "cmd", "sync", True),
    (("local_batch",), "cmd", "async", False),
    (("runner",), "cmd", "async", False),
    (("runner",), "runner", "sync", True),
    (("runner",), "runner", "async", True),
    (("runner_async",), "runner", "async", True),
    (("runner_async",), "runner", "sync", False),
    (("local",), "runner", "async", False),
    (("wheel",), "wheel", "sync", True),
    (("wheel_async",), "wheel", "async", True),
    (("wheel_async",), "wheel", "sync", False),
    (("runner",), "wheel", "sync", False),
    ((), "cmd", "async", False),
]


@pytest.mark.parametrize(("clients", "kind", "mode", "allowed"), CLIENTS)
async def test_only_enabled_clients_run(clients: tuple[str, ...], kind: str, mode: str, allowed: bool) -> None:
    """The option lists Salt's clients; a client that is not enabled sends nothing."""
    engine = Engine()
    engine.commands.answers = {"test.ping": True, "manage.up": [], "key.list_all": {}}
    talker = await engine.user()
    engine.set(clients=(*clients,))
    what = {"cmd": {"fun": "test.ping", "tgt": "*"}, "runner": {"fun": "manage.up"}, "wheel": {"fun": "key.list_all"}}
    if allowed:
        await talker.ask(kind, mode=mode, **what[kind])
    else:
        assert (await fails(talker, kind, mode=mode, **what[kind])).code == "forbidden"
        assert (engine.commands.published, engine.commands.called) == ([], [])


@pytest.mark.parametrize("kind", ["cmd", "runner"])
async def test_no_command_starts_without_the_bus(kind: str) -> None:
    """Without the bus all returns would be lost."""
    engine = Engine()
    talker = await engine.user()
    engine.bus = False
    fields = {"fun": "manage.up"} if kind == "runner" else {"fun": "test.ping", "tgt": "*"}
    assert (await fails(talker, kind, **fields)).code == "master_unavailable"
    assert (engine.commands.published, engine.commands.called) == ([], [])


async def test_a_target_without_minions_is_an_error() -> None:
    """As in Salt; nothing was started."""
    talker = await Engine().user()
    assert (await fails(talker, "cmd", fun="test.ping", tgt="nobody*")).code == "no_minions"
    assert await talker.ask("list_jobs") == []


async def test_a_runner_starts() -> None:
    """The reply has its jid and the start of its tags."""
    engine = Engine()
    started = await (await engine.user()).ask("runner", method="manage.up", args=["a"], kwargs={"b": 1})
    assert started == {"jid": "20261123150000000001", "tag": "salt/run/20261123150000000001"}
    assert engine.commands.called == [("runner", "manage.up", ["a"], {"b": 1})]


async def test_a_sync_runner_answers_with_its_return() -> None:
    """As Salt's own client does."""
    engine = Engine()
    engine.commands.answers["manage.up"] = ["web1"]
    assert await (await engine.user()).ask("runner", fun="manage.up", mode="sync") == ["web1"]


async def test_a_runner_that_is_too_slow_is_named() -> None:
    """The error has the jid, because the runner continues."""
    engine = Engine()
    talker = await engine.user()

    async def at_once(*_: Any) -> bool:
        return False

    engine.services.job_watcher.wait_for_end = at_once  # type: ignore[method-assign]
    fault = await fails(talker, "runner", fun="manage.up", mode="sync", timeout=1)
    assert (fault.code, fault.error["details"]) == ("timeout", {"sent": True, "jid": "20261123150000000001"})


async def test_users_see_the_runners_that_they_started() -> None:
    """A runner is a job like others."""
    engine = Engine(ann=["@manage"], bob=["test.ping"])
    ann, bob = await engine.user("ann"), await engine.user("bob")
    jid = (await ann.ask("runner", fun="manage.up"))["jid"]
    job = await ann.ask("get_job", jid=jid)
    assert (job["kind"], job["fun"], job["state"], job["minions"]) == ("runner", "manage.up", "running", {})
    assert (await fails(bob, "get_job", jid=jid)).code == "not_found"


@pytest.mark.parametrize("mode", ["sync", "async"])
async def test_a_wheel_answers(mode: str) -> None:
    """With its return, or with the tag of its events."""
    engine = Engine()
    engine.commands.answers["key.list_all"] = {"minions": ["web1"]}
    found = await (await engine.user()).ask("wheel", fun="key.list_all", mode=mode)
    jid = "20261123150000000001"
    assert found == ({"minions": ["web1"]} if mode == "sync" else {"jid": jid, "tag": f"salt/wheel/{jid}"})


async def test_a_sync_request_ends_when_its_client_leaves() -> None:
    """No task waits for a client that is gone."""
    engine = Engine()
    talker = await engine.user()
    running = talker.send({"type": "cmd", "fun": "test.ping", "tgt": "*", "mode": "sync"})
    await asyncio.sleep(0)
    talker.connection.release()
    assert running is not None
    await running
    assert talker.client.got == []


@pytest.mark.parametrize(
    ("kind", "fields", "written"),
    [
        ("cmd", {"fun": "test.echo", "tgt": "*", "arg": ["hi"]}, r'arg="[\"hi\"]"'),
        ("runner", {"fun": "manage.up", "arg": ["hi"]}, r'arg="[\"hi\"]"'),
        ("wheel", {"fun": "key.accept", "kwarg": {"match": "a"}}, r'arg="[{\"match\": \"a\"}]"'),
    ],
)
async def test_arguments_are_logged_if_the_option_is_set(
    kind: str, fields: dict[str, Any], written: str, caplog: pytest.LogCaptureFixture
) -> None:
    """For every kind of command."""
    caplog.set_level("INFO", "websocket_api.audit")
    engine = Engine()
    talker = await engine.user()
    engine.set(audit_args=True)
    await talker.ask(kind, **fields)
    lines = [record.getMessage() for record in caplog.records if record.name == "websocket_api.audit"]
    assert written in lines[-1]


async def test_options_of_salts_command_line_are_sent_with_a_publish() -> None:
    """Delimiter and metadata are fields beside the load; with `parse`, `name=value` is sent unchanged."""
    engine = Engine()
    user = await engine.user()
    await user.ask("cmd", fun="cmd.run", tgt="*", args=["cmd=id"], parse=True, delimiter="|", metadata={"a": 1})
    (sent,) = engine.commands.published
    assert sent["parse"] is True
    assert sent["extra"] == {"delimiter": "|", "metadata": {"a": 1}}


@pytest.mark.parametrize("allowed", [True, False])
async def test_returners_need_an_option(allowed: bool) -> None:
    """A returner can write to any destination in the minion's configuration."""
    engine = Engine()
    engine.set(allow_ret=allowed)
    user = await engine.user()
    if allowed:
        await user.ask("cmd", fun="test.ping", tgt="*", ret="redis,syslog")
        assert engine.commands.published[0]["extra"] == {"ret": "redis,syslog"}
        return
    with pytest.raises(Refused) as refused:
        await user.ask("cmd", fun="test.ping", tgt="*", ret="redis")
    assert refused.value.code == "forbidden"
    assert engine.commands.published == []


@pytest.mark.parametrize("kind", ["runner", "wheel"])
async def test_full_returns_the_run_with_its_return(kind: str) -> None:
    """For clients that also need its jid and tag."""
    engine = Engine()
    engine.commands.answers = {"jobs.list_jobs": {}, "key.list_all": {}}
    fun = {"runner": "jobs.list_jobs", "wheel": "key.list_all"}[kind]
    ran = await (await engine.user()).ask(kind, fun=fun, mode="sync", full=True)
    assert set(ran) == {"jid", "tag", "return", "success"}
    assert ran["return"] == {}
    assert ran["success"] is True


@pytest.mark.parametrize("mark", [True, 1, "x", None])
async def test_an_object_with_salts_mark_is_refused(mark: Any) -> None:
    """With `parse` too. Without it salt_master refuses it (tests/functional/test_arguments_like_salt.py)."""
    engine = Engine()
    arg = ["x", {"__kwarg__": mark, "a": 1}]
    fault = await fails(await engine.user(), "cmd", fun="test.arg", tgt="*", arg=arg, parse=True)
    assert (fault.code, fault.error["details"][0]["path"]) == ("bad_message", "/args/1")
    assert engine.commands.published == []


async def test_salt_api_reads_arguments_as_salts_clients_do() -> None:
    """Only in salt-api's protocol; the native protocol is exact."""
    engine = Engine()
    talker = await engine.user()
    await talker.ask("runner", fun="state.orchestrate", arg=["a=1"])
    await talker.ask("wheel", fun="key.list_all", kwarg={"match": "*"})
    talker.connection.reads_like_salt = True
    await talker.ask("runner", fun="state.orchestrate", arg=["a=1"])
    await talker.ask("wheel", fun="key.list_all", kwarg={"match": "*"})
    await talker.ask("cmd", fun="test.arg", tgt="*", arg=[{"__kwarg__": 1}], parse=True)
    assert engine.commands.called == [
        ("runner", "state.orchestrate", ["a=1"], {}),
        ("wheel", "key.list_all", [], {"match": "*"}),
        ("runner", "state.orchestrate", ["read a=1"], {}),
        ("wheel", "key.list_all", [], {"match": "*", "parse": True}),
    ]
    assert engine.commands.published[0]["arg"] == [{"__kwarg__": 1}]


async def test_unknown_runners_are_hidden_without_permission() -> None:
    """The engine checks whether a runner exists before it asks Salt."""
    engine = Engine(ann=["test.ping"])
    engine.commands.unknown = {"no.such"}
    talker = await engine.user()
    talker.connection.reads_like_salt = True
    assert (await fails(talker, "runner", fun="no.such")).code == "forbidden"
    engine = Engine()
    engine.commands.unknown = {"no.such"}
    talker = await engine.user()
    talker.connection.reads_like_salt = True
    assert (await fails(talker, "runner", fun="no.such")).code == "unknown_function"
