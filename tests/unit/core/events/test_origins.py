"""Which master of a cluster fired an event."""

from __future__ import annotations

from typing import Any

import pytest
from websocket_api.core.events.event import make
from websocket_api.core.events.origins import MAX_ID, Origins

OWN, PEER = "10.0.0.1", "10.0.0.2"


@pytest.mark.parametrize(
    ("own", "data", "found"),
    [
        (None, {"free": 17}, (None, {"free": 17})),
        (OWN, {"free": 17}, (OWN, {"free": 17})),
        (OWN, {"free": 17, "__peer_id": PEER}, (PEER, {"free": 17})),
        # What follows is no cluster's work: a minion can set the field in an event that it sends.
        (None, {"free": 17, "__peer_id": PEER}, (None, {"free": 17})),
        (OWN, {"__peer_id": ""}, (OWN, {})),
        (OWN, {"__peer_id": ["x"]}, (OWN, {})),
        (OWN, {"__peer_id": "x" * (MAX_ID + 1)}, (OWN, {})),
        (OWN, {"data": {"__peer_id": PEER}}, (OWN, {"data": {"__peer_id": PEER}})),
    ],
)
def test_the_peer_leaves_the_data(own: str | None, data: dict[str, Any], found: tuple[str | None, Any]) -> None:
    """It is the event's master, if this master is in a cluster; the bus's own data are not changed."""
    before = dict(data)
    assert Origins(own).split(data) == found
    assert data == before


def test_only_a_cluster_names_other_masters() -> None:
    """Masters that only share a stream forward nothing: a minion has set the field."""
    assert Origins(OWN, clustered=False).split({"free": 17, "__peer_id": PEER}) == (OWN, {"free": 17})


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("master", [None, PEER])
def test_an_event_has_its_master_beside_its_data(wrapped: bool, master: str | None) -> None:
    """Only in a cluster, and for events of minions too."""
    data = {"cmd": "_minion_event", "id": "web1", "data": {"free": 17}} if wrapped else {"free": 17}
    event, _ = make(7, "myco/disk", data, 0.0, master)
    expected = {"seq": 7, "tag": "myco/disk", "data": {"free": 17}}
    expected |= {"minion": "web1"} if wrapped else {}
    assert event.decoded() == expected | ({"master": master} if master else {})
