"""Every kind of bad input gets the one right error, costs its sender an error reply, and costs nobody else anything."""

from __future__ import annotations

import contextlib
import json
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import psutil
import pytest
import websocket
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect as websockets_connect

from tests.client import PATIENCE, Client, Refused
from tests.integration.conftest import CHECKOUT
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow

JID = "20141103073312975821"
TOKEN = "de7f428a61a8ab799d44e764067b0efd"
MIB = 1024 * 1024
MASTER_SECONDS = 8.0  # after which a master that does not answer is told (the default of `master_seconds`)
SLACK_SECONDS = 5.0  # more that anything may take on a loaded machine

Connect = Callable[..., Client]


@pytest.fixture(autouse=True)
def _bystander(connect: Connect, engine_url: str) -> Iterator[None]:
    """Somebody else, who follows the bus and sends commands meanwhile, and notices nothing."""
    client = connect("demo")
    client.ask("subscribe", subscription="event", tag="bystander/")
    yield
    client.ask("event", tag="bystander/still-here", body={})
    client.frames(until=lambda frame: frame.get("tag") == "bystander/still-here")


def refused(client: Client, type: str, /, **fields: Any) -> Refused:
    """Send a request that must fail, and return how; the connection must live on."""
    with pytest.raises(Refused) as caught:
        client.ask(type, **fields)
    with contextlib.suppress(Refused):  # who is not logged in is refused a ping, but answered
        client.ask("ping")
    return caught.value


def operations() -> dict[str, dict[str, Any]]:
    """Return the first example of every operation, from its schema."""
    folder = CHECKOUT / "schemas" / "operations"
    return {path.stem: json.loads(path.read_text())["examples"][0] for path in sorted(folder.glob("*.json"))}


# -- what is no message ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "{", "ping", "{'type': 'ping'}", '{"type": "ping"} {}', "[" * 3000, '{"a": NaN}'])
def test_what_is_not_json_is_bad_json(demo: Client, text: str) -> None:
    """A text that is no JSON gets `bad_json`, and the connection lives on."""
    demo.send(text)
    assert demo.recv()["error"] == "bad_json"
    assert demo.ask("ping")["epoch"]


@pytest.mark.parametrize("text", ["[]", '[{"type": "ping"}]', "3", '"ping"', "null", "true"])
def test_json_that_is_no_object_is_a_bad_message(demo: Client, text: str) -> None:
    """JSON that is anything but an object gets `bad_message`."""
    demo.send(text)
    assert demo.recv()["error"] == "bad_message"
    assert demo.ask("ping")["epoch"]


def test_binary_in_the_text_protocol_is_bad_json(demo: Client) -> None:
    """A binary message is refused where text was agreed, even if it holds JSON."""
    demo.send(b'{"type": "ping"}')
    assert demo.recv()["error"] == "bad_json"
    assert demo.ask("ping")["epoch"]


@pytest.mark.parametrize("size", [MIB, 300 * 1024])
def test_a_message_over_the_limit_ends_the_connection_with_1009(demo: Client, size: int) -> None:
    """What is too big is never kept, so there is no message to reply to: the close code says why."""
    demo.send('{"type": "event", "tag": "t", "body": {"x": "' + "x" * size + '"}}')
    assert demo.closed().code == 1009


def test_before_the_login_messages_are_small(connect: Connect) -> None:
    """A stranger may send 4 KiB at most."""
    client = connect()
    client.send({"type": "auth", "username": "demo", "password": "x" * 4096})
    assert client.closed().code == 1009


# -- what is no request ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("type", ["pong", "", "Ping", "__init__", "../auth"])
def test_an_unknown_type_is_told(demo: Client, type: str) -> None:
    """A type that names no operation gets `unknown_type`."""
    assert refused(demo, type).code == "unknown_type"


def test_all_faults_are_named_by_path_and_no_value_is_shown(demo: Client) -> None:
    """Missing, wrong and surplus fields come all at once, each with its path, and none with its value."""
    error = refused(demo, "cmd", method="no function", kwargs="secret-1", surplus="secret-2", timeout="secret-3")
    assert error.code == "bad_message"
    paths = {fault["path"] for fault in error.details}
    assert {"/method", "/kwargs", "/surplus", "/timeout", ""} <= paths
    assert "secret" not in json.dumps(error.error)


BAD_MESSAGES: list[tuple[str, dict[str, Any]]] = [
    ("cmd", {"method": "test.ping"}),
    ("cmd", {"pattern": "*"}),
    ("cmd", {"method": "test.ping", "fun": "test.ping", "pattern": "*"}),
    ("cmd", {"method": "test.ping", "pattern": "*", "args": {}}),
    ("cmd", {"method": "test.ping", "pattern": "*", "pattern_type": "telepathy"}),
    ("cmd", {"method": "test.ping", "pattern": ["../minion-1"]}),
    ("cmd", {"method": "test.ping", "pattern": "*", "token": "../../tokens"}),
    ("cmd", {"method": "test.ping", "pattern": "*", "mode": "sync", "timeout": 0}),
    ("event", {"tag": "t", "body": "text"}),
    ("event", {"tag": "t", "body": ["text"]}),
    ("event", {"tag": "t", "body": None}),
    ("event", {"tag": "", "body": {}}),
    ("event", {"tag": "t", "body": {"_user": "root"}}),
    ("event", {"tag": "a\n\nb", "body": {}}),
    ("get_job", {"jid": "../../../etc/passwd"}),
    ("get_job", {"jid": f"{JID}/../x"}),
    ("get_job", {"jid": 20141103073312975821}),
    ("get_job", {}),
    ("cancel", {"jid": "*"}),
    ("list_minions", {"minions": ["../minion-1"]}),
    ("list_minions", {"minions": ["a\\b"]}),
    ("subscribe", {"subscription": "everything"}),
    ("subscribe", {"subscription": "jobs", "tag": "salt/"}),
    ("subscribe", {"subscription": "job", "jid": "../x"}),
    ("subscribe", {"subscription": "minions", "minions": ["a/b"]}),
    ("subscribe", {"subscription": "event", "tag": "(", "match_type": "regex"}),
    ("subscribe", {"subscription": "event", "tag": "x" * 257, "match_type": "regex"}),
    ("subscribe", {"subscription": "event", "tag": ["t"] * 65}),
    ("unsubscribe", {"subscription": "one"}),
    ("unsubscribe", {"subscription": 0}),
    ("get_event", {"wait": 301}),
    ("get_event", {"wait": -1}),
    ("signature", {"module": "test.ping"}),
    ("signature", {"module": "test.ping", "tgt": "minion-1", "client": "runner"}),
    ("runner", {"method": "../x"}),
    ("wheel", {"method": "key.list_all", "kwargs": []}),
    ("auth", {"username": "demo"}),
    ("auth", {"username": "demo", "password": ""}),
    ("auth", {"username": "demo", "password": "demo", "eauth": "../x"}),
    ("auth", {"username": "demo", "password": "demo", "token": TOKEN}),
]


@pytest.mark.parametrize(("type", "fields"), BAD_MESSAGES, ids=lambda value: json.dumps(value)[:60])
def test_a_message_that_breaks_its_schema_is_a_bad_message(demo: Client, type: str, fields: dict[str, Any]) -> None:
    """Each gets `bad_message` with at least one fault, each with a path and a sentence."""
    error = refused(demo, type, **fields)
    assert error.code == "bad_message"
    assert error.details
    assert all(set(fault) == {"path", "message"} for fault in error.details)


@pytest.mark.parametrize("number", [1.5, True, None, "x" * 65, 2**53, [1]])
def test_an_id_that_is_none_is_a_bad_message(demo: Client, number: Any) -> None:
    """An id is an integer below 2^53 or a string of at most 64 characters; the reply to another cannot carry it."""
    demo.send({"type": "ping", "id": number})
    assert demo.recv()["error"] == "bad_message"


def test_an_id_in_use_is_told(demo: Client) -> None:
    """A second request with an id whose first is still in flight gets `id_in_use`; the first is answered."""
    demo.send({"type": "get_event", "id": "one", "tag": "never/", "wait": 6})
    demo.send({"type": "ping", "id": "one"})
    reply = demo.recv()
    assert (reply["id"], reply["error"]["code"]) == ("one", "id_in_use")
    assert demo.answer("one") is None
    demo.send({"type": "ping", "id": "one"})
    assert demo.answer("one")["epoch"]


def test_too_many_requests_in_flight_are_told(demo: Client) -> None:
    """The 33rd request in flight gets `too_many`, which is retryable and names the limit."""
    for number in range(32):
        demo.send({"type": "get_event", "id": f"wait-{number}", "tag": "never/", "wait": 8})
    error = refused(demo, "whoami")
    assert (error.code, error.retryable, error.details) == ("too_many", True, {"limit": "commands_per_connection"})
    assert all(demo.answer(f"wait-{number}") is None for number in range(32))


# -- who may not -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in operations() if name != "auth"])
def test_no_operation_but_auth_works_without_a_token(connect: Connect, name: str) -> None:
    """Whatever is asked for before the login gets `unauthenticated`."""
    message = operations()[name]
    fields = {field: value for field, value in message.items() if field not in ("type", "id", "token")}
    assert refused(connect(), name, **fields).code == "unauthenticated"


@pytest.mark.parametrize("token", [TOKEN, "0" * 64, "f" * 128])
def test_a_wrong_token_is_unauthenticated(connect: Connect, token: str) -> None:
    """A token that Salt does not know gets `unauthenticated`, in a message and in `auth`."""
    client = connect()
    assert refused(client, "whoami", token=token).code == "unauthenticated"
    assert refused(client, "auth", token=token).code == "unauthenticated"


def test_a_wrong_token_in_the_handshake_is_401(engine_url: str) -> None:
    """A handshake that brings a wrong token fails with HTTP status 401."""
    with pytest.raises(websocket.WebSocketBadStatusException) as caught:
        Client(engine_url, headers={"X-Auth-Token": TOKEN})
    assert caught.value.status_code == 401


def test_a_wrong_token_does_not_lend_the_login(demo: Client) -> None:
    """A message with a wrong token fails even on a connection that is logged in."""
    assert refused(demo, "whoami", token=TOKEN).code == "unauthenticated"


def test_a_wrong_password_is_unauthenticated(connect: Connect) -> None:
    """The reply does not say whether the name or the password was wrong."""
    assert refused(connect(), "auth", username="demo", password="wrong").code == "unauthenticated"


def test_a_login_that_may_do_nothing_is_refused(connect: Connect) -> None:
    """A user whose permissions are empty is not let in, and the token does not remain."""
    client = connect()
    error = refused(client, "auth", username="nobody", password="demo")
    assert error.code == "forbidden"
    assert refused(client, "whoami").code == "unauthenticated"


def test_a_revoked_token_is_unauthenticated(connect: Connect) -> None:
    """After a logout the token is worth nothing anywhere, and the connections that rest on it end with 4401."""
    first, second = connect(), connect()
    token = first.login("viewer")["token"]
    assert second.ask("auth", token=token)["user"] == "viewer"
    assert first.ask("logout") is True
    assert second.closed().code == 4401
    assert refused(connect(), "whoami", token=token).code == "unauthenticated"


def test_an_expired_token_is_told_as_such(connect: Connect, salt_master: Any) -> None:
    """A token that ends while it is in use gets `token_expired`, and its connection ends with 4401 within a second."""
    import salt.auth

    opts = {**salt_master.config, "token_expire": 6}
    low = {"eauth": "sharedsecret", "username": "viewer", "password": "demo"}
    token = salt.auth.LoadAuth(opts).mk_token(low)
    resting, using = connect(), connect()
    assert resting.ask("auth", token=token["token"])["expire"] == pytest.approx(token["expire"])
    assert using.ask("whoami", token=token["token"])["user"] == "viewer"
    assert resting.closed().code == 4401
    assert 0 <= time.time() - token["expire"] < 1 + SLACK_SECONDS
    assert refused(using, "whoami", token=token["token"]).code == "token_expired"


def test_a_token_that_expired_unused_is_told_as_such(connect: Connect, salt_master: Any) -> None:
    """Nor does the engine need to have known it before: as long as Salt's store holds it, it is an expired one."""
    import salt.auth

    opts = {**salt_master.config, "token_expire": -1}
    token = salt.auth.LoadAuth(opts).mk_token({"eauth": "sharedsecret", "username": "viewer", "password": "demo"})
    client = connect()
    assert refused(client, "auth", token=token["token"]).code == "token_expired"
    assert refused(client, "whoami", token=token["token"]).code == "token_expired"


FORBIDDEN: list[tuple[str, str, dict[str, Any]]] = [
    ("viewer", "cmd", {"fun": "cmd.run", "tgt": "*", "arg": ["id"]}),
    ("viewer", "cmd", {"fun": "test.echo", "tgt": "minion-1", "arg": ["x"], "mode": "sync"}),
    ("half", "cmd", {"fun": "test.ping", "tgt": "minion-2"}),
    ("half", "cmd", {"fun": "test.ping", "tgt": "*"}),
    ("half", "cmd", {"fun": "grains.items", "tgt": "minion-1"}),
    ("viewer", "runner", {"fun": "jobs.list_jobs"}),
    ("viewer", "runner", {"fun": "jobs.list_jobs", "mode": "sync"}),
    ("viewer", "wheel", {"fun": "key.list_all"}),
    ("viewer", "event", {"tag": "myco/x", "body": {}}),
    ("viewer", "event", {"tag": "myco/x", "body": {}, "tgt": "*"}),
    ("viewer", "signature", {"module": "test.ping", "tgt": "minion-1"}),
    ("viewer", "signature", {"module": "jobs.list_jobs", "client": "runner"}),
    *(
        ("demo", "event", {"tag": tag, "body": {}})
        for tag in (
            *("salt/job/20141103073312975821/ret/minion-1", "salt/x", "salt/auth", "cluster/peer", "syndic/s/x"),
            *("minion/refresh/minion-1", "key", "rotate_aes_key", "minion_start", "syndic_start", "stats/x", JID),
            *("20141103073312", f"{JID}/ret"),
        )
    ),
]


@pytest.mark.parametrize(("user", "type", "fields"), FORBIDDEN, ids=lambda value: json.dumps(value)[:60])
def test_what_the_user_may_not_is_forbidden(connect: Connect, user: str, type: str, fields: dict[str, Any]) -> None:
    """Salt's permissions decide; events that are Salt's own nobody may fire."""
    assert refused(connect(user), type, **fields).code == "forbidden"


def test_a_job_that_may_not_be_seen_is_not_found(connect: Connect, demo: Client) -> None:
    """Another's job of a function that the user may not run looks like a job that does not exist."""
    jid = demo.ask("cmd", fun="test.echo", tgt="*", arg=["secret"], mode="sync")["jid"]
    viewer = connect("viewer")
    for type, fields in (("get_job", {"jid": jid}), ("cancel", {"jid": jid})):
        assert refused(viewer, type, **fields).code == "not_found"
    assert refused(viewer, "subscribe", subscription="job", jid=jid).code == "not_found"


# -- what is not there -----------------------------------------------------------------------------------------------

MISSING: list[tuple[str, str, dict[str, Any]]] = [
    ("no_minions", "cmd", {"fun": "test.ping", "tgt": "nobody-*"}),
    ("no_minions", "cmd", {"fun": "test.ping", "tgt": ["nobody"], "mode": "sync"}),
    ("no_minions", "cmd", {"fun": "test.ping", "tgt": "G@os:NoSuchOs", "tgt_type": "compound"}),
    ("no_minions", "cmd", {"fun": "test.ping", "tgt": "../../minion-1"}),
    ("no_minions", "signature", {"module": "test.ping", "tgt": "nobody"}),
    ("no_minions", "functions", {"tgt": "nobody"}),
    ("no_minions", "event", {"tag": "myco/x", "body": {}, "tgt": "nobody"}),
    ("unknown_function", "signature", {"module": "no.such_function", "tgt": "minion-1", "timeout": 60}),
    ("unknown_function", "signature", {"module": "no.such_function", "client": "runner"}),
    ("unknown_function", "signature", {"module": "no.such_function", "client": "wheel"}),
    ("unknown_function", "runner", {"fun": "no.such_function"}),
    ("unknown_function", "runner", {"fun": "no.such_function", "mode": "sync"}),
    ("unknown_function", "wheel", {"fun": "no.such_function"}),
    ("not_found", "get_job", {"jid": JID}),
    ("not_found", "get_job", {"jid": f"{JID}_17"}),
    ("not_found", "cancel", {"jid": JID}),
    ("not_found", "subscribe", {"subscription": "job", "jid": JID}),
    ("not_found", "unsubscribe", {"subscription": 17}),
    ("gap", "get_event", {"since": {"epoch": "another", "seq": 1}}),
]


@pytest.mark.parametrize(("code", "type", "fields"), MISSING, ids=lambda value: json.dumps(value)[:60])
def test_what_is_not_there_is_told_as_such(demo: Client, code: str, type: str, fields: dict[str, Any]) -> None:
    """Nobody in the target, no such function, no such job, no such subscription: each has its code."""
    assert refused(demo, type, **fields).code == code


def test_a_function_that_minions_do_not_have_fails_in_the_job(demo: Client) -> None:
    """Only the minions know their functions: `cmd` gives a job that fails, with Salt's own sentence."""
    job = demo.ask("cmd", fun="no.such_function", tgt="*", mode="sync")
    assert (job["state"], job["failed"]) == ("failed", 2)
    assert "is not available" in job["minions"]["minion-1"]["return"]


def test_an_ended_job_cannot_be_canceled(demo: Client) -> None:
    """To cancel what has ended is a `conflict`."""
    jid = demo.ask("cmd", fun="test.ping", tgt="*", mode="sync")["jid"]
    assert refused(demo, "cancel", jid=jid).code == "conflict"


def test_a_minion_that_is_down_is_missing_in_its_job(demo: Client, away: str) -> None:
    """A job to a minion that is down ends without it, and says so; the others' returns are there."""
    job = demo.ask("cmd", fun="test.ping", tgt=["minion-1", away], mode="sync", timeout=60, patience=70)
    assert (job["state"], job["done"], job["missing"]) == ("partial", 2, 1)
    assert job["minions"][away]["state"] == "missing"
    assert job["minions"]["minion-1"]["return"] is True


def test_a_question_to_a_minion_that_is_down_times_out(demo: Client, away: str) -> None:
    """`signature` waits for a minion as long as it was told to, and then answers `timeout`, which is retryable."""
    error = refused(demo, "signature", module="test.ping", tgt=away, timeout=2)
    assert (error.code, error.retryable) == ("timeout", True)


# -- the handshake ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("origin", ["http://evil.example", "https://127.0.0.1.evil.example", "null", "file://"])
def test_a_foreign_origin_may_not_connect(engine_url: str, origin: str) -> None:
    """A browser's page from elsewhere is refused in the handshake, with HTTP status 403."""
    with pytest.raises(websocket.WebSocketBadStatusException) as caught:
        Client(engine_url, origin=origin)
    assert caught.value.status_code == 403


def test_an_unknown_subprotocol_ends_with_4406(engine_url: str) -> None:
    """Who offers only subprotocols that the engine does not speak is told so by the close code."""
    with websockets_connect(engine_url, subprotocols=["soap", "salt.v9.json"]) as client:
        with pytest.raises(ConnectionClosed) as caught:
            client.recv(timeout=PATIENCE)
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 4406


# -- a master in trouble ---------------------------------------------------------------------------------------------


@pytest.fixture
def frozen_master(salt_master: Any, engine_port: int) -> Iterator[Callable[[], None]]:
    """Stop every process of the master but the engine's, when called; they go on after the test."""
    stopped: list[psutil.Process] = []

    def listens(process: psutil.Process) -> bool:
        return any(
            it.status == psutil.CONN_LISTEN and it.laddr.port == engine_port for it in process.net_connections("inet")
        )

    def freeze() -> None:
        for process in psutil.Process(salt_master.pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                if not listens(process):
                    process.send_signal(signal.SIGSTOP)
                    stopped.append(process)

    yield freeze
    for process in stopped:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGCONT)


@pytest.mark.parametrize(
    ("type", "fields"),
    [
        ("cmd", {"fun": "test.ping", "tgt": "*"}),
        ("runner", {"fun": "steps.two", "arg": [1]}),
        ("wheel", {"fun": "steps.two", "arg": [1]}),
    ],
)
def test_a_master_that_does_not_answer_is_a_retryable_error(
    demo: Client, frozen_master: Callable[[], None], type: str, fields: dict[str, Any], connect: Connect
) -> None:
    """With the master's workers gone a command fails within seconds, and the connection and the ping live on.

    A wheel is answered when it has run, so there the engine asks on the way whether the master lives.
    """
    frozen_master()
    began = time.monotonic()
    error = refused(demo, type, **fields, patience=30)
    assert (error.code, error.retryable) == ("master_unavailable", True)
    assert time.monotonic() - began < MASTER_SECONDS + SLACK_SECONDS
    assert demo.ask("ping")["epoch"]


def test_after_the_trouble_commands_work_again(demo: Client) -> None:
    """A master that answers again is used again."""

    def works() -> bool:
        with contextlib.suppress(Refused):
            return bool(demo.ask("cmd", fun="test.ping", tgt="*", mode="sync")["state"] == "complete")
        return False

    assert wait_until(works, "a command that works")
