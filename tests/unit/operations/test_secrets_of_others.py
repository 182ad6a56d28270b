"""Users see nothing of jobs, runners, grains and events that their permissions do not cover, in any operation."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import pytest

from tests.unit.core.support import JID, Time
from tests.unit.operations.engine import ALL, MINIONS, Engine, Talker

SECONDS = 30.0  # until any request must be answered
SECRET = "canary-7f3a"
RUNNER_JID, WHEEL_JID = "20261123120000000002", "20261123120000000003"
RESTRICTED: dict[str, list[Any]] = {
    "ping": ["test.ping"],
    "ping on another minion": [{"db": ["test.ping"]}],
    "everything on another minion": [{"db": [".*"]}],
    "everything on no minion": [{"nobody*": [".*"]}],
    "grains of another minion": [{"db": ["grains.items", "test.ping"]}],
    "events by tag": [{"@events": ["my/"]}],
    "fire": ["@fire"],
    "send events": [{"db": ["event.send"]}],
    "documentation": ["sys.doc", "sys.argspec", "sys.list_functions"],
    "find jobs": ["saltutil.find_job"],
    "stop jobs": ["saltutil.term_job", "saltutil.kill_job"],
    "state with an argument": [{"*": [{"state.apply": {"args": ["web"]}}]}],
    "one runner": [{"@runner": ["manage.up"]}],
    "one wheel function": [{"@wheel": ["key.accept"]}],
    "a module like the secret one": ["secretly.run", "secret.run.more"],
}
"""Auth lists, none of which covers ``secret.run`` on web1 or a runner or wheel function of this name."""

JOBS = [JID, RUNNER_JID, WHEEL_JID]
BATCH, BATCH_REQUEST = -1, -2
"""Replaced by the ids of the batch with secrets and of its request."""
TARGETS: list[dict[str, Any]] = [
    {"tgt": "*"},
    {"tgt": "web1"},
    {"tgt": ["web1", "db"], "tgt_type": "list"},
    {"tgt": f"secret:{SECRET}", "tgt_type": "pillar"},
    {"tgt": f"secret:{SECRET}", "tgt_type": "grain"},
]
SINCE = {"epoch": "epoch1", "seq": 0}
REQUESTS: list[dict[str, Any]] = [
    *({"type": "get_job", "jid": jid} for jid in JOBS),
    *({"type": "cancel", "jid": jid, "signal": signal} for jid in JOBS for signal in ("term", "kill")),
    {"type": "list_jobs"},
    {"type": "list_jobs", "fun": "secret.*"},
    {"type": "list_jobs", "metadata": {"note": SECRET[:6]}},
    {"type": "list_jobs", "user": "root"},
    {"type": "list_minions"},
    {"type": "list_minions", "minions": ["web1"], "grains": ["secret"]},
    *({"type": "match", **target} for target in TARGETS),
    *({"type": "match", "fun": "secret.run", **target} for target in TARGETS),
    *(
        {"type": "cmd", "fun": fun, "mode": "async", **target}
        for fun in ("secret.run", "test.ping", "no.such")
        for target in TARGETS
    ),
    *({"type": "batch", "batch": [{"fun": "secret.run", **target}]} for target in TARGETS),
    *({"type": "functions", **target} for target in TARGETS),
    *({"type": "signature", "module": "secret.run", **target} for target in TARGETS),
    {"type": "signature", "module": "secret.run", "client": "runner"},
    {"type": "functions", "client": "wheel"},
    *({"type": kind, "fun": "secret.run", "mode": "async"} for kind in ("runner", "wheel")),
    {"type": "runner", "fun": "secret.run", "mode": "sync", "timeout": 1},
    {"type": "wheel", "fun": "secret.run", "mode": "sync"},
    {"type": "get_batch", "batch": BATCH},
    {"type": "get_batch", "batch": BATCH, "collection": True},
    {"type": "get_batch", "request": BATCH_REQUEST},
    {"type": "pause_batch", "batch": BATCH},
    {"type": "resume_batch", "batch": BATCH},
    {"type": "cancel_batch", "batch": BATCH, "forget": True},
    {"type": "list_batches"},
    {"type": "subscribe", "subscription": "event", "since": SINCE},
    {"type": "subscribe", "subscription": "event", "tag": "salt/", "since": SINCE},
    {"type": "subscribe", "subscription": "jobs"},
    *({"type": "subscribe", "subscription": "job", "jid": jid} for jid in JOBS),
    {"type": "subscribe", "subscription": "minions"},
    {"type": "subscribe", "subscription": "batch"},
    {"type": "subscribe", "subscription": "batch", "batch": BATCH},
    *({"type": "get_event", "tag": tag, "since": SINCE, "wait": 0, "full": True} for tag in ("salt/", "secret/", "")),
    {"type": "whoami"},
    {"type": "describe"},
    {"type": "ping"},
    {"type": "event", "tag": "my/event", "body": {}},
    {"type": "hook", "hook": "x"},
]


async def engine_with_secrets(clock: Time | None = None) -> tuple[Engine, Talker, list[dict[str, Any]]]:
    """Return an engine whose administrator has run things with secrets in every part.

    :param clock: of the engine; without it one that only a test moves
    :return: the engine, the administrator, and the requests that look for secrets
    """
    engine = Engine(
        clock=clock, admin=ALL, **{name.replace(" ", "_"): auth_list for name, auth_list in RESTRICTED.items()}
    )
    engine.commands.answers = {"test.ping": True, "sys.list_functions": [], "sys.argspec": {}, "sys.doc": {}}
    admin, world = await engine.user("admin"), engine.world
    services = engine.services
    services.minions.read_grains({"web1": {"secret": SECRET}, "web2": {"secret": SECRET}, "db": {}})
    act(world)
    await services.batches.maintenance.tick()
    batch = await admin.ask("batch", batch=[{"fun": "secret.run", "arg": [SECRET], "tgt": "web1"}])
    ids = {BATCH: batch["id"], BATCH_REQUEST: batch["requests"][0]}
    requests = [
        {name: ids.get(value, value) if isinstance(value, int) else value for name, value in request.items()}
        for request in REQUESTS
    ]
    return engine, admin, requests


def act(world: Any) -> None:
    """Put secrets on the bus, in every kind of event."""
    new = {"tgt": "web1", "tgt_type": "glob", "missing": [], "jid": JID, "metadata": {"note": SECRET}}
    world.fire(f"salt/job/{JID}/new", fun="secret.run", arg=[SECRET], minions=["web1"], user="root", **new)
    done = {"cmd": "_return", "id": "web1", "jid": JID, "fun": "secret.run", "retcode": 0, "success": True}
    world.fire(f"salt/job/{JID}/prog/web1/0", data={"percent": 1, "message": SECRET}, id="web1")
    world.fire(f"salt/job/{JID}/ret/web1", **done, **{"return": {"is": SECRET}})
    for kind, jid in (("run", RUNNER_JID), ("wheel", WHEEL_JID)):
        call = {"fun": f"{'runner' if kind == 'run' else kind}.secret.run", "user": "root", "jid": jid}
        world.fire(f"salt/{kind}/{jid}/new", **call, fun_args=[SECRET])
        world.fire(f"salt/{kind}/{jid}/ret", **call, fun_args=[SECRET], success=True, **{"return": SECRET})
    world.fire("secret/event", text=SECRET)
    world.fire("salt/auth", id="web9", pub=SECRET, act="pend", result=True)
    world.fire("salt/beacon/web1/load/", id="web1", data={"value": SECRET})
    world.fire("minion/refresh/web1", id="web1", text=SECRET)


def shows_secret(text: str) -> bool:
    """Return whether a text has the secret, but for a request that repeats what its sender named."""
    return SECRET in text.replace(f"secret:{SECRET}", "")


@pytest.mark.parametrize("name", RESTRICTED)
async def test_a_restricted_user_gets_no_secret_of_others(name: str, caplog: pytest.LogCaptureFixture) -> None:
    """In no reply, push or error of any operation, before and after it happens, and nothing of them is logged."""
    caplog.set_level(logging.DEBUG)
    engine, _, requests = await engine_with_secrets()
    talker = await engine.user(name.replace(" ", "_"))
    for request in requests:
        # Without the id that a reply repeats, and with arguments of its own only.
        reply = await asyncio.wait_for(talker.raw({"id": "probe", **request}), SECONDS)
        assert not shows_secret(json.dumps(reply)), request
    act(engine.world)
    engine.time.pass_(5)
    assert await talker.raw({"id": "last", "type": "ping"})
    pushed = talker._frames
    assert not [frame for frame in pushed if shows_secret(json.dumps(frame))]
    logged = [record.getMessage() for record in caplog.records if record.name.startswith("websocket_api")]
    assert not [line for line in logged if shows_secret(line)]


async def test_the_probe_finds_what_an_administrator_may_see() -> None:
    """So each kind of secret is there to be found."""
    engine, admin, requests = await engine_with_secrets()
    found = set()
    for request in requests:
        if request["type"] in ("cancel", "cancel_batch", "cmd", "batch", "functions", "signature"):
            continue
        reply = await asyncio.wait_for(admin.raw({"id": "probe", **request}), SECONDS)
        if shows_secret(json.dumps(reply)):
            found.add(request["type"])
    act(engine.world)
    engine.time.pass_(5)
    await admin.raw({"id": "last", "type": "ping"})
    assert {"get_job", "list_jobs", "list_minions", "get_batch", "get_event"} <= found
    kinds = {frame["type"] for frame in admin._frames if shows_secret(json.dumps(frame))}
    assert {"event", "job", "minions", "batch"} <= kinds


def test_the_probe_covers_every_operation() -> None:
    """An operation is added here when it is made; logins are tested elsewhere."""
    from websocket_api.operations.call import OPERATIONS

    assert set(OPERATIONS) - {request["type"] for request in REQUESTS} == {"auth", "logout", "unsubscribe"}
    assert set(MINIONS) == {"web1", "web2", "db"}
