"""Firing events."""

from __future__ import annotations

import pytest
from websocket_api.errors import ApiError
from websocket_api.operations.events import event

from tests.unit.core.support import World
from tests.unit.operations.support import Asking


@pytest.mark.parametrize("tag", ["key\n\n\x01", "key\n", "my/tag\n\n0", "my\ttag", "my/\x7f", "my/\ud800"])
async def test_a_tag_that_would_arrive_changed_is_refused(tag: str) -> None:
    """An empty line ends a tag on the wire: ``key`` followed by one would be the master's own event."""
    asking = Asking(World(), "@fire")
    with pytest.raises(ApiError) as caught:
        await event(asking.call(tag=tag, body={}))
    assert (caught.value.code, asking.fired) == ("bad_message", [])


async def test_an_event_has_the_user_who_fired_it() -> None:
    """A reactor can distinguish it from events of minions."""
    asking = Asking(World(), {"@fire": ["tag:my/*"]})
    assert await event(asking.call(tag="my/täg", body={"a": 1})) is True
    assert asking.fired == [("my/täg", {"a": 1, "_user": "ann", "_eauth": "pam", "_via": "websocket_api"})]


@pytest.mark.parametrize(
    ("tag", "code"),
    [
        ("salt/job/x", "forbidden"),
        ("key", "forbidden"),
        ("minion_start", "forbidden"),
        ("websocket_api/gap", "forbidden"),
        ("your/x", "forbidden"),
    ],
)
async def test_reserved_and_foreign_tags_are_refused(tag: str, code: str) -> None:
    """Events that the master acts on cannot be fired; others need ``@fire``."""
    asking = Asking(
        World(), {"@fire": ["tag:my/*", "tag:salt/*", "tag:key", "tag:minion_start", "tag:websocket_api/*"]}
    )
    with pytest.raises(ApiError) as caught:
        await event(asking.call(tag=tag, body={}))
    assert (caught.value.code, asking.fired) == (code, [])


async def test_an_event_cannot_pretend_to_be_from_a_minion() -> None:
    """The master marks events from minions, and has checked their ``id``."""
    asking = Asking(World(), "@fire")
    with pytest.raises(ApiError) as caught:
        await event(asking.call(tag="my/x", body={"cmd": "_minion_event", "id": "db-1", "data": {"alarm": True}}))
    assert (caught.value.code, caught.value.details[0]["path"], asking.fired) == ("bad_message", "/body/cmd", [])
    assert await event(asking.call(tag="my/x", body={"cmd": "restart"})) is True


@pytest.mark.parametrize("name", ["_user", "_eauth", "_via", "__peer_id"])
async def test_an_event_cannot_pretend_to_be_from_another_user(name: str) -> None:
    """Nor from another master of a cluster: clients cannot set these fields."""
    asking = Asking(World(), "@fire")
    with pytest.raises(ApiError) as caught:
        await event(asking.call(tag="my/x", body={name: "root"}))
    assert (caught.value.code, asking.fired) == ("bad_message", [])
