"""Masters for tests that damage theirs or need other settings than the shared one."""

from __future__ import annotations

import contextlib
import http.client
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from tests.client import Client, Closed, Refused, logged_in
from tests.integration.conftest import CHECKOUT, MINION_OPTIONS, master_config, running
from tests.ports import free_port
from tests.support.reloading import request_reload
from tests.support.waiting import is_open, wait_until


def _listens(connection: Any, address: int | str) -> bool:
    if isinstance(address, str):
        return bool(connection.laddr == address)
    return connection.status == psutil.CONN_LISTEN and connection.laddr.port == address


class Stage:
    """A master of its own, with the engine and at most one minion."""

    def __init__(self, master: Any, port: int) -> None:
        self.master = master
        self.port = port
        self.url = f"ws://127.0.0.1:{port}/"

    def _listeners(self, kind: str, address: int | str) -> list[psutil.Process]:
        """The processes of this master that listen there, parents first.

        Not found by its title: that has only the room the command line and the environment had, and may be cut off.
        """
        found = []
        for process in psutil.Process(self.master.pid).children(recursive=True):
            # A child that just died has no connections any more.
            with contextlib.suppress(psutil.Error):
                if any(_listens(connection, address) for connection in process.net_connections(kind)):
                    found.append(process)
        if not found:
            raise LookupError(f"no process of the master listens on {address}")
        return found

    def _listener(self, kind: str, address: int | str) -> psutil.Process:
        return self._listeners(kind, address)[0]

    @property
    def engine(self) -> psutil.Process:
        """The serving process: it listens, and its child does not. Its supervisor has a copy of the sockets."""
        found = self._listeners("tcp", self.port)
        parents = {process.ppid() for process in found}
        return next(process for process in found if process.pid not in parents)

    @property
    def workers(self) -> list[psutil.Process]:
        """The processes that answer requests; the one that receives them is left out."""
        queue = self._listener("tcp", self.master.config["ret_port"])
        return [process for process in queue.parent().children() if process != queue]

    @property
    def publisher(self) -> psutil.Process:
        """The process that publishes every event of the master."""
        return self._listener("unix", str(Path(self.master.config["sock_dir"]) / "master_event_pull.ipc"))

    @property
    def health(self) -> int:
        """The status of /healthz."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        with contextlib.closing(connection):
            connection.request("GET", "/healthz")
            return connection.getresponse().status

    @property
    def log(self) -> str:
        """The master's log."""
        return Path(self.master.config["log_file"]).read_text(encoding="utf-8", errors="replace")

    def reload(self) -> dict[str, Any]:
        """Request a reload as the runner does, and return the answer."""
        return request_reload(Path(self.master.config["sock_dir"]), self.port)

    def client(self, username: str | None = "demo") -> Client:
        """Connect and log in."""
        return logged_in(Client(self.url), username)

    def comes_back(self, seconds: float) -> float:
        """Wait until a client can connect and log in; return how long it took."""
        began = time.monotonic()

        def connects() -> bool:
            with contextlib.suppress(OSError, Closed, Refused), self.client():
                return True
            return False

        wait_until(connects, "a login", timeout=seconds)
        return time.monotonic() - began


def ended_batch(client: Client, number: int) -> Any:
    """Wait for the end of a batch; return it with its requests."""

    def ended() -> Any:
        batch = client.ask("get_batch", batch=number, collection=True)
        return batch if batch["finished_at"] else None

    return wait_until(ended, "the end of the batch", timeout=60, every=0.3)


@contextlib.contextmanager
def staged(
    salt_factories: Any,
    file_root: Path,
    name: str,
    *,
    minion: bool,
    user: str = "demo",
    config: dict[str, Any] | None = None,
    **options: Any,
) -> Iterator[Stage]:
    """Run a master and a minion with an accepted key.

    :param user: who Stage.client logs in
    :param config: further settings of the master
    :param options: the engine's
    """
    port = free_port()
    overrides = master_config(file_root, port, **options)
    overrides |= {"engines_dirs": [str(CHECKOUT / "_engines")], **(config or {})}
    master = salt_factories.salt_master_daemon(name, overrides=overrides)
    with contextlib.ExitStack() as stack:
        stack.enter_context(running(master))
        stage = Stage(master, port)
        if minion:
            daemon = master.salt_minion_daemon(f"{name}-minion", overrides=MINION_OPTIONS)
            stack.enter_context(running(daemon))
        wait_until(lambda: is_open(port), "the engine listening")
        yield stage
