"""Requests whose connection or token ends while they run."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from websocket_api.errors import ApiError
from websocket_api.operations import events, subscriptions

from tests.unit.core.support import JID, World
from tests.unit.operations.support import Asking

OVER = ApiError("unauthenticated", "the token was revoked")


class Store:
    """A job cache that calls something while it is read."""

    def __init__(self, meanwhile: Any) -> None:
        self.meanwhile = meanwhile

    async def job(self, jid: str) -> dict[str, Any]:
        self.meanwhile()
        load = {"fun": "test.ping", "minions": ["a"], "user": "ann"}
        return {"kind": "job", "reported_by": None, "load": load, "returns": {}}


def test_a_caller_that_has_left_waits_for_nothing() -> None:
    """A client that sends a long request and hangs up leaves nothing that waits."""
    connection = Asking(World()).client.connection
    connection.release()
    with pytest.raises(ApiError), connection.waiting(asyncio.Future(loop=asyncio.new_event_loop())):
        pytest.fail("it waits")


def test_a_login_after_the_client_left_holds_no_session() -> None:
    """The client left while its password was checked: the session is forgotten like any unused one."""
    asking = Asking(World(), "test.ping")
    asking.client.connection.release()
    asking.client.connection.set_session(asking.session)
    assert asking.session.held == 0


async def test_a_subscription_of_a_closed_connection_is_not_kept() -> None:
    """The client left while the job was read from the job cache."""
    asking = Asking(World(), "test.ping")
    asking.services.job_cache = Store(asking.client.connection.release)
    call = asking.call(subscription="job", jid=JID)
    with pytest.raises(ApiError, match="gone"):
        await subscriptions.subscribe(call)
    for then in call.after_reply:
        then()
    assert (asking.session.held, asking.client.connection.subscriptions) == (0, {})


async def test_a_subscription_whose_token_ended_meanwhile_ends() -> None:
    """It never starts, and its client receives the reason."""
    asking = Asking(World(), "test.ping")

    def revoke() -> None:
        asking.session.ended = OVER

    asking.services.job_cache = Store(revoke)
    call = asking.call(subscription="job", jid=JID)
    await subscriptions.subscribe(call)
    for then in call.after_reply:
        then()
    (ended,) = asking.client.got
    assert (ended["type"], ended["error"]["code"]) == ("ended", "unauthenticated")
    assert asking.client.connection.subscriptions == {}


async def test_get_event_returns_no_event_after_its_token_ended() -> None:
    """The token may belong to this message alone, while the connection stays open."""
    asking = Asking(World(), "test.ping", ".*")
    waiting = asyncio.ensure_future(events.get_event(asking.call(tag="my/", wait=5)))
    await asyncio.sleep(0)
    asking.session.ended = OVER
    asking.world.fire("my/secret", a=1)
    with pytest.raises(ApiError, match="revoked"):
        await waiting
