"""Two engines that share a stream over a real Redis, without masters and minions."""

from __future__ import annotations

import contextlib
import json
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

from tests.functional.running import Engine
from tests.support.buses import Publisher, stamp
from tests.support.redis_server import RedisServer
from tests.support.waiting import wait_until

NAMES = ("m1", "m2")
SECONDS = 60


class Masters:
    """Two engines, their buses, and the Redis between them.

    :param options: of both engines
    :param settings: of both masters
    """

    def __init__(
        self,
        make_engine: Callable[..., Engine],
        server: RedisServer,
        options: dict[str, Any] | None = None,
        **settings: Any,
    ) -> None:
        given = {"history": {"share": server.url}, **(options or {})}
        self.engines = {name: make_engine(given, master={"id": name, **settings}) for name in NAMES}
        self.buses: dict[str, Publisher] = {}

    def start(self) -> None:
        """Start both; return when each knows the other."""
        for name, engine in self.engines.items():
            self.buses[name] = Publisher(engine.sock_dir)
            engine.start()
        for name, engine in self.engines.items():
            engine.wait()
            wait_until(lambda name=name: self.health(name)["status"] == "ok", f"the engine of {name}", SECONDS)
            wait_until(lambda engine=engine: "master_up{" in metrics(engine), f"the other master at {name}", SECONDS)

    def accept(self, name: str, *minions: str) -> None:
        """Give a master the keys of minions; call this before the start."""
        keys = self.engines[name].key_dir / "minions"
        keys.mkdir(parents=True, exist_ok=True)
        for minion in minions:
            (keys / minion).write_text("a key that nobody looks at\n", encoding="utf-8")

    def announce(self, name: str, jid: str, *minions: str, **fields: Any) -> None:
        """Put the announcement of a job on the bus of a master."""
        new = {"fun": "test.ping", "tgt": "*", "tgt_type": "glob", "user": "root", "arg": [], "jid": jid}
        self.buses[name].send((f"salt/job/{jid}/new", {**new, "minions": minions, "_stamp": stamp(jid), **fields}))

    def fire(self, name: str, *tags: str) -> None:
        """Put events on the bus of a master."""
        self.buses[name].send(*((tag, {}) for tag in tags))

    def health(self, name: str) -> dict[str, Any]:
        """Return what /healthz of an engine reports."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.engines[name].port}/healthz", headers={"Accept": "application/json"}
        )
        with contextlib.suppress(OSError), urllib.request.urlopen(request, timeout=30) as answer:
            found: dict[str, Any] = json.loads(answer.read())
            return found
        return {"status": "down", "parts": {}}


def metrics(engine: Engine) -> str:
    """Return the text of /metrics."""
    with urllib.request.urlopen(f"http://127.0.0.1:{engine.port}/metrics", timeout=30) as answer:
        return str(answer.read().decode())


@contextlib.contextmanager
def running(masters: Masters) -> Iterator[Masters]:
    """Start both engines."""
    try:
        masters.start()
        yield masters
    finally:
        for bus in masters.buses.values():
            bus.close()
