"""Which master of a cluster fired an event.

The masters of a cluster forward each event to one another, and add the sender's id to its data.
"""

from __future__ import annotations

from typing import Any, NamedTuple

PEER = "__peer_id"
"""The field in which Salt names the master that forwarded an event. Events of the own master do not have it."""
MAX_ID = 255
"""Characters of a master's id; a minion could set a longer one in an event that it sends."""


class Origin(NamedTuple):
    """Where an event of another master comes from, if masters share a log: its position there."""

    master: str
    epoch: str
    seq: int


class Origins:
    """Names the master of each event.

    :param own: the id of this master; None if it has no cluster and shares no stream
    :param clustered: whether other masters forward events to it; elsewhere only a minion can name another master
    """

    def __init__(self, own: str | None = None, *, clustered: bool = True) -> None:
        self.own = own
        self.clustered = clustered

    def split(self, data: dict[str, Any]) -> tuple[str | None, dict[str, Any]]:
        """Return the id of the master that fired an event, and its data without it; None if there is only one.

        :param data: the event's data as it was on the bus
        """
        if PEER not in data:
            return self.own, data
        peer = data[PEER]
        rest = {name: value for name, value in data.items() if name != PEER}
        if self.own is None or not self.clustered or not isinstance(peer, str) or not 0 < len(peer) <= MAX_ID:
            return self.own, rest
        return peer, rest
