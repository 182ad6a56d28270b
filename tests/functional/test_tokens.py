"""Tokens expire, are revoked by a client or in Salt's store, and are replaced by another login on the same socket."""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("salt")
pytest.importorskip("websocket")

from tests.client import Client, Refused
from tests.functional.running import Engine
from tests.support.buses import Publisher

pytestmark = [pytest.mark.both_lines]

RunEngine = Callable[..., Engine]
TOKEN_CHECK = 1  # seconds instead of 30 between two looks at Salt's store
TOKEN_EXPIRE = 6  # seconds instead of twelve hours
ENDS_WITHIN = 1.0  # seconds in which what rests on a token must end with it
SLACK_SECONDS = 20.0  # more that this may take on a loaded machine


@pytest.fixture(scope="module")
def engine(run_engine: RunEngine) -> Engine:
    """An engine that often checks whether tokens are still valid."""
    return run_engine({"token_check": TOKEN_CHECK})


@pytest.fixture(scope="module")
def fleeting(run_engine: RunEngine) -> Engine:
    """An engine on a master whose tokens soon expire."""
    return run_engine(master={"token_expire": TOKEN_EXPIRE})


def follow(client: Client, **fields: Any) -> int:
    """Subscribe to events and return the number."""
    return int(client.ask("subscribe", subscription="event", tag="", **fields)["subscription"])


def ended(client: Client, number: int) -> dict[str, Any]:
    """Wait for the frame that ends a subscription and return its error."""
    frame = client.frames(until=lambda frame: frame["type"] == "ended", subscription=number)[-1]
    error: dict[str, Any] = frame["error"]
    return error


def remove_as_salt_does(engine: Engine, token: str) -> None:
    """Remove a token from the master's store, behind the engine's back."""
    import salt.auth
    import salt.config

    salt.auth.LoadAuth(salt.config.master_config(str(engine.root / "master"))).rm_token(token)


def test_an_expired_token_ends_its_socket_within_a_second(fleeting: Engine) -> None:
    """Subscriptions end first, then the connection closes with 4401, and the token is refused."""
    with fleeting.client() as client:
        login = client.login("demo")
        number = follow(client)
        assert ended(client, number)["code"] == "token_expired"
        assert client.closed().code == 4401
        assert 0 <= time.time() - login["expire"] < ENDS_WITHIN + SLACK_SECONDS
    with fleeting.client() as client, pytest.raises(Refused) as refused:
        client.ask("auth", token=login["token"])
    assert refused.value.code == "token_expired"


def test_a_token_that_expires_while_events_flow_ends_the_stream_there(fleeting: Engine) -> None:
    """Nothing is shown afterwards; with a new login the stream continues without a loss."""
    stop = threading.Event()
    with contextlib.closing(Publisher(fleeting.sock_dir)) as bus, fleeting.client() as client:
        bus.send(("flow/before", {}))

        def flow() -> None:
            for number in itertools.count():
                bus.send(("flow/on", {"number": number}))
                if stop.wait(0.01):
                    return

        expire = client.login("demo")["expire"]
        begun = client.ask("subscribe", subscription="event", tag="flow/on")
        flowing = threading.Thread(target=flow)
        flowing.start()
        try:
            before = client.frames(until=lambda frame: frame["type"] == "ended", subscription=begun["subscription"])
            assert before.pop()["error"]["code"] == "token_expired"
            assert client.closed().code == 4401
            assert -0.1 < time.time() - expire < ENDS_WITHIN + SLACK_SECONDS
            since = {"epoch": begun["epoch"], "seq": before[-1]["seq"]}
            with fleeting.client("demo") as again:
                resumed = again.ask("subscribe", subscription="event", tag="flow/on", since=since)
                assert resumed["recovered"] is True
                after = [again.frames(until=lambda frame: True)[0] for _ in range(50)]
        finally:
            stop.set()
            flowing.join(10)
    came = [frame["data"]["number"] for frame in before + after if frame["type"] == "event"]
    assert came == list(range(len(came)))
    assert len(came) > 50


def test_a_new_login_in_time_keeps_the_socket(fleeting: Engine) -> None:
    """A login before the expiry keeps the connection and its subscriptions."""
    with fleeting.client() as client:
        first = client.login("demo")
        number = follow(client)
        time.sleep(TOKEN_EXPIRE / 2)
        client.login("demo")
        time.sleep(max(0.0, first["expire"] + ENDS_WITHIN - time.time()))
        assert client.ask("whoami")["user"] == "demo"
        assert client.ask("unsubscribe", subscription=number) is True


def test_a_message_with_an_expired_token_of_its_own_is_refused(fleeting: Engine) -> None:
    """Only that message fails, every time: the socket belongs to another login."""
    token = fleeting.token("viewer")
    time.sleep(TOKEN_EXPIRE + 0.2)
    with fleeting.client("demo") as client:
        for _ in range(3):
            with pytest.raises(Refused) as refused:
                client.ask("whoami", token=token)
            assert refused.value.code == "token_expired"
        assert client.ask("whoami")["user"] == "demo"


def test_a_token_that_was_removed_elsewhere_ends_its_socket(engine: Engine) -> None:
    """Salt sends no event for this: the engine checks its store and ends the socket."""
    with engine.client() as client, engine.client("demo") as other:
        token = client.login("demo")["token"]
        number = follow(client)
        remove_as_salt_does(engine, token)
        began = time.monotonic()
        assert ended(client, number)["code"] == "unauthenticated"
        assert client.closed().code == 4401
        assert time.monotonic() - began < TOKEN_CHECK + SLACK_SECONDS
        assert other.ask("whoami")


def test_a_logout_ends_every_socket_of_the_token_within_a_second(engine: Engine) -> None:
    """The reply is sent first; other logins of the user stay, and the token is removed from Salt's store."""
    with engine.client() as client, engine.client("demo") as other, engine.client() as second:
        token = client.login("demo")["token"]
        second.ask("auth", token=token)
        number = follow(second)
        began = time.monotonic()
        assert client.ask("logout") is True
        assert client.closed().code == 4401
        assert ended(second, number)["code"] == "unauthenticated"
        assert second.closed().code == 4401
        assert time.monotonic() - began < ENDS_WITHIN + SLACK_SECONDS
        assert other.ask("whoami")["user"] == "demo"
        with pytest.raises(Refused, match="unauthenticated"):
            other.ask("whoami", token=token)


def test_a_logout_by_its_own_token_spares_the_socket(engine: Engine) -> None:
    """The token sent with the message is revoked, not that of the connection."""
    token = engine.token("viewer")
    with engine.client("demo") as client:
        assert client.ask("logout", token=token) is True
        assert client.ask("whoami")["user"] == "demo"
        with pytest.raises(Refused, match="unauthenticated"):
            client.ask("whoami", token=token)


def test_another_user_may_take_over_the_socket(engine: Engine) -> None:
    """The socket belongs to the last login; earlier subscriptions end with their own token."""
    with engine.client() as client:
        first = client.login("demo")["token"]
        number = follow(client)
        client.login("viewer")
        assert client.ask("whoami")["user"] == "viewer"
        assert client.ask("whoami")["can"]["all"] is False
        client.ask("logout", token=first)
        assert ended(client, number)["code"] == "unauthenticated"
        assert client.ask("whoami")["user"] == "viewer"


def test_a_failed_login_leaves_the_socket_as_it_was(engine: Engine) -> None:
    """A wrong password disconnects no client."""
    with engine.client("demo") as client:
        with pytest.raises(Refused, match="unauthenticated"):
            client.login("demo", "wrong")
        assert client.ask("whoami")["user"] == "demo"


def test_neither_passwords_nor_tokens_reach_the_log(engine: Engine) -> None:
    """This holds for valid and wrong ones, at every level and for every logger."""
    password, wrong = "canary-password", "ab" * 32
    with engine.client() as client:
        for fields in ({"username": "demo", "password": password}, {"token": wrong}):
            with pytest.raises(Refused):
                client.ask("auth", **fields)
        right = client.login("demo")["token"]
        assert client.ask("whoami", token=right)
        with pytest.raises(Refused, match="unauthenticated"):
            client.ask("whoami", token=wrong)
        client.ask("logout")
    log = engine.log
    assert "operation=logout outcome=ok" in log
    for secret in (password, wrong, right):
        assert secret not in log
