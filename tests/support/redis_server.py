"""A Redis for one test, on a unix socket."""

from __future__ import annotations

import contextlib
import signal
import subprocess
from pathlib import Path
from typing import Any

import psutil
import redis

from tests.support.waiting import wait_until


class RedisServer:
    """A Redis that keeps nothing on disk, unless its options say so.

    :param folder: with a short path: that of a unix socket has a length limit
    """

    def __init__(self, folder: Path) -> None:
        self.socket = folder / "s"
        self.url = f"unix://{self.socket}"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *options: str) -> None:
        """Start it; return when it answers."""
        command = ["redis-server", "--port", "0", "--unixsocket", str(self.socket), "--dir", str(self._folder)]
        self._process = subprocess.Popen([*command, "--save", "", *options], stdout=subprocess.DEVNULL)
        wait_until(self._answers, "Redis")

    @property
    def client(self) -> Any:
        """A client of this Redis."""
        return redis.Redis(unix_socket_path=str(self.socket))

    @property
    def cpu_seconds(self) -> float:
        """The CPU time that it has taken."""
        assert self._process is not None
        times = psutil.Process(self._process.pid).cpu_times()
        return float(times.user + times.system)

    def hang(self) -> None:
        """Answer nothing until :meth:`go_on`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Answer what came meanwhile."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it at once."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        with contextlib.suppress(redis.exceptions.RedisError):
            return bool(self.client.ping())
        return False
