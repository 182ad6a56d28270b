"""Masters for tests that harm theirs, or need one with other settings than the shared one has."""

from __future__ import annotations

import contextlib
import http.client
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from tests.client import Client, Closed, Refused
from tests.integration.conftest import CHECKOUT, START_TIMEOUT, free_port, is_open, master_config, wait_until


class Stage:
    """A master of its own, with the engine and at most one minion."""

    def __init__(self, master: Any, port: int) -> None:
        self.master = master
        self.port = port
        self.url = f"ws://127.0.0.1:{port}/"

    def _children(self, name: str) -> list[psutil.Process]:
        found = []
        for process in psutil.Process(self.master.pid).children(recursive=True):
            # A child that just died has no command line any more.
            with contextlib.suppress(psutil.Error):
                if name in " ".join(process.cmdline()):
                    found.append(process)
        return found

    @property
    def engine(self) -> psutil.Process:
        """The engine's process: the one that listens."""
        return next(
            process
            for process in psutil.Process(self.master.pid).children(recursive=True)
            if any(one.laddr.port == self.port and one.status == "LISTEN" for one in process.net_connections("tcp"))
        )

    @property
    def workers(self) -> list[psutil.Process]:
        """The processes that answer the master's requests."""
        return self._children("MWorker")

    @property
    def publisher(self) -> psutil.Process:
        """The process that every event of the master goes through."""
        return self._children("EventPublisher")[0]

    @property
    def health(self) -> int:
        """The status of /healthz."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        with contextlib.closing(connection):
            connection.request("GET", "/healthz")
            return connection.getresponse().status

    @property
    def log(self) -> str:
        """The master's log."""
        return Path(self.master.config["log_file"]).read_text(encoding="utf-8", errors="replace")

    def client(self, username: str | None = "demo") -> Client:
        """Connect and log in."""
        client = Client(self.url)
        if username is not None:
            client.login(username)
        return client

    def comes_back(self, seconds: float) -> float:
        """Wait until a client can connect and log in; return how long it took."""
        began = time.monotonic()

        def connects() -> bool:
            with contextlib.suppress(OSError, Closed, Refused), self.client():
                return True
            return False

        wait_until(connects, "a login", timeout=seconds)
        return time.monotonic() - began


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
    """Run a master, and a minion that it knows.

    :param user: who Stage.client logs in
    :param config: further settings of the master
    :param options: the engine's
    """
    port = free_port()
    overrides = master_config(file_root, port, **options)
    overrides |= {"engines_dirs": [str(CHECKOUT / "_engines")], **(config or {})}
    master = salt_factories.salt_master_daemon(name, overrides=overrides)
    with contextlib.ExitStack() as stack:
        stack.enter_context(master.started(start_timeout=START_TIMEOUT))
        stage = Stage(master, port)
        stack.callback(lambda: [process.resume() for process in stage.workers if master.is_running()])
        if minion:
            daemon = master.salt_minion_daemon(f"{name}-minion", overrides={"log_level_logfile": "info"})
            stack.enter_context(daemon.started(start_timeout=START_TIMEOUT))
        wait_until(lambda: is_open(port), "the engine listening")
        yield stage
