"""Bad input gets one error of a known code and costs no other client anything: an engine without a master.

``integration/test_bad_input.py`` has the errors that only a master and its minions can cause.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

pytest.importorskip("salt")
pytest.importorskip("websocket")

import salt.auth
import salt.config

from tests.client import Client, Refused
from tests.functional.running import CHECKOUT, Engine
from tests.support.buses import Publisher

pytestmark = [pytest.mark.both_lines]

JID = "20141103073312975821"
TOKEN = "de7f428a61a8ab799d44e764067b0efd"


@pytest.fixture(scope="module")
def engine(run_engine: Callable[..., Engine]) -> Engine:
    """The engine of all these tests."""
    return run_engine()


@pytest.fixture(scope="module")
def bus(engine: Engine) -> Iterator[Publisher]:
    """The bus to which the engine listens."""
    with contextlib.closing(Publisher(engine.sock_dir)) as bus:
        yield bus


@pytest.fixture(autouse=True)
def _bystander(engine: Engine, bus: Publisher) -> Iterator[None]:
    """Check that another client, which follows the bus meanwhile, gets its events and answers."""
    with engine.client("demo") as client:
        client.ask("subscribe", subscription="event", tag="bystander/")
        yield
        bus.send(("bystander/still-here", {}))
        client.frames(until=lambda frame: frame.get("tag") == "bystander/still-here")
        assert client.ask("ping")["epoch"]


@pytest.fixture
def stranger(engine: Engine) -> Iterator[Client]:
    """A client that has not logged in."""
    with engine.client() as client:
        yield client


@pytest.fixture
def demo(engine: Engine) -> Iterator[Client]:
    """A client of the user who may do everything."""
    with engine.client("demo") as client:
        yield client


def refused(client: Client, type: str, /, **fields: Any) -> Refused:
    """Send a request that must fail and return its error; the connection must stay open."""
    with pytest.raises(Refused) as caught:
        client.ask(type, **fields)
    with contextlib.suppress(Refused):  # without a login a ping is refused, but answered
        client.ask("ping")
    return caught.value


def operations() -> dict[str, dict[str, Any]]:
    """Return the first example of every operation, from its schema."""
    folder = CHECKOUT / "schemas" / "operations"
    return {path.stem: json.loads(path.read_text())["examples"][0] for path in sorted(folder.glob("*.json"))}


# Invalid messages


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "ping", "no json", "{'type': 'ping'}", '{"type": "ping"} {}', '{"a": NaN}'),
        *("[" * 3000, "[" * 4000),
    ],
)
def test_text_that_is_not_json_is_bad_json(engine: Engine, demo: Client, text: str) -> None:
    """The connection stays open, and nothing is logged as a fault of the engine."""
    demo.send(text)
    assert demo.recv()["error"] == "bad_json"
    assert demo.ask("ping")["epoch"]
    assert "Traceback" not in engine.log


@pytest.mark.parametrize("text", ["[]", '[{"type": "ping"}]', "3", '"ping"', "null", "true", "{}"])
def test_json_that_is_not_a_message_is_a_bad_message(engine: Engine, demo: Client, text: str) -> None:
    """A message is an object with a type."""
    demo.send(text)
    assert demo.recv()["error"] == "bad_message"
    assert demo.ask("ping")["epoch"]
    assert "Traceback" not in engine.log


@pytest.mark.parametrize("data", [b'{"type": "ping"}', b"\x81\xa4type\xa4ping"], ids=["JSON", "msgpack"])
def test_binary_in_the_text_protocol_is_bad_json(demo: Client, data: bytes) -> None:
    """A binary message is refused where text was agreed, whatever it holds."""
    demo.send(data)
    assert demo.recv()["error"] == "bad_json"
    assert demo.ask("ping")["epoch"]


# Invalid requests


@pytest.mark.parametrize("type", ["pong", "", "Ping", "nothing", "__init__", "../auth", 5])
def test_an_unknown_type_is_refused(demo: Client, type: Any) -> None:
    """A type that names no operation gets ``unknown_type``, with and without an id."""
    assert refused(demo, type).code == "unknown_type"
    demo.send({"type": type})
    assert demo.recv()["error"] == "unknown_type"


def test_all_faults_are_named_by_path_and_no_value_is_shown(demo: Client) -> None:
    """One error names missing, wrong and unknown fields, each with its path and none with its value."""
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
    """Each gets ``bad_message`` with at least one fault, each with a path and a sentence."""
    error = refused(demo, type, **fields)
    assert error.code == "bad_message"
    assert error.details
    assert all(set(fault) == {"path", "message"} for fault in error.details)


@pytest.mark.parametrize("number", [1.5, True, None, "x" * 65, 2**53, [1]])
def test_an_invalid_id_is_a_bad_message(demo: Client, number: Any) -> None:
    """An id is an integer below 2^53 or a string of at most 64 characters; the error repeats no other."""
    demo.send({"type": "ping", "id": number})
    assert demo.recv()["error"] == "bad_message"


# Permissions that the engine itself checks


@pytest.mark.parametrize("name", [name for name in operations() if name != "auth"])
def test_no_operation_but_auth_works_without_a_token(stranger: Client, name: str) -> None:
    """All others get ``unauthenticated`` before the login."""
    message = operations()[name]
    fields = {field: value for field, value in message.items() if field not in ("type", "id", "token")}
    assert refused(stranger, name, **fields).code == "unauthenticated"


@pytest.mark.parametrize("token", [TOKEN, "0" * 64, "f" * 128])
def test_a_wrong_token_is_unauthenticated(stranger: Client, token: str) -> None:
    """A token that Salt does not know gets ``unauthenticated``, in a message and in ``auth``."""
    assert refused(stranger, "whoami", token=token).code == "unauthenticated"
    assert refused(stranger, "auth", token=token).code == "unauthenticated"


def test_a_message_with_a_wrong_token_does_not_use_the_login(demo: Client) -> None:
    """It fails even on a connection that is logged in."""
    assert refused(demo, "whoami", token=TOKEN).code == "unauthenticated"


def test_a_wrong_password_is_unauthenticated(stranger: Client) -> None:
    """The error does not say whether the name or the password was wrong."""
    error = refused(stranger, "auth", username="demo", password="wrong")
    assert error.code == "unauthenticated"
    assert not error.details


def test_a_login_without_permissions_leaves_no_login(stranger: Client) -> None:
    """An account with empty permissions gets no token, and its connection stays without one."""
    assert refused(stranger, "auth", username="nobody", password="demo").code == "forbidden"
    assert refused(stranger, "whoami").code == "unauthenticated"


def test_an_unused_token_that_expired_is_token_expired(engine: Engine, stranger: Client) -> None:
    """As long as Salt's store holds it, even if the engine has not seen it before."""
    opts = {**salt.config.master_config(str(engine.root / "master")), "token_expire": -1}
    token = salt.auth.LoadAuth(opts).mk_token({"eauth": "sharedsecret", "username": "viewer", "password": "demo"})
    assert refused(stranger, "auth", token=token["token"]).code == "token_expired"
    assert refused(stranger, "whoami", token=token["token"]).code == "token_expired"


SALTS_TAGS = (
    *("salt/job/20141103073312975821/ret/minion-1", "salt/x", "salt/auth", "cluster/peer", "syndic/s/x"),
    *("minion/refresh/minion-1", "key", "rotate_aes_key", "minion_start", "syndic_start", "stats/x", JID),
    *("20141103073312", f"{JID}/ret"),
)


@pytest.mark.parametrize("tag", SALTS_TAGS)
def test_nobody_may_fire_salts_own_events(demo: Client, tag: str) -> None:
    """Not even users with all permissions."""
    assert refused(demo, "event", tag=tag, body={}).code == "forbidden"


# Missing things


MISSING: list[tuple[str, str, dict[str, Any]]] = [
    ("not_found", "get_job", {"jid": JID}),
    ("not_found", "get_job", {"jid": f"{JID}_17"}),
    ("not_found", "cancel", {"jid": JID}),
    ("not_found", "subscribe", {"subscription": "job", "jid": JID}),
    ("not_found", "unsubscribe", {"subscription": 17}),
    ("gap", "get_event", {"since": {"epoch": "another", "seq": 1}}),
]


@pytest.mark.parametrize(("code", "type", "fields"), MISSING, ids=lambda value: json.dumps(value)[:60])
def test_a_missing_thing_has_its_code(demo: Client, code: str, type: str, fields: dict[str, Any]) -> None:
    """Unknown jobs and subscriptions, and a position in another engine's stream."""
    assert refused(demo, type, **fields).code == code
