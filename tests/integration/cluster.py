"""A cluster of two masters as Salt makes it, with a minion at each.

The masters have isolated directories, a common secret, and different addresses with the same ports; the ``id`` of each
is its address, as Salt's cluster needs it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from tests.integration.pair import ADDRESSES, START_SECONDS, Pair
from tests.ports import free_port
from tests.support.waiting import is_open, wait_until

MINIONS = {"m1": ADDRESSES[0], "m2": ADDRESSES[1]}
"""The address of each minion's master."""


class Cluster(Pair):
    """Two masters with one ``cluster_id``.

    :param options: further options of each engine
    """

    def __init__(self, **options: Any) -> None:
        self._pool_port = free_port()
        super().__init__("local_cache", list(MINIONS), **options)

    def _of_master(self, address: str) -> dict[str, Any]:
        return {
            "id": address,
            "cluster_id": "tests",
            "cluster_peers": [one for one in ADDRESSES if one != address],
            "cluster_pool_port": self._pool_port,
            "cluster_secret": "of the tests",
            "cluster_isolated_filesystem": True,
            "presence_events": True,
            "loop_interval": 2,
        }

    def _masters_of(self, minion: str) -> str | list[str]:
        return MINIONS[minion]

    def _start_masters(self) -> None:
        for address in ADDRESSES:
            self._salt(f"master-{address}", "salt-master")
            # Two that look for each other at the same time can miss each other's keys, and never have a quorum.
            wait_until(
                lambda address=address: is_open(self._pool_port, address), f"the pool of {address}", START_SECONDS
            )
        for address in ADDRESSES:
            self.wait_ready(address)

    def wait_ready(self, address: str) -> None:
        """Wait until a master has its quorum: a minion that comes earlier gives up."""
        ready = self.root / f"master-{address}" / "var/cache/salt/master/health/ready"
        wait_until(ready.exists, f"the quorum of {address}", timeout=START_SECONDS)


@contextlib.contextmanager
def clustered(**options: Any) -> Iterator[Cluster]:
    """Run a cluster of two masters."""
    cluster = Cluster(**options)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.close()
