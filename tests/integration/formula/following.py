"""Numbered events on a host's master, and a client that follows them."""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Iterator

import salt.config
import salt.utils.event
from salt_live import Client, Event, Gap

from tests.integration.formula.host import Host
from tests.support.waiting import wait_until

PACE_SECONDS = 0.02  # between two events
TAG = "numbered/"


class Follower:
    """A client in a thread of its own."""

    def __init__(self, host: Host) -> None:
        self.numbers: list[int] = []
        self.gaps: list[Gap] = []
        self._client = Client(host.url, username="demo", password="demo", insecure=True)
        self._events = self._client.events(TAG)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        for item in self._events:
            if isinstance(item, Event):
                self.numbers.append(item.data["n"])
            else:
                self.gaps.append(item)

    def close(self) -> None:
        """End the subscription and the thread."""
        self._events.close()
        self._thread.join(60)
        self._client.close()


def _fire(host: Host, end: threading.Event, fired: list[int]) -> None:
    opts = salt.config.master_config(str(host.config / "master"))
    with salt.utils.event.get_event("master", sock_dir=opts["sock_dir"], opts=opts, listen=False) as bus:
        for number in itertools.count():
            bus.fire_event({"n": number}, f"{TAG}{number}")
            fired.append(number)
            if end.wait(PACE_SECONDS):
                return


@contextlib.contextmanager
def followed(host: Host) -> Iterator[Follower]:
    """Fire numbered events below a client that follows them; fail unless it gets each of them once, without a gap."""
    follower = Follower(host)
    end, fired = threading.Event(), list[int]()
    source = threading.Thread(target=_fire, args=(host, end, fired))
    try:
        source.start()
        try:
            wait_until(lambda: follower.numbers, "the first event")
            yield follower
        finally:
            end.set()
            source.join()
        wait_until(lambda: follower.numbers[-1] == fired[-1], "the last event")
        assert follower.numbers == fired
        assert follower.gaps == []
    finally:
        follower.close()
