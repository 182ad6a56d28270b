"""An engine that runs by itself: Salt's real loader, a real port, real logins, but neither a master nor minions."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil

from tests.client import Client, logged_in
from tests.functional.forked_engines import ForkedEngine, fork_engine
from tests.ports import free_port
from tests.support.loops import UVLOOP
from tests.support.processes import ended
from tests.support.reloading import request_reload
from tests.support.waiting import wait_until

CHECKOUT = Path(__file__).resolve().parents[2]
VERSION = (CHECKOUT / "schemas" / "VERSION").read_text().strip()
SECRET = "demo"
USERS: dict[str, list[Any]] = {
    "demo": [".*", "@runner", "@wheel", "@jobs", "@events", "@fire"],
    "viewer": ["test.ping"],
    "nobody": [],
}
RETRY_SECONDS = 0.2  # instead of 30: how soon the engine looks again whether it can run
# All tests share an address: the wrong passwords of one would refuse the logins of the next for a minute.
LIMITS = {"login_failures_per_minute": 10_000, "login_failures_per_address_per_minute": 10_000}
STOP_SECONDS = 60  # for an engine to stop on a loaded machine; Salt itself kills after five


class Engine:
    """One engine: the process that Salt would start, and the serving process below it.

    :param root: a folder with a short name, for everything that Salt writes
    :param options: the engine's options
    :param master: further settings of the master
    :param constants: values of the engine's constants, by ``module.NAME``
    :param wrapper: a command that runs the engine's command, which is added to it
    """

    def __init__(
        self,
        root: Path,
        options: dict[str, Any],
        *,
        master: dict[str, Any] | None = None,
        constants: dict[str, Any] | None = None,
        wrapper: Sequence[str] = (),
    ) -> None:
        self.root = root
        self.files = root / "files"
        self.hide = root / "hide"
        self.log_file = root / "engine.log"
        self.options = {"port": free_port(), "eauth": "sharedsecret", "uvloop": UVLOOP, **options}
        self.options["limits"] = {**LIMITS, **options.get("limits", {})}
        self.port = self.options["port"]
        self._wrapper = wrapper
        self._config = root / "engine.json"
        self._folders: dict[str, Any] = {}
        self._process: subprocess.Popen[bytes] | ForkedEngine | None = None
        self.files.mkdir(parents=True)
        settings = {
            "root_dir": str(root),
            "engines_dirs": [str(CHECKOUT / "_engines")],
            "file_roots": {"base": [str(self.files)]},
            "fileserver_list_cache_time": 0,  # instead of 20 s: what comes late is seen at once
            "external_auth": {"sharedsecret": USERS},
            "sharedsecret": SECRET,
            **(master or {}),
        }
        self._settings = settings
        self.configure()
        given = {
            "master": str(root / "master"),
            "options": self.options,
            "constants": {"startup.RETRY_SECONDS": RETRY_SECONDS, **(constants or {})},
            "hide": str(self.hide),
        }
        self._config.write_text(json.dumps(given), encoding="utf-8")

    def configure(self, **options: Any) -> None:
        """Write the master's configuration, with these options of the engine in addition."""
        engines = [{"websocket_api": {**self.options, **options}}]
        (self.root / "master").write_text(json.dumps({**self._settings, "engines": engines}), encoding="utf-8")

    def reload(self) -> dict[str, Any]:
        """Request a reload as the runner does, and return the answer."""
        return request_reload(self.sock_dir, self.options["port"])

    @property
    def command(self) -> list[str]:
        """The command that runs the engine."""
        return [*self._wrapper, sys.executable, str(Path(__file__).parent / "engine_process.py"), str(self._config)]

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"{'wss' if self.options.get('ssl_crt') else 'ws'}://127.0.0.1:{self.port}/"

    @property
    def log(self) -> str:
        """Everything that was logged so far, by Salt too."""
        return self.log_file.read_text(encoding="utf-8", errors="replace")

    @property
    def complaints(self) -> list[str]:
        """The lines at CRITICAL."""
        return [line for line in self.log.splitlines() if line.startswith("CRITICAL ")]

    @property
    def alive(self) -> bool:
        """Whether the supervisor runs."""
        return self._process is not None and self._process.poll() is None

    def give_schemas(self) -> None:
        """Put the schemas of this checkout on the master's file server."""
        (self.files / "websocket_api").mkdir()
        (self.files / "websocket_api" / "schemas").symlink_to(CHECKOUT / "schemas")

    def start(self) -> None:
        """Start the process and return at once."""
        with self.log_file.open("wb") as log:
            self._process = None if self._wrapper else fork_engine(self._config, self.log_file)
            if self._process is None:
                self._process = subprocess.Popen(self.command, stdout=log, stderr=log, cwd=self.root)

    def wait(self) -> None:
        """Wait until it listens."""
        wait_until(lambda: self.listens or not self.alive, "the engine listening")
        assert self.alive, self.log[-3000:]

    def serve(self) -> str:
        """Start, answer a ping with the release of this checkout, without a line at CRITICAL; return the log."""
        self.start()
        self.wait()
        with self.client("demo") as client:
            assert client.ask("ping")["version"] == VERSION
        assert self.complaints == []
        return self.log

    @property
    def sock_dir(self) -> Path:
        """The folder of the master's sockets, where the engine looks for the bus."""
        return self._folder("sock_dir")

    @property
    def key_dir(self) -> Path:
        """The folder of the master's keys and of its minions'."""
        return self._folder("pki_dir")

    @property
    def cachedir(self) -> Path:
        """The folder of the master's caches."""
        return self._folder("cachedir")

    def _folder(self, option: str) -> Path:
        import salt.config

        if not self._folders:
            self._folders = salt.config.master_config(str(self.root / "master"))
        return Path(self._folders[option])

    def metric(self, name: str) -> float:
        """Return a number of /metrics, or 0 if it is not there (yet)."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=30) as response:
            lines = response.read().decode().splitlines()
        return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"websocket_api_{name} ")), 0)

    def garbage(self) -> int:
        """Return how many objects are garbage that only Python's collector of cycles finds, and free them."""
        counted = "objects in cycles: "
        before = self.log.count(counted)
        os.kill(self.pid, signal.SIGUSR2)
        wait_until(lambda: self.log.count(counted) > before, "the count of what is garbage")
        return int(self.log.rpartition(counted)[2].split()[0])

    @property
    def supervisor_pid(self) -> int:
        """The process that was started."""
        assert self._process is not None
        return self._process.pid

    @property
    def pid(self) -> int:
        """The process that serves, once those that it has replaced have ended."""
        supervisor = psutil.Process(self.supervisor_pid)

        def only() -> list[psutil.Process]:
            children: list[psutil.Process] = supervisor.children()
            return children if len(children) == 1 else []

        return wait_until(only, "one serving process", timeout=90)[0].pid

    def kill(self) -> None:
        """Kill the supervisor, and wait until the kernel has killed the serving process."""
        pid = self.pid
        os.kill(self.supervisor_pid, signal.SIGKILL)
        assert self._process is not None
        self._process.wait()
        wait_until(lambda: ended(pid), "the serving process's end")

    @property
    def listens(self) -> bool:
        """Whether it has said so."""
        return " listens on " in self.log

    def complaint(self) -> str:
        """Wait until it has said what forbids it to run, and return that line."""
        line: str = wait_until(lambda: self.complaints and self.complaints[0], "a line at CRITICAL")
        return line

    def stop(self) -> float:
        """Stop the process as Salt does and return the seconds that it took."""
        if self._process is None:
            return 0.0
        began = time.monotonic()
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        return time.monotonic() - began

    @property
    def is_unused(self) -> bool:
        """Whether the connections of earlier tests have ended: a client's close is a moment before the engine's."""
        return self.metric("connections") == 0

    def client(self, username: str | None = None, path: str = "", **options: Any) -> Client:
        """Connect, and log in if a name is given."""
        return logged_in(Client(self.url + path, **options), username)

    def token(self, username: str = "demo") -> str:
        """Return a new token."""
        with self.client() as client:
            return str(client.login(username)["token"])
