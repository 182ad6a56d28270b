"""Queue lengths by user: few labels, whatever waits."""

from __future__ import annotations

import pytest

pytest.importorskip("prometheus_client")

from websocket_api.fair_share import ENGINE, FairQueue, Share
from websocket_api.protocols.fleet_metrics import MAX_USERS, longest

pytestmark = [pytest.mark.with_salt]


def test_users_with_most_that_waits_have_labels() -> None:
    """All others are counted together, and so are clients without a login: their addresses cost nothing."""
    queue: FairQueue[int] = FairQueue()
    for number in range(MAX_USERS + 5):
        for thing in range(number + 1):
            queue.put(Share(f"user{number}", "pam"), thing)
    for number in range(1000):
        queue.put(Share.unauthenticated(f"10.0.0.{number}"), 1)
    for thing in range(100):
        queue.put(ENGINE, thing)
    found = dict(longest(queue))
    assert len(found) == MAX_USERS + 1
    assert found[Share("(not logged in)", "")] == 1000
    assert found[Share("(engine)", "")] == 100
    assert found[Share(f"user{MAX_USERS + 4}", "pam")] == MAX_USERS + 5
    assert found[Share("(other users)", "")] == sum(range(1, 8))
    assert sum(found.values()) == len(queue)


def test_a_name_in_two_backends_is_two_users() -> None:
    """As for permissions."""
    queue: FairQueue[int] = FairQueue()
    queue.put(Share("ann", "pam"), 1)
    queue.put(Share("ann", "ldap"), 1)
    assert longest(queue) == [(Share("ann", "pam"), 1), (Share("ann", "ldap"), 1)]
