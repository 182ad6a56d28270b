"""auth, logout, whoami, ping, describe."""

from __future__ import annotations

from typing import Any

import pytest
from websocket_api.core.delivery.codecs import JSON
from websocket_api.errors import CLOSE_CODES, ERRORS
from websocket_api.operations.call import OPERATIONS

from tests.unit.operations.engine import Engine, Refused, Talker


async def fails(talker: Talker, **fields: Any) -> str:
    with pytest.raises(Refused) as caught:
        await talker.ask("auth", **fields)
    return caught.value.code


async def test_a_login_gives_the_token_and_the_connection() -> None:
    """The default eauth is used if the message has none."""
    talker = Talker(Engine())
    token = await talker.ask("auth", username="ann", password="right")
    assert (token["user"], token["eauth"], token["perms"]) == ("ann", "pam", [".*", "@runner", "@wheel"])
    assert (await talker.ask("whoami"))["user"] == "ann"


async def test_a_client_can_log_in_with_a_token() -> None:
    """The token may come from Salt itself."""
    engine = Engine()
    token = engine.accounts.give("ann")
    talker = Talker(engine)
    assert (await talker.ask("auth", token=token))["token"] == token


async def test_a_refused_login_leaves_the_connection_as_it_was() -> None:
    """The user stays logged in."""
    talker = await Engine(ann=[".*"], bob=["test.ping"]).user()
    assert await fails(talker, username="bob", password="wrong") == "unauthenticated"
    assert (await talker.ask("whoami"))["user"] == "ann"


async def test_another_login_changes_the_user_of_the_connection() -> None:
    """The last login counts."""
    talker = await Engine(ann=[".*"], bob=["test.ping"]).user()
    await talker.ask("auth", username="bob", password="right")
    assert (await talker.ask("whoami"))["user"] == "bob"


async def test_an_account_that_may_do_nothing_is_refused() -> None:
    """Its token is revoked in Salt."""
    engine = Engine(nobody=[])
    assert await fails(Talker(engine), username="nobody", password="right") == "forbidden"
    assert engine.accounts.tokens == {}


async def test_guessing_passwords_is_limited() -> None:
    """After a few failures even the right password must wait; other names need not."""
    engine = Engine(ann=[".*"], bob=[".*"])
    talker = Talker(engine)
    for _ in range(3):
        assert await fails(talker, username="ann", password="wrong") == "unauthenticated"
    assert await fails(talker, username="ann", password="right") == "too_many"
    await talker.ask("auth", username="bob", password="right")
    engine.world.time.pass_(60)
    await talker.ask("auth", username="ann", password="right")


async def test_guessing_tokens_is_limited() -> None:
    """An invalid token is a failed login."""
    talker = Talker(Engine())
    codes = [await fails(talker, token="f" * 64) for _ in range(4)]
    assert codes == ["unauthenticated"] * 3 + ["too_many"]


async def test_logout_revokes_the_token_and_closes_after_the_reply() -> None:
    """The token is invalid in Salt too."""
    engine = Engine()
    talker = await engine.user()
    engine.services.sessions.on_end(talker.connection.end_session)
    await talker.ask("subscribe", subscription="event")
    assert await talker.ask("logout") is True
    assert engine.accounts.tokens == {}
    assert [frame["type"] for frame in talker.frames] == ["ended"]
    assert [code for code, _ in talker.client.closed_with] == [4401]


CAN: list[tuple[list[Any], dict[str, Any]]] = [
    (["test.ping"], {}),
    ([".*"], {"all": True, "events": True, "jobs": True}),
    ([".*", "@runner"], {"all": True, "events": True, "jobs": True, "fire": True}),
    (["@jobs"], {"jobs": True}),
    (["@wheel"], {"keys": True}),
    (["@events", "@fire"], {"events": True, "fire": True}),
    ([{"@events": ["tag:a/*", "tag:b/*"]}, {"@fire": ["tag:c/*"]}], {"events": ["a/*", "b/*"], "fire": ["c/*"]}),
]


@pytest.mark.parametrize(("perms", "can"), CAN)
async def test_whoami_returns_the_permissions(perms: list[Any], can: dict[str, Any]) -> None:
    """So a page need not offer actions that would be refused."""
    who = await (await Engine(ann=perms).user()).ask("whoami")
    nothing: dict[str, Any] = {"all": False, "events": False, "fire": False, "jobs": False, "keys": False}
    assert who["can"] == {**nothing, **can}
    assert (who["user"], who["eauth"], who["perms"]) == ("ann", "pam", perms)


async def test_ping_returns_the_time() -> None:
    """And the engine's version, and its position in the history of events."""
    engine = Engine()
    seq = engine.services.history.seq
    assert await (await engine.user()).ask("ping") == {
        "time": engine.world.time.now,
        "version": "0.1.0",
        "epoch": "epoch1",
        "seq": seq,
    }


async def test_describe_is_complete() -> None:
    """Every operation with its schema, every error, every close code, and the limits."""
    described = await (await Engine().user()).ask("describe")
    assert set(described["operations"]) == set(OPERATIONS)
    assert set(described["errors"]) == set(ERRORS)
    assert set(described["close_codes"]) == {str(code) for code in CLOSE_CODES}
    assert described["master"] == {"id": "master-one", "salt": "3008.3", "cluster": "blue"}
    assert described["limits"]["commands_per_connection"] == 32


async def test_describe_is_encoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that sends it in a loop only costs the sending of bytes."""
    engine, made = Engine(ann=[".*"], bob=["test.ping"]), []
    encode = JSON.encode
    monkeypatch.setattr(type(JSON), "encode", lambda self, value: made.append(value) or encode(value))
    described = [await (await engine.user(name)).ask("describe") for name in ("ann", "bob", "ann")]
    assert described[0] == described[1] == described[2]
    assert sum("close_codes" in value for value in made if isinstance(value, dict)) == 1
