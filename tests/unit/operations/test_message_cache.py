"""A message that many clients send is decoded and checked once, and has the same meaning each time."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from websocket_api.core.delivery.codecs import JSON, MSGPACK
from websocket_api.operations.call import OPERATIONS
from websocket_api.operations.message_cache import MAX_BYTES, MAX_MESSAGES, MessageCache

from tests.support.schemas import SCHEMAS
from tests.unit.operations.engine import Engine, Talker

EXAMPLES: list[dict[str, Any]] = SCHEMAS.operations["subscribe"]["examples"]
MINIONS = {"type": "subscribe", "id": 1, "subscription": "minions", "grains": ["os", "roles"]}


def cached(engine: Engine, message: Any) -> dict[str, Any] | None:
    """Return what is kept of a message."""
    text = message if isinstance(message, str) else json.dumps(message)
    return engine.dispatcher._cache.get(JSON, text)


@pytest.mark.parametrize("example", EXAMPLES, ids=json.dumps)
async def test_a_message_that_is_kept_has_the_same_reply_and_does_not_change(example: dict[str, Any]) -> None:
    """The first client's request must not change what the next one gets."""
    engine, message = Engine(), {"id": 1, **example}
    first, second = await engine.user(), await engine.user()
    reply = await first.raw(message)
    kept = cached(engine, message)
    assert kept == message
    before = copy.deepcopy(kept)
    assert await second.raw(message) == reply
    assert kept == before == message


async def test_only_the_first_message_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A change of one byte is another message."""
    engine, checked = Engine(), []
    validate = engine.services.schemas.validate
    monkeypatch.setattr(
        type(engine.services.schemas),
        "validate",
        lambda self, name, message: checked.append(message) or validate(name, message),
    )
    talkers = [await engine.user() for _ in range(3)]
    checked.clear()
    for talker in talkers:
        await talker.raw(MINIONS)
    await talkers[0].raw({**MINIONS, "id": 2})
    assert checked == [MINIONS, {**MINIONS, "id": 2}]


@pytest.mark.parametrize(
    "message",
    [
        {**MINIONS, "token": "0" * 64},
        {**MINIONS, "subscription": "nothing"},
        {**MINIONS, "grains": "os"},
        {**MINIONS, "minions": [f"minion{number:04}" for number in range(100)]},
        {"type": "auth", "id": 1, "username": "ann", "password": "right", "eauth": "pam"},
        {"type": "ping", "id": 1},
        "[]",
        "{",
    ],
    ids=["a token", "invalid", "of another type", "long", "a password", "another operation", "a list", "no JSON"],
)
async def test_other_messages_are_not_kept(message: Any) -> None:
    """A secret would stay in memory; what is invalid is refused each time."""
    engine = Engine()
    talker = await engine.user()
    for number in range(2):
        await talker.raw(message if isinstance(message, str) else {**message, "id": number})
    assert not engine.dispatcher._cache._messages


async def test_a_cached_message_is_still_checked_for_everything_else() -> None:
    """Rights, limits and ids depend on the client, not on the message."""
    engine = Engine(limits={"subscriptions_per_user": 1})
    ann, stranger = await engine.user(), Talker(engine)
    assert "result" in await ann.raw(MINIONS)
    assert (await ann.raw(MINIONS))["error"]["code"] == "too_many"
    assert (await stranger.raw(MINIONS))["error"]["code"] == "unauthenticated"
    engine.dispatcher.stopping = True
    assert (await ann.raw(MINIONS))["error"]["code"] == "master_unavailable"


def test_the_oldest_are_dropped() -> None:
    """What clients choose may not fill the memory."""
    messages = MessageCache()
    for number in range(MAX_MESSAGES + 2):
        messages.put(JSON, f"message {number}", {"type": "subscribe", "number": number})
    messages.put(JSON, "x" * (MAX_BYTES + 1), {"type": "subscribe"})
    assert len(messages._messages) == MAX_MESSAGES
    assert messages.get(JSON, "message 1") is None
    assert messages.get(JSON, "message 2") == {"type": "subscribe", "number": 2}


def test_formats_are_kept_apart() -> None:
    """What is a message in one format is none in the other."""
    messages = MessageCache()
    messages.put(JSON, "text", {"type": "subscribe"})
    assert messages.get(MSGPACK, "text") is None
    assert messages.get(JSON, b"text") is None


def test_messages_to_subscribe_hold_no_secret_but_a_token() -> None:
    """And the operation whose messages are kept exists."""
    assert "subscribe" in OPERATIONS
    assert "token" in SCHEMAS.operations["subscribe"]["properties"]
    assert not {"password", "username"} & SCHEMAS.operations["subscribe"]["properties"].keys()
