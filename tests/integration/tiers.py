"""A master of masters: a master with the engine and one minion, and below it a master with a syndic and two minions.

All processes are started here and ended by their ids. Waiting times are short: a syndic answers within a second. The
masters have different addresses with the same ports: a syndic uses its own master's ``publish_port`` for the upper one.

The level below runs Salt 3007 on both lines: the syndic of Salt 3008.3 does not work (docs/salt-notes.md), and upper
masters are upgraded first.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import yaml

from tests.client import Client
from tests.integration.checked import CheckedClient
from tests.integration.conftest import CHECKOUT, CLIENTS, FILES, MASTER_GRAINS, SECRET
from tests.ports import free_port
from tests.support.loops import UVLOOP
from tests.support.waiting import wait_until

TOP, LOW = "top", "low"
ADDRESSES = {TOP: "127.0.0.1", LOW: "127.0.0.2"}
DIRECT, BELOW = "near", ("m1", "m2")
USERS: dict[str, list[Any]] = {
    "demo": [".*", "@runner", "@wheel", "@jobs", "@events", "@fire"],
    **{
        name: [entry, {"@events": ["tag:end/*"]}]
        for name, entry in {
            "pinger": "test.ping",
            "one": {"m1": ["test.*"]},
            "near": {"near": ["test.*"]},
            "grain": {"G@id:m1": ["test.*"]},
            "nobody": "sys.doc",
        }.items()
    },
}
START_SECONDS = 150
GATHER_SECONDS, SYNDIC_SECONDS = 3, 2
PYTHON = Path(sys.executable)
PYTHON_BELOW = CHECKOUT / ".venv-3007/bin/python"


class Tiers:
    """Both masters, their minions, and the syndic."""

    def __init__(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="wst-", dir="/tmp" if os.access("/tmp", os.W_OK) else None))
        self.port = free_port()
        self.url = f"ws://127.0.0.1:{self.port}/"
        self._ports = {"publish_port": free_port(), "ret_port": free_port()}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._clients: list[Client] = []
        files = self.root / "files"
        files.mkdir()
        for name in ("_modules", "websocket_api"):
            (files / name).symlink_to(CHECKOUT / name)
        roots = {"file_roots": {"base": [str(files), str(FILES)]}}
        self.config = self._master(TOP) | roots | self._engine()
        self._write(TOP, "master", self.config)
        self._write(LOW, "master", self._master(LOW) | roots | {"syndic_master": ADDRESSES[TOP]})
        # The syndic has its id and keys from a minion configuration in the same folder.
        self._write(LOW, "minion", {"id": LOW, "log_level": "warning"})
        ports = {"master_port": self._ports["ret_port"], "publish_port": self._ports["publish_port"]}
        for name, master in {DIRECT: TOP, **dict.fromkeys(BELOW, LOW)}.items():
            settings = {"id": name, "master": ADDRESSES[master], **ports, "acceptance_wait_time": 1}
            self._write(name, "minion", {**settings, "log_level": "warning"})

    def _master(self, name: str) -> dict[str, Any]:
        return {
            "id": f"{name}-master",
            "interface": ADDRESSES[name],
            **self._ports,
            "worker_threads": 3,
            **MASTER_GRAINS,
            "auto_accept": True,
            "log_level": "warning",
            "log_level_logfile": "info",
            "gather_job_timeout": GATHER_SECONDS,
            "syndic_wait": SYNDIC_SECONDS,
            "syndic_master_port": self._ports["ret_port"],
            "presence_events": True,
            "loop_interval": 5,
            "enable_ssh_minions": False,
        }

    def _engine(self) -> dict[str, Any]:
        return {
            "order_masters": True,
            "external_auth": {"sharedsecret": USERS},
            "sharedsecret": SECRET,
            "netapi_enable_clients": list(CLIENTS),
            "engines_dirs": [str(CHECKOUT / "_engines")],
            "engines": [{"websocket_api": {"port": self.port, "eauth": "sharedsecret", "uvloop": UVLOOP}}],
        }

    def _write(self, name: str, kind: str, settings: dict[str, Any]) -> None:
        folder = self.root / name
        (folder / "etc").mkdir(parents=True, exist_ok=True)
        (folder / "etc" / kind).write_text(yaml.safe_dump({"root_dir": str(folder), **settings}))

    def _spawn(self, name: str, program: str, folder: str) -> None:
        python = PYTHON if name in (TOP, DIRECT) else PYTHON_BELOW
        command = [str(python), str(python.parent / program), "-c", str(self.root / folder / "etc")]
        with (self.root / f"{name}.out").open("wb") as out:
            self._processes[name] = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)

    def start(self) -> None:
        """Start all; return when every minion answers to the engine at the top."""
        for name in (TOP, LOW):
            self._spawn(name, "salt-master", name)
        for name in (DIRECT, *BELOW):
            self._spawn(name, "salt-minion", name)
        self._spawn("syndic", "salt-syndic", LOW)
        self._wait_for_login()
        wait_until(self._all_answer, "an answer of all minions through the syndic", START_SECONDS, 0.5)

    def _all_answer(self) -> bool:
        with contextlib.suppress(Exception):
            job = self.client().ask("cmd", fun="test.ping", tgt="*", mode="sync", timeout=20, patience=60)
            return {name for name, part in job["minions"].items() if part["state"] == "returned"} >= {DIRECT, *BELOW}
        return False

    def salt(self, *arguments: str) -> str:
        """Run Salt's own command line at the top; return what it prints."""
        command = [str(PYTHON), str(PYTHON.parent / "salt"), "-c", str(self.root / TOP / "etc"), *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False).stdout

    def client(self, username: str = "demo") -> Client:
        """Connect to the engine, and log in."""
        client = CheckedClient(self.url)
        self._clients.append(client)
        client.login(username)
        return client

    def restart_top(self) -> None:
        """Stop the upper master, and start it again."""
        self._end([self._processes.pop(TOP)])
        self._spawn(TOP, "salt-master", TOP)
        self._wait_for_login()

    def _wait_for_login(self) -> None:
        def logs_in() -> bool:
            with contextlib.suppress(Exception):
                self.client()
                return True
            return False

        wait_until(logs_in, "a login at the engine", START_SECONDS, 0.5)

    @property
    def sock_dir(self) -> Path:
        """The folder of the upper master's sockets."""
        return self.root / TOP / "var/run/salt/master"

    def log(self, name: str = TOP) -> str:
        """Return a master's log."""
        return (self.root / name / "var/log/salt/master").read_text(errors="replace")

    def close(self) -> None:
        """End everything and remove the folder."""
        for client in self._clients:
            with contextlib.suppress(Exception):
                client.close()
        self._end(list(self._processes.values()))
        if not os.environ.get("KEEP_TIERS"):
            shutil.rmtree(self.root, ignore_errors=True)

    @staticmethod
    def _end(processes: list[subprocess.Popen[bytes]]) -> None:
        family: list[psutil.Process] = []
        for popen in processes:
            with contextlib.suppress(psutil.Error):
                family += [psutil.Process(popen.pid), *psutil.Process(popen.pid).children(recursive=True)]
            popen.terminate()
        _, alive = psutil.wait_procs(family, timeout=10)
        for process in alive:
            with contextlib.suppress(psutil.Error):
                process.kill()
        for popen in processes:
            popen.wait(timeout=10)


@contextlib.contextmanager
def tiered() -> Iterator[Tiers]:
    """Run two levels of masters."""
    tiers = Tiers()
    try:
        tiers.start()
        yield tiers
    finally:
        tiers.close()
