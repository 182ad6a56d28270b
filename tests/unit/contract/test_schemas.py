"""Validation of messages: every fault is named, and no value is repeated."""

from __future__ import annotations

import json
import math
import pathlib
import random
import shutil
import time
from typing import Any

import jsonschema
import pytest
from websocket_api.contract import faults
from websocket_api.contract.dialect import Validator
from websocket_api.contract.schemas import DOCUMENTS, Schemas
from websocket_api.errors import ApiError, CannotRun

from tests.support.schemas import SCHEMAS

DIRECTORY = pathlib.Path(__file__).parents[3] / "schemas"
JID = "20141103073312975821"
TOKEN = "a2822c3247c15755c7e17fa5686d40c7"
SECRET = "hunter2"


def faults_of(message: Any, name: str | None = None) -> dict[str, list[str]]:
    """Return the faults of a message by path; nothing for a valid message."""
    error = refusal(name or message["type"], message)
    by_path: dict[str, list[str]] = {}
    for fault in error.details if error else ():
        by_path.setdefault(fault["path"], []).append(fault["message"])
    return by_path


def refusal(name: str, message: Any) -> ApiError | None:
    """Return the error for a message; None for a valid message."""
    try:
        SCHEMAS.validate(name, message)
    except ApiError as error:
        return error
    return None


def cmd(**fields: Any) -> dict[str, Any]:
    """Return a valid ``cmd`` with other fields."""
    return {"type": "cmd", "fun": "test.ping", "tgt": "*", **fields}


def subscribe(kind: str, **fields: Any) -> dict[str, Any]:
    """Return a ``subscribe``."""
    return {"type": "subscribe", "subscription": kind, **fields}


FAULTY = [
    # one kind of fault each
    ({"type": "get_job"}, {"/jid": "is required"}),
    ({"type": "get_job", "jid": 5}, {"/jid": "must be a string"}),
    ({"type": "ping", "id": []}, {"/id": "must be an integer or a string"}),
    ({"type": "ping", "id": 1.5}, {"/id": "must be an integer or a string"}),
    ({"type": "ping", "id": True}, {"/id": "must be an integer or a string"}),
    ({"type": "ping", "id": 2**53}, {"/id": "must be at most 9007199254740991"}),
    ({"type": "ping", "id": "x" * 65}, {"/id": "must be at most 64 characters"}),
    ({"type": "ping", "pong": 1}, {"/pong": "is not a field of this message"}),
    ({"type": "unsubscribe", "subscription": 1.0}, {"/subscription": "must be an integer"}),
    ({"type": "unsubscribe", "subscription": 0}, {"/subscription": "must be at least 1"}),
    ({"type": "get_event", "wait": 301}, {"/wait": "must be at most 300"}),
    ({"type": "get_event", "wait": math.nan}, {"/wait": "must be a number"}),
    ({"type": "get_event", "full": 1}, {"/full": "must be true or false"}),
    ({"type": "get_event", "since": {"epoch": "a"}}, {"/since/seq": "is required"}),
    (
        {"type": "get_event", "since": {"epoch": "a", "seq": 1, "sec": 2}},
        {"/since/sec": "is not a field here"},
    ),
    ({"type": "event", "tag": "", "body": {}}, {"/tag": "must not be empty"}),
    ({"type": "event", "tag": "a", "body": [1]}, {"/body": "must be an object"}),
    ({"type": "list_minions", "minions": []}, {"/minions": "must not be empty"}),
    ({"type": "list_minions", "grains": "os"}, {"/grains": "must be true or false or a list"}),
    ({"type": "list_minions", "grains": [1, ""]}, {"/grains/0": "must be a string", "/grains/1": "must not be empty"}),
    (subscribe("job", jid=JID, grains=False), {"/grains": "goes with the subscription minions only"}),
    ({"type": "list_minions", "minions": ["a", "b/c"]}, {"/minions/1": "does not have the form ^[^/"}),
    ({"type": "cancel", "jid": JID, "signal": "hup"}, {"/signal": "must be one of: term, kill"}),
    (cmd(args={}), {"/args": "must be a list"}),
    (cmd(fun="ping"), {"/fun": "does not have the form ^[A-Za-z0-9_]+"}),
    (cmd(fun=f"test.{'x' * 260}"), {"/fun": "must be at most 256 characters"}),
    (cmd(token=SECRET), {"/token": "does not have the form ^[0-9a-fA-F]{32,128}$"}),
    # a line break at the end is no end: Salt makes file names of jids
    ({"type": "get_job", "jid": f"{JID}\n"}, {"/jid": "does not have the form"}),
    ({"type": "get_job", "jid": "../../etc/passwd"}, {"/jid": "does not have the form"}),
    # several at once, sorted by path
    (
        {"type": "cmd", "fun": "test.ping", "kwargs": 3, "mode": "later", "extra": 1},
        {
            "": "needs pattern or tgt",
            "/extra": "is not a field of this message",
            "/kwargs": "must be an object",
            "/mode": "must be one of: async, sync",
        },
    ),
    # what goes with what
    ({"type": "cmd", "tgt": "*"}, {"": "needs method or fun"}),
    (cmd(method="test.ping"), {"": "needs method or fun, not more than one of them"}),
    (cmd(pattern="*"), {"": "needs pattern or tgt, not more than one of them"}),
    (cmd(pattern_type="glob", tgt_type="glob"), {"": "takes pattern_type or tgt_type, not both"}),
    (cmd(arg=[], args=[]), {"": "takes args or arg, not both"}),
    (cmd(kwarg={}, kwargs={}), {"": "takes kwargs or kwarg, not both"}),
    (cmd(tgt=["a"], tgt_type="glob"), {"": "has a list of minions as its target"}),
    ({"type": "auth"}, {"": "needs either username and password, with or without eauth, or token alone"}),
    ({"type": "auth", "username": "a"}, {"/password": "is required beside username"}),
    ({"type": "auth", "token": TOKEN, "eauth": "pam"}, {"": "needs either username and password"}),
    ({"type": "auth", "username": "a", "password": ""}, {"/password": "must not be empty"}),
    ({"type": "signature", "module": "test.ping"}, {"": "needs tgt or client"}),
    ({"type": "event", "tag": "a", "body": {}, "tgt_type": "list"}, {"/tgt": "is required beside tgt_type"}),
    (subscribe("jobs", fun="a.b"), {"/fun": "goes with the subscription event only"}),
    (subscribe("job", jid=JID, tag="salt/"), {"/tag": "goes with the subscription event only"}),
    (subscribe("job", jid="**"), {"/jid": "does not have the form"}),
    (subscribe("job", jid=["*"]), {"/jid/0": "does not have the form"}),
    (subscribe("job", jid=JID, connected=True), {"/connected": "goes with the subscription minions only"}),
    (
        subscribe("event", jid="*", connected=True),
        {
            "/connected": "goes with the subscription minions only",
            "/jid": "may be * with the subscription job only",
        },
    ),
    (subscribe("event", short_targets=True), {"/short_targets": "goes with the subscription job only"}),
    (subscribe("minions", short_targets=False), {"/short_targets": "goes with the subscription job only"}),
    (subscribe("batch", short_targets=True), {"/short_targets": "goes with the subscription job only"}),
    (subscribe("job", short_targets=1), {"/short_targets": "must be true or false"}),
    (subscribe("minions", jid=JID), {"/jid": "goes with the subscriptions event and job only"}),
    (subscribe("runner"), {"/subscription": "must be one of: event, job, minions, batch, jobs"}),
    (subscribe("event", match_type="regex", tag="x" * 257), {"/tag": "must be at most 256 characters"}),
    (subscribe("event", match_type="regex", tag=["x" * 257]), {"/tag/0": "must be at most 256 characters"}),
]


@pytest.mark.parametrize(("message", "expected"), FAULTY)
def test_every_fault_is_named_with_its_path(message: dict[str, Any], expected: dict[str, str]) -> None:
    """The author of a client can fix a message at once, without guessing."""
    said = faults_of(message)
    assert list(said) == sorted(expected)
    for path, sentence in expected.items():
        assert len(said[path]) == 1
        assert said[path][0].startswith(sentence)


GOOD = [
    cmd(),
    cmd(tgt=["a", "b"]),
    cmd(tgt=["a", "b"], tgt_type="list"),
    cmd(tgt="a,b", tgt_type="list"),
    cmd(kwargs={"any": [{"thing": None}]}, args=[None, {"x": 1}]),
    {"type": "ping"},
    {"type": "ping", "id": -1},
    {"type": "ping", "id": 2**53 - 1},
    {"type": "get_job", "jid": f"{JID}_12345"},
    {"type": "auth", "token": "AB" * 64},
    subscribe("event", tag="", match_type="find"),
    subscribe("event", tag="x" * 257),
    subscribe("job", jid="*", minions=["a"], without_return=True),
    subscribe("jobs", short_targets=True),
    subscribe("minions", connected=True),
    subscribe("job", jid=[JID], since={"epoch": "a", "seq": 0}, minions=["a"], without_return=True),
]


@pytest.mark.parametrize("message", GOOD)
def test_a_good_message_passes(message: dict[str, Any]) -> None:
    """Everything that the descriptions allow is accepted."""
    assert faults_of(message) == {}


@pytest.mark.parametrize("message", GOOD)
def test_a_good_message_takes_the_fast_way(message: dict[str, Any]) -> None:
    """jsonschema looks at the whole of faulty messages only."""
    assert SCHEMAS._messages[message["type"]].passes(message)


@pytest.mark.parametrize("name", SCHEMAS.operations)
def test_the_fast_way_decides_as_jsonschema_does(name: str) -> None:
    """Also with fields that belong to others, without some, and with values of any kind."""
    schema, rng = SCHEMAS.operations[name], random.Random(name)
    check, exact = SCHEMAS._messages[name], Validator(schema)
    values: list[Any] = [None, True, 1, 1.0, -1, math.nan, 2**70, "", "*", "a", "regex", "list", [], ["a"], {}, [{}]]
    for field in schema["properties"].values():
        values += [example.get(one) for example in schema["examples"] for one in example]
        values += field.get("enum", [])
    for _ in range(600):
        message = dict(rng.choice(schema["examples"]))
        for one in rng.sample(list(message), rng.randint(0, min(2, len(message)))):
            del message[one]
        for one in rng.sample(list(schema["properties"]), rng.randint(0, min(4, len(schema["properties"])))):
            message[one] = rng.choice(values)
        assert check.passes(message) == exact.is_valid(message), message


@pytest.mark.parametrize("message", [None, [], "text", 5, True])
def test_a_message_that_is_not_an_object_has_one_fault(message: Any) -> None:
    """Other faults would make no sense."""
    assert faults_of(message, "cmd") == {"": ["must be an object"]}


def test_an_unknown_operation_is_an_unknown_type() -> None:
    """The error refers to the list of operations."""
    with pytest.raises(ApiError, match="describe") as caught:
        SCHEMAS.validate("no_such_thing", {"type": "no_such_thing"})
    assert caught.value.code == "unknown_type"


def _with_secrets() -> list[dict[str, Any]]:
    """Return messages with the secret at every place where it is a fault."""
    wrong: list[Any] = [SECRET, [SECRET], {SECRET: SECRET}, {"x": SECRET}]
    return [
        {**schema["examples"][0], field: value}
        for schema in SCHEMAS.operations.values()
        for field in schema["properties"]
        for value in wrong
    ]


def test_a_value_is_never_repeated() -> None:
    """A password in the wrong field must not end up in a log or on a screen."""
    refused = 0
    for message in _with_secrets():
        name = message["type"] if message["type"] in list(SCHEMAS.operations) else "cmd"
        error = refusal(name, message)
        if error is None:
            continue
        refused += 1
        # The one thing that is shown is the name of a field that should not be there.
        named = [fault for fault in error.details if not fault["path"].endswith(SECRET)]
        assert SECRET not in json.dumps(named)
        assert SECRET not in error.message or named != error.details
    assert refused > 100


@pytest.mark.parametrize(
    ("name", "path"),
    [("x" * 1000, "/" + "x" * 64), ("a/b~c", "/a~1b~0c"), ("a\nb\x1b[2J", "/a?b?[2J"), ("\ud800", "/?")],
)
def test_the_name_of_an_unknown_field_cannot_break_a_log_line(name: str, path: str) -> None:
    """It is shortened, escaped as in a JSON Pointer, and has no control characters."""
    assert faults_of({"type": "ping", name: 1}) == {path: ["is not a field of this message"]}


def test_a_message_of_ten_thousand_faults_does_not_get_a_larger_answer() -> None:
    """Faults beyond a hundred are combined into one."""
    with pytest.raises(ApiError) as caught:
        SCHEMAS.validate("ping", {"type": "ping", **{f"x{number}": 1 for number in range(10_000)}})
    assert len(caught.value.details) == faults.MAX_FAULTS + 1
    assert caught.value.details[-1] == {"path": "", "message": "has more faults, which are not listed"}
    assert len(caught.value.message) < 300


@pytest.mark.parametrize(
    ("pairs", "sentence"),
    [
        ([("/kwargs", "must be an object")], "/kwargs must be an object"),
        ([("", "needs method or fun")], "the message needs method or fun"),
        ([("/a", "is required"), ("/b", "is required")], "2 faults: /a is required; /b is required"),
        (
            [(f"/{name}", "is required") for name in "abcd"],
            "4 faults: /a is required; /b is required; /c is required; …",
        ),
    ],
)
def test_the_summary_names_the_first_faults(pairs: list[tuple[str, str]], sentence: str) -> None:
    """The sentence is for people, the list for programs."""
    assert faults.summary([{"path": path, "message": message} for path, message in pairs]) == sentence


def test_a_result_that_breaks_its_promise_is_found() -> None:
    """Tests of operations check real replies with this."""
    SCHEMAS.validate_result("cancel", {"jid": JID, "minions": ["a"]})
    with pytest.raises(ValueError, match="minions"):
        SCHEMAS.validate_result("cancel", {"jid": JID})
    with pytest.raises(ValueError, match="extra"):
        SCHEMAS.validate_frame("live", {"type": "live", "subscription": 1, "seq": 1, "extra": 1})


def test_a_good_message_costs_little() -> None:
    """Checking does not limit a busy server: the limit of 0.5 ms is far above the measured 75 us."""
    message = cmd(token=TOKEN, args=[1], kwargs={"a": 1}, tgt_type="glob", id=7)
    best = math.inf
    for _ in range(5):
        start = time.process_time()
        for _ in range(200):
            SCHEMAS.validate("cmd", message)
        best = min(best, (time.process_time() - start) / 200)
    assert best < 0.0005


@pytest.mark.parametrize("path", sorted(DIRECTORY.rglob("*.json")), ids=lambda path: path.name)
def test_each_file_of_the_release_is_a_valid_schema(path: pathlib.Path) -> None:
    """The engine does not check this again for files that it knows by their digest."""
    if path.name not in DOCUMENTS:
        jsonschema.Draft202012Validator.check_schema(json.loads(path.read_text(encoding="utf-8")))


@pytest.fixture
def copy(tmp_path: pathlib.Path) -> pathlib.Path:
    """A copy of the schemas that a test may change."""
    return pathlib.Path(shutil.copytree(DIRECTORY, tmp_path / "schemas"))


def spoil(file: pathlib.Path, **changes: Any) -> None:
    """Change keywords of a schema file."""
    file.write_text(json.dumps({**json.loads(file.read_text(encoding="utf-8")), **changes}), encoding="utf-8")


@pytest.mark.parametrize("name", ["VERSION", "common.json", "frames.json", "http.json", "settings.json"])
def test_a_missing_file_is_named_with_the_remedy(copy: pathlib.Path, name: str) -> None:
    """An operator with incomplete files gets the remedy."""
    (copy / name).unlink()
    with pytest.raises(CannotRun, match=rf"{name}: copy the folder schemas"):
        Schemas(copy)


def test_missing_operations_are_named(copy: pathlib.Path) -> None:
    """An engine without operations does not start."""
    shutil.rmtree(copy / "operations")
    with pytest.raises(CannotRun, match="lack the folder operations"):
        Schemas(copy)


def test_what_is_not_json_is_named(copy: pathlib.Path) -> None:
    """With the file and the place in it."""
    (copy / "operations" / "cmd.json").write_text("{", encoding="utf-8")
    with pytest.raises(CannotRun, match=r"operations/cmd\.json is not JSON: .*line 1"):
        Schemas(copy)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"properties": {"type": {"type": "text"}}}, r"operations/ping\.json is not valid at /properties/type/type"),
        (
            {"properties": {"type": {"$ref": "../common.json#/$defs/gone"}}},
            r"operations/ping\.json has a reference that",
        ),
        (
            {"properties": {"type": {"$ref": "../gone.json"}}},
            r"operations/ping\.json has a reference that leads nowhere",
        ),
        ({"$defs": {"a": {"$ref": "#/$defs/a"}, "result": {}}}, r"operations/ping\.json refers to itself"),
        ({"$defs": {}}, r"operations/ping\.json lacks properties or \$defs/result"),
    ],
)
def test_an_invalid_schema_is_named(copy: pathlib.Path, changes: dict[str, Any], sentence: str) -> None:
    """A fault in a schema is found at the start, not at the first message."""
    spoil(copy / "operations" / "ping.json", **changes)
    with pytest.raises(CannotRun, match=sentence):
        Schemas(copy)
