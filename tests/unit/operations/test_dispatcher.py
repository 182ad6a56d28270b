"""Every request: how it is parsed, authenticated and answered, and its line of the audit log."""

from __future__ import annotations

import asyncio
import logging
from contextlib import nullcontext
from typing import Any

import pytest
from websocket_api.errors import ApiError

from tests.unit.operations.engine import SCHEMAS, Engine, Refused, Talker


async def refused(talker: Talker, kind: str, **fields: Any) -> Refused:
    with pytest.raises(Refused) as caught:
        await talker.ask(kind, **fields)
    return caught.value


# Replies


@pytest.mark.parametrize("number", [0, -5, 2**53 - 1, "mine", ""])
async def test_a_reply_carries_the_id_of_its_request(number: Any) -> None:
    """Replies may come in any order."""
    talker = await Engine().user()
    reply = await talker.raw({"type": "ping", "id": number})
    assert (reply["id"], reply["type"], set(reply["result"])) == (number, "result", {"time", "version", "epoch", "seq"})


async def test_without_id_the_reply_is_the_bare_result() -> None:
    """The first clients of this API expect it."""
    talker = await Engine().user()
    reply = await talker.raw({"type": "ping"})
    SCHEMAS.validate_result("ping", reply)


async def test_without_id_an_error_is_bare_too() -> None:
    """Its ``error`` is the code."""
    reply = await Talker(Engine()).raw({"type": "ping"})
    SCHEMAS.validate_frame("bare_error", reply)
    assert reply["error"] == "unauthenticated"


BAD: dict[str, tuple[Any, str, Any]] = {
    # the message, the error's code, the id of its reply
    "no JSON": ("{", "bad_json", None),
    "binary": (b"{}", "bad_json", None),
    "not a number": ('{"type": "ping", "id": NaN}', "bad_json", None),
    "a list": ("[]", "bad_message", None),
    "null": ("null", "bad_message", None),
    "no type": ({"id": 7}, "bad_message", 7),
    "an unknown type": ({"type": "nonsense", "id": 7}, "unknown_type", 7),
    "a type that is no text": ({"type": ["ping"], "id": 7}, "unknown_type", 7),
    "a surplus field": ({"type": "ping", "id": 7, "x": 1}, "bad_message", 7),
    "an id that is too large": ({"type": "ping", "id": 2**53}, "bad_message", None),
    "an id that is too long": ({"type": "ping", "id": "x" * 65}, "bad_message", None),
    "an id that is no id": ({"type": "ping", "id": True}, "bad_message", None),
    "a fraction as id": ({"type": "ping", "id": 1.0}, "bad_message", None),
    "null as id": ({"type": "ping", "id": None}, "bad_message", None),
}


@pytest.mark.parametrize(("message", "code", "number"), BAD.values(), ids=BAD)
async def test_a_bad_message_gets_an_error_reply(message: Any, code: str, number: Any) -> None:
    """Nothing else happens: the next message is answered as usual."""
    talker = await Engine().user()
    reply = await talker.raw(message)
    if number is None:
        SCHEMAS.validate_frame("bare_error", reply)
        assert reply["error"] == code
    else:
        SCHEMAS.validate_frame("reply_error", reply)
        assert (reply["id"], reply["error"]["code"]) == (number, code)
    assert (talker.connection.commands, talker.connection.in_flight) == (0, set())
    await talker.ask("ping")


async def test_all_faults_of_a_message_are_listed() -> None:
    """Each has its path, so that a client's author can fix all of them at once."""
    error = await refused(await Engine().user(), "cmd", method="test.ping", pattern="*", args={}, kwargs=[])
    assert {detail["path"] for detail in error.error["details"]} == {"/args", "/kwargs"}


async def test_an_id_can_be_used_again_after_its_reply() -> None:
    """Before, the two replies could not be distinguished."""
    engine = Engine()
    talker = await engine.user()
    waiting = talker.send({"type": "get_event", "id": 7, "wait": 5})
    await asyncio.sleep(0)
    reply = await talker.raw({"type": "ping", "id": 7})
    assert reply["error"]["code"] == "id_in_use"
    engine.world.fire("my/x", a=1)
    assert waiting is not None
    await waiting
    assert talker.client.got[0]["result"] == {"a": 1}
    assert (await talker.raw({"type": "ping", "id": 7}))["type"] == "result"


async def test_requests_in_flight_are_limited() -> None:
    """Requests without an id count too; a reply makes room again."""
    engine = Engine(limits={"commands_per_connection": 2})
    talker = await engine.user()
    messages = ({"type": "get_event", "wait": 5}, {"type": "get_event", "id": "x", "wait": 5})
    running = [task for task in map(talker.send, messages) if task is not None]
    await asyncio.sleep(0)
    error = await refused(talker, "ping")
    assert (error.code, error.error["retryable"]) == ("too_many", True)
    assert error.error["details"] == {"limit": "commands_per_connection"}
    engine.world.fire("my/x")
    await asyncio.gather(*running)
    assert talker.connection.commands == 0


async def test_replies_may_come_in_any_order() -> None:
    """A long request does not delay a short one."""
    engine = Engine()
    talker = await engine.user()
    later = talker.start("get_event", wait=5)
    await asyncio.sleep(0)
    assert (await talker.ask("ping"))["epoch"] == "epoch1"
    engine.world.fire("my/x", a=1)
    assert await later() == {"a": 1}


async def test_an_answer_larger_than_the_outbox_is_an_error() -> None:
    """Such a reply could never be sent."""
    engine = Engine(limits={"outbox_bytes": 2000})
    engine.commands.answers["test.echo"] = "x" * 3000
    error = await refused(await engine.user(), "cmd", fun="test.echo", tgt="db", mode="sync")
    assert error.code == "too_large"


# Errors


async def test_an_internal_error_reveals_no_details(caplog: pytest.LogCaptureFixture) -> None:
    """The sender learns that the error is the engine's and may try again; the log has the traceback."""
    engine = Engine()
    engine.commands.fault = RuntimeError("the password is hunter2")
    error = await refused(await engine.user(), "cmd", fun="test.ping", tgt="*")
    assert (error.code, error.error["retryable"]) == ("internal", True)
    assert "hunter2" not in str(error.error)
    assert "hunter2" in caplog.text


async def test_an_error_of_the_master_is_passed_on() -> None:
    """The reply has Salt's own message, and says whether to try again."""
    engine = Engine()
    engine.commands.fault = ApiError("master_unavailable", "the master does not answer")
    error = await refused(await engine.user(), "cmd", fun="test.ping", tgt="*")
    assert (error.code, error.error["retryable"]) == ("master_unavailable", True)


async def test_requests_in_flight_are_answered_when_the_engine_stops() -> None:
    """The error says that the client may try again; new requests are refused."""
    engine = Engine()
    talker = await engine.user()
    running = talker.send({"type": "get_event", "id": 7, "wait": 100})
    await asyncio.sleep(0)
    await engine.dispatcher.stop()
    assert running is not None
    assert running.done()
    (reply,) = talker.client.got
    assert (reply["id"], reply["error"]["code"], reply["error"]["retryable"]) == (7, "master_unavailable", True)
    assert talker.connection.commands == 0
    assert (await refused(talker, "ping")).code == "master_unavailable"


async def test_a_refused_subscription_starts_nothing() -> None:
    """No frame follows an error reply."""
    engine = Engine()
    engine.commands.fault = ApiError("forbidden", "no")
    talker = await engine.user()
    await refused(talker, "subscribe", subscription="job", jid="20261123120000000001")
    assert (talker.connection.subscriptions, talker.frames) == ({}, [])


# Authentication


async def test_without_a_login_every_request_is_refused() -> None:
    """Only the login itself is public."""
    for kind in ("ping", "whoami", "describe", "logout", "list_jobs", "list_minions"):
        assert (await refused(Talker(Engine()), kind)).code == "unauthenticated"


async def test_a_message_may_carry_its_own_token() -> None:
    """It counts for that message only; the connection keeps its user."""
    engine = Engine(ann=[".*"], bob=["test.ping"])
    ann, token = await engine.user("ann"), engine.accounts.give("bob")
    assert (await ann.ask("whoami", token=token))["user"] == "bob"
    assert (await ann.ask("whoami"))["user"] == "ann"


async def test_a_token_of_a_message_meets_the_auth_deadline() -> None:
    """A client that sends a valid token with each message need not log in."""
    engine = Engine()
    talker = Talker(engine)
    with pytest.raises(Refused):
        await talker.ask("ping", token="f" * 64)
    assert not talker.connection.has_sent_token
    await talker.ask("ping", token=engine.accounts.give("ann"))
    assert (talker.connection.has_sent_token, talker.connection.session) == (True, None)
    assert (await refused(talker, "ping")).code == "unauthenticated"


async def test_an_expired_token_is_refused() -> None:
    """It ends at the second of its ``expire``."""
    engine = Engine()
    talker = await engine.user()
    engine.world.time.pass_(1000)
    assert (await refused(talker, "ping")).code == "token_expired"


# The audit log


@pytest.fixture
def audited(caplog: pytest.LogCaptureFixture) -> Any:
    """The lines of the audit log."""
    caplog.set_level(logging.INFO, "websocket_api.audit")
    return lambda: [record.getMessage() for record in caplog.records if record.name == "websocket_api.audit"]


SECRET = "hunter2"
ACTS: dict[str, tuple[str, dict[str, Any], str]] = {
    "cmd": (
        "cmd",
        {"fun": "cmd.run", "tgt": "web*", "arg": [SECRET], "kwarg": {"password": SECRET}},
        "operation=cmd fun=cmd.run tgt=web* jid=20261123150000000001 outcome=ok",
    ),
    "runner": (
        "runner",
        {"fun": "manage.up", "arg": [SECRET]},
        "operation=runner fun=manage.up jid=20261123150000000001 outcome=ok",
    ),
    "wheel": (
        "wheel",
        {"fun": "key.accept", "kwarg": {"match": SECRET}},
        "operation=wheel fun=key.accept jid=20261123150000000001 outcome=ok",
    ),
    "event": ("event", {"tag": "my/x", "body": {"a": SECRET}}, "operation=event tag=my/x outcome=ok"),
    "cancel": (
        "cancel",
        {"jid": "20261123120000000001"},
        "operation=cancel jid=20261123120000000001 outcome=not_found",
    ),
    "logout": ("logout", {}, "operation=logout outcome=ok"),
}


@pytest.mark.parametrize(("kind", "fields", "line"), ACTS.values(), ids=ACTS)
async def test_each_action_writes_one_line_without_arguments(
    audited: Any, kind: str, fields: dict[str, Any], line: str
) -> None:
    """The line has user, address, operation, target and outcome; no argument and no token."""
    engine = Engine()
    talker = await engine.user()
    before = len(audited())
    with pytest.raises(Refused) if "not_found" in line else nullcontext():
        await talker.ask(kind, **fields)
    (written,) = audited()[before:]
    assert written == f"user=ann eauth=pam address=127.0.0.1 {line}"


@pytest.mark.parametrize("kind", ["ping", "whoami", "list_jobs", "list_minions", "describe"])
async def test_reading_writes_no_line(audited: Any, kind: str) -> None:
    """The audit log is about actions."""
    talker = await Engine().user()
    before = len(audited())
    await talker.ask(kind)
    assert audited()[before:] == []


@pytest.mark.parametrize(("password", "outcome"), [("right", "ok"), (SECRET, "unauthenticated")])
async def test_a_login_writes_a_line(audited: Any, password: str, outcome: str) -> None:
    """A refused one too: with the name that was tried, never with the password or the token."""
    talker = Talker(Engine())
    with pytest.raises(Refused) if outcome != "ok" else nullcontext():
        await talker.ask("auth", username="ann", password=password)
    assert audited() == [f"user=ann eauth=pam address=127.0.0.1 operation=auth outcome={outcome}"]


async def test_a_refused_action_writes_a_line(audited: Any) -> None:
    """Operators want to know what Salt denied."""
    engine = Engine()
    engine.commands.fault = ApiError("forbidden", "no")
    talker = await engine.user()
    await refused(talker, "cmd", fun="cmd.run", tgt="*")
    assert audited()[-1].endswith("operation=cmd fun=cmd.run tgt=* outcome=forbidden")


async def test_an_action_canceled_by_the_stop_is_logged_as_such(audited: Any) -> None:
    """The outcome is not an internal error."""
    engine = Engine()
    talker = await engine.user()
    running = talker.send({"type": "cmd", "fun": "test.ping", "tgt": "*", "mode": "sync"})
    await asyncio.sleep(0)
    assert running is not None
    running.cancel()
    await running
    assert audited()[-1].endswith("outcome=master_unavailable")


@pytest.mark.parametrize(
    ("tgt", "written"),
    [
        ("web\nuser=root operation=cmd", r'tgt="web\nuser=root operation=cmd"'),
        ("a b", 'tgt="a b"'),
        ("x=y", 'tgt="x=y"'),
        ('say "hi"', r'tgt="say \"hi\""'),
        ("\u2028", r'tgt="\u2028"'),
        ("\u202e", r'tgt="\u202e"'),
        ("ä", r'tgt="\u00e4"'),
        (["web1", "db"], r'tgt="[\"web1\", \"db\"]"'),
        ("x" * 1000, "tgt=" + "x" * 256 + "..."),
    ],
)
async def test_no_value_can_forge_a_line_or_a_field(audited: Any, tgt: Any, written: str) -> None:
    """Every value from a client stays one word of one line."""
    engine = Engine()
    if isinstance(tgt, str):
        engine.sets[tgt] = ["db"]
    await (await engine.user()).ask("cmd", fun="test.ping", tgt=tgt)
    line = audited()[-1]
    assert f" fun=test.ping {written} jid=" in line
    assert len(line.splitlines()) == 1


async def test_the_name_of_a_refused_login_cannot_forge_a_line(audited: Any) -> None:
    """Such a name comes from a client without a login."""
    talker = Talker(Engine())
    await refused(talker, "auth", username="x\nuser=root", password="y")
    (line,) = audited()
    assert line.startswith(r'user="x\nuser=root" eauth=pam')
