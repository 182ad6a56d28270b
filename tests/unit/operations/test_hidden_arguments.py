"""Secrets in arguments are hidden wherever arguments are shown or logged."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from websocket_api.core.batches.request import Call
from websocket_api.core.events.redaction import REDACTED, SECRET_NAMES
from websocket_api.core.jobs.call import redact_call
from websocket_api.protocols.digital_rebar.batches import RebarBatchEvents
from websocket_api.protocols.salt_api.lowstate import run

from tests.unit.core.batches.support import settle
from tests.unit.operations.engine import Engine, Talker
from tests.unit.protocols.digital_rebar.test_clients import RebarClient

CANARY = "correct-horse"
PEM = f"-----BEGIN RSA PRIVATE KEY-----\n{CANARY}\n-----END RSA PRIVATE KEY-----"
KWARG = {**dict.fromkeys(sorted(SECRET_NAMES), CANARY), "key_file": PEM, "name": "shown"}
ARG = ["shown", PEM]


async def started() -> tuple[Engine, Talker]:
    """An engine with arguments in the audit log, and a user with all permissions."""
    engine = Engine(ann=[".*", "@runner", "@wheel"])
    engine.set(audit_args=True)
    await engine.services.batches.maintenance.tick()
    return engine, await engine.user()


def item(form: str) -> dict[str, Any]:
    """One request in each of the two forms."""
    if form == "fun":
        return {"fun": "mysql.query", "arg": ARG, "kwarg": KWARG, "tgt": "web1"}
    data = {**KWARG, "__args": ARG}
    return {"method": "post", "resource": "/mysql/query", "data": data, "__request": {"destination": "web1"}}


def assert_hidden(shown: dict[str, Any]) -> None:
    """Fail if a secret is shown, or if the arguments are not shown at all."""
    for name, value in shown.items():
        text = json.dumps(value)
        assert CANARY not in text, name
        assert {REDACTED in text, "shown" in text} == {True}, f"{name} shows no arguments: this test shows nothing"


@pytest.mark.parametrize("form", ["fun", "resource"])
async def test_a_batch_shows_its_arguments_as_a_job_does(form: str) -> None:
    """In every reply, frame and event with a request."""
    engine, ann = await started()
    world = engine.world
    batches = engine.services.batches
    events = RebarBatchEvents(
        rebar=world.rebar, lookup=batches.lookup, later=world.hub.later, clock=world.time, turns=world.turns
    )
    batches.registry.on_change(events.apply_change)
    rebar = RebarClient(world)
    rebar.register("requests.*.*")
    made = await ann.ask("batch", batch=[item(form)])
    await ann.ask("subscribe", subscription="batch", batch=made["id"], collection=True)
    for _ in range(4):
        world.time.pass_(0.25)
        await settle()
    (sent,) = engine.commands.published
    assert (sent["arg"], {**KWARG, **sent["kwarg"]}) == (ARG, sent["kwarg"])
    assert_hidden(
        {
            "collection": await ann.ask("get_batch", batch=made["id"], collection=True),
            "request": await ann.ask("get_batch", request=made["requests"][0]),
            "frames": [frame for frame in ann.frames if frame.get("requests")],
            "digital rebar": [frame["Object"] for frame in rebar.got],
            "job": await ann.ask("get_job", jid=sent["jid"]),
        }
    )


async def test_a_job_hides_private_keys_before_its_event_is_read() -> None:
    """The engine registers a job before it reads its event."""
    engine, ann = await started()
    jid = (await ann.ask("cmd", fun="mysql.query", tgt="*", args=ARG, kwargs=KWARG))["jid"]
    await ann.ask("subscribe", subscription="job", jid=jid)
    engine.world.time.pass_(1)
    assert_hidden(
        {
            "get_job": await ann.ask("get_job", jid=jid),
            "list_jobs": await ann.ask("list_jobs"),
            "frames": [frame for frame in ann.frames if frame["type"] == "job"],
        }
    )


async def test_a_secret_in_a_string_that_names_it_is_hidden() -> None:
    """Minions and clients of salt-api read such a string as a keyword argument."""
    _, ann = await started()
    await ann.ask("cmd", fun="mysql.query", tgt="*", args=[f"password={CANARY}", "name=shown"], parse=True)
    assert_hidden({"list_jobs": await ann.ask("list_jobs")})


@pytest.mark.parametrize("kind", ["cmd", "runner", "wheel"])
async def test_the_audit_log_hides_them_too(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    """Also with arguments in the log."""
    caplog.set_level("INFO", "websocket_api.audit")
    _, ann = await started()
    fun, target = ("key.accept" if kind == "wheel" else "manage.up"), ({"tgt": "*"} if kind == "cmd" else {})
    await ann.ask(kind, fun=fun, kwarg={"name": "shown", "password": CANARY}, **target)
    assert_hidden({"audit": caplog.records[-1].getMessage()})


async def test_the_full_return_of_a_runner_hides_them() -> None:
    """As the event of the same name does."""
    engine, ann = await started()
    engine.commands.answers = {"manage.up": True}
    low = {"client": "runner", "fun": "manage.up", "arg": ["shown"], "kwarg": {"token": CANARY}}
    (result,) = await run({**low, "full_return": True}, ann.ask, tuple(engine.services.settings.clients))
    assert_hidden({"full_return": result["data"]["fun_args"]})


def test_secrets_are_sent_to_minions_unchanged() -> None:
    """The redacted copy for clients is separate."""
    call = Call("a.b", ARG, KWARG)
    assert CANARY not in json.dumps(call.as_dict())
    assert dataclasses.asdict(call)["kwarg"] == KWARG
    assert call.as_dict() == call.as_dict()


def test_arguments_without_secrets_are_shown_as_they_are() -> None:
    """Also positional objects, and keywords that only look like secrets."""
    arg, kwarg = [{"password": "a positional object"}, "a=b", "==", None], {"tokens": 1, "my_key": [2]}
    assert redact_call(arg, kwarg) == (arg, kwarg)
