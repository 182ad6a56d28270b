"""What happens to a request whose connection or token ends while it is under way."""

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
    """A job cache that is asked while something else happens."""

    def __init__(self, meanwhile: Any) -> None:
        self.meanwhile = meanwhile

    async def job(self, jid: str) -> dict[str, Any]:
        self.meanwhile()
        load = {"fun": "test.ping", "minions": ["a"], "user": "ann"}
        return {"kind": "job", "reported_by": None, "load": load, "returns": {}}


def test_nobody_waits_for_a_connection_that_is_gone() -> None:
    """Who sends a long request and hangs up leaves nothing behind that waits."""
    connection = Asking(World()).client.connection
    connection.release()
    with pytest.raises(ApiError), connection.waiting(asyncio.Future(loop=asyncio.new_event_loop())):
        pytest.fail("it waits")


def test_a_login_that_comes_too_late_holds_no_session() -> None:
    """The connection went while the password was checked: the session is forgotten like any unused one."""
    asking = Asking(World(), "test.ping")
    asking.client.connection.release()
    asking.client.connection.set_session(asking.session)
    assert asking.session.held == 0


async def test_a_subscription_of_a_connection_that_went_is_not_kept() -> None:
    """It went while the job was looked up."""
    asking = Asking(World(), "test.ping")
    asking.services.job_cache = Store(asking.client.connection.release)
    call = asking.call(subscription="job", jid=JID)
    with pytest.raises(ApiError, match="gone"):
        await subscriptions.subscribe(call)
    for then in call.after_reply:
        then()
    assert (asking.session.held, asking.client.connection.subscriptions) == (0, {})


async def test_a_subscription_whose_token_ended_meanwhile_is_told_so() -> None:
    """It never starts, and its client learns why."""
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


async def test_get_event_tells_nothing_more_when_its_token_has_ended() -> None:
    """The token may have come with this message alone, on a connection that lives on."""
    asking = Asking(World(), "test.ping", ".*")
    waiting = asyncio.ensure_future(events.get_event(asking.call(tag="my/", wait=5)))
    await asyncio.sleep(0)
    asking.session.ended = OVER
    asking.world.fire("my/secret", a=1)
    with pytest.raises(ApiError, match="revoked"):
        await waiting
