"""Ports for the servers of tests.

They are of a range that Linux takes none from by itself. A server that is started again wants its port again: of the
usual range (``net.ipv4.ip_local_port_range``) any connection that is made meanwhile may have taken it.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import socket

FIRST, END = map(int, os.environ.get("TEST_PORTS", "20000-32000").split("-"))
"""The range; ``make test`` has two runs at the same time."""


def _candidates() -> itertools.cycle[int]:
    """All ports of this process: those who run tests beside it (pytest-xdist) have others."""
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    size = (END - FIRST) // workers
    ports = range(FIRST + worker * size, FIRST + (worker + 1) * size)
    # Two runs at once are not likely to begin at the same place.
    start = random.randrange(size)
    return itertools.cycle([*ports[start:], *ports[:start]])


_ports = _candidates()


def free_port(use_cache: bool = False) -> int:
    """Return a port that nobody listens on now, and that is not returned soon again.

    :param use_cache: as pytest-salt-factories asks for ports that it has not had; here all are
    """
    for port in _ports:
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("", port))
            return port
    raise AssertionError("a cycle has no end")
