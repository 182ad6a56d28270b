"""The puppetmaster's objects have its own field names, whatever the native names are."""

from __future__ import annotations

import json
from typing import Any

import pytest
from websocket_api.core.batches.batch import Batch
from websocket_api.core.batches.request import Call, Request
from websocket_api.protocols.puppetmaster.codec import MAX_IDS, BatchCodec, batch_object, not_found, request_object

from tests.support.schemas import SCHEMAS

NOW = 1_324_308_526.493


def batch(*calls: Call, minions: int = 1) -> Batch:
    """Return a batch of these calls, each on this many minions."""
    requests = [Request(f"m{number}", index) for index in range(len(calls)) for number in range(minions)]
    return Batch(4096, "ann", "pam", list(calls), requests, created=NOW, timeout=36000)


def codec() -> tuple[BatchCodec, list[dict[str, Any]]]:
    """Return a codec, and the errors with which it ended a subscription."""
    errors: list[dict[str, Any]] = []
    return BatchCodec(errors.append), errors


def frame(of: Batch, *indexes: int) -> dict[str, Any]:
    """Return the native frame of a batch and these of its requests."""
    requests = [of.request_as_dict(index) for index in indexes]
    return {"type": "batch", "subscription": 1, "seq": 2, "batch": of.as_dict(), "requests": requests}


def test_a_batch_has_the_names_of_the_puppetmasters_document() -> None:
    """``finishCount`` is there as well, with the value of ``doneCount``."""
    one = batch(Call("test.ping", [], {}))
    one.send([0], NOW)
    one.end(0, "resolved", NOW)
    value = batch_object(one.as_dict(ids=True))
    assert value == {
        "id": 4096,
        "createdAt": "2011-12-19T15:28:46.493Z",
        "finishedAt": None,
        "timeout": 36000,
        "concurrency": 0,
        "on_error": "continue",
        "status": "dispatching",
        "progress": 100,
        "totalCount": 1,
        "doneCount": 1,
        "finishCount": 1,
        "errorCount": 0,
        "name": None,
        "functions": [],
        "tgt": None,
        "tgt_type": None,
        "paused": False,
        "user": "ann",
        "requests": [8192],
    }
    SCHEMAS.validate_http("one_batch", value)


def test_a_batch_names_its_master_where_there_are_several() -> None:
    """Under the same name as in the native object."""
    one = batch(Call("test.ping", [], {}))
    one.set_master("m1")
    value = batch_object(one.as_dict(ids=True))
    assert value["master"] == "m1"
    SCHEMAS.validate_http("one_batch", value)


def test_a_request_has_the_names_of_the_puppetmasters_document() -> None:
    """The function is a resource, its arguments are data, and the state is ``__request``."""
    value = request_object(batch(Call("test.sleep", [1], {"x": 2}, tunnel="/remote")).request_as_dict(0))
    assert value == {
        "id": 8192,
        "method": "post",
        "resource": "/test/sleep",
        "data": {"x": 2, "__args": [1]},
        "fun": "test.sleep",
        "tunnel": "/remote",
        "__request": {
            "destination": "m0",
            "createdAt": "2011-12-19T15:28:46.493Z",
            "finishedAt": None,
            "status": "pending",
            "progress": 0,
            "result": {},
            "retcode": None,
            "message": None,
            "jid": None,
        },
    }
    SCHEMAS.validate_http("one_request", value)


@pytest.mark.parametrize(
    ("call", "data"),
    [
        (Call("a.b", [], {}), {}),
        (Call("a.b", [], {"x": 1}), {"x": 1}),
        (Call("a.b", ["y"], {}), {"__args": ["y"]}),
        (Call("a.b", [], {"password": "hush"}), {"password": "(redacted)"}),
    ],
)
def test_data_holds_the_arguments_without_their_secrets(call: Call, data: dict[str, Any]) -> None:
    """``__args`` is there only if there are positional arguments; ``tunnel`` only if the item had one."""
    value = request_object(batch(call).request_as_dict(0))
    assert value["data"] == data
    assert "tunnel" not in value


def test_a_collection_holds_request_objects() -> None:
    """In place of ids."""
    one = batch(Call("test.ping", [], {}), minions=2)
    native = {**one.as_dict(), "requests": [one.request_as_dict(index) for index in range(2)]}
    value = batch_object(native)
    assert [request["__request"]["destination"] for request in value["requests"]] == ["m0", "m1"]
    SCHEMAS.validate_http("one_batch", value)


@pytest.mark.parametrize(("kind", "text"), [("batch", "17"), ("request", "9" * 100)])
def test_an_unknown_id_has_the_puppetmasters_text(kind: str, text: str) -> None:
    """The id is repeated, but never more than 40 characters of it."""
    error = not_found(kind, text)
    assert (error.status, error.message) == (404, f"Can't find {kind} id: {text[:40]}")


def test_a_frame_becomes_a_batch_object_with_the_ids_of_its_requests() -> None:
    """With the requests themselves if the frame has some."""
    encoder, _ = codec()
    one = batch(Call("test.ping", [], {}), minions=3)
    assert json.loads(encoder.encode(frame(one)))["requests"] == [8192, 12288, 16384]
    (request,) = json.loads(encoder.encode(frame(one, 1)))["requests"]
    assert request["__request"]["destination"] == "m1"


def test_ids_of_a_large_batch_are_sent_once() -> None:
    """So that the size of a push does not grow with the batch."""
    encoder, _ = codec()
    small = batch(Call("test.ping", [], {}), minions=MAX_IDS)
    large = batch(Call("test.ping", [], {}), minions=MAX_IDS + 1)
    large.id = 8_192_000
    pushes = [json.loads(encoder.encode(frame(one))) for one in (small, large, small, large)]
    assert [len(push.get("requests", ())) for push in pushes] == [MAX_IDS, MAX_IDS + 1, MAX_IDS, 0]


@pytest.mark.parametrize("message", [{"type": "live", "subscription": 1, "seq": 1}, {"type": "result", "result": 1}, 7])
def test_other_messages_are_not_sent(message: Any) -> None:
    """These clients know batch objects only."""
    encoder, errors = codec()
    assert (encoder.encode(message), errors) == (b"", [])


def test_the_end_of_a_subscription_is_reported_until_the_client_is_gone() -> None:
    """The websocket closes with the error of the subscription."""
    encoder, errors = codec()
    ended = {"type": "ended", "subscription": 1, "error": {"code": "not_found", "message": "the batch was forgotten"}}
    assert encoder.encode(ended) == b""
    encoder.forget()
    encoder.encode(ended)
    assert errors == [ended["error"]]
