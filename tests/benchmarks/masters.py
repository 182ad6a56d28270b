"""One master, two that share a Redis ("hot-hot"), or Salt's cluster of two, to be killed and started again."""

from __future__ import annotations

import contextlib
import http.client
import json
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import psutil

from tests.benchmarks.children import Child, with_bytecode
from tests.client import Client
from tests.integration.cluster import Cluster
from tests.integration.conftest import CHECKOUT, SECRET
from tests.integration.pair import ADDRESSES, START_SECONDS, Pair
from tests.ports import free_port
from tests.support.waiting import wait_until

MINIONS = ["n1", "n2"]
STOP_SECONDS = 30
RELOAD_SECONDS = 120
QUICK_MINION = {"random_reauth_delay": 1, "recon_default": 100, "recon_max": 1000}
"""Minions that come back soon."""


class Masters(Pair):
    """The masters, their minions, Redis if they share it, and salt-api with saltnado at each.

    :param history: the engine's option
    :param share: let the engines share one stream
    :param checkout: the folder whose engine they load
    :param saltnado: start salt-api
    """

    names: list[str]
    client_type = Client  # the schemas of another checkout may differ

    def __init__(
        self, *, history: dict[str, Any], share: bool, checkout: Path = CHECKOUT, saltnado: bool = True
    ) -> None:
        self._history = history
        self.share = share
        self.checkout = checkout
        self.saltnado = saltnado
        self.saltnado_port = free_port()
        self._build()

    def _build(self) -> None:
        super().__init__("local_cache", MINIONS)

    def _spawn(self, name: str, *command: str) -> None:
        self._environment = with_bytecode(self.root)
        super()._spawn(name, *command)

    def _of_master(self, address: str) -> dict[str, Any]:
        return {"id": self.names[self.addresses.index(address)], **self._common(address)}

    def _common(self, address: str) -> dict[str, Any]:
        """Return the options that all layouts have."""
        history = dict(self._history)
        if self.share:
            history["share"] = f"redis://127.0.0.1:{self.redis_port}/0"
        engine = {"port": self.port, "address": address, "eauth": "sharedsecret", "history": history}
        if not history:
            del engine["history"]
        return {
            "engines": [{"websocket_api": engine}],
            "runner_dirs": [str(self.checkout / "_runners")],
            "worker_threads": 2,
            "netapi_enable_clients": ["local", "local_async"],
            "rest_tornado": {
                "port": self.saltnado_port, "address": address, "disable_ssl": True, "websockets": True,
            },
        }  # fmt: skip

    def _write(self, name: str, kind: str, settings: dict[str, Any]) -> None:
        super()._write(name, kind, {**settings, **(QUICK_MINION if kind == "minion" else {})})

    def start(self) -> None:
        """Start everything; return when all of it answers."""
        self.marks_folder.mkdir()
        super().start()
        if self.saltnado:
            for number in range(len(self.addresses)):
                self.start_api(number)
            for number in range(len(self.addresses)):
                wait_until(partial(self._api_answers, number), "saltnado", START_SECONDS, 0.5)

    @contextlib.contextmanager
    def running(self, logs: Path | None) -> Iterator[None]:
        """Run everything while the block runs.

        :param logs: the folder to which the logs are copied at the end
        """
        try:
            self.start()
            yield
        finally:
            if logs:
                self.copy_logs(logs)
            self.close()

    # -- what clients need --------------------------------------------------------------------------------------

    @property
    def urls(self) -> list[str]:
        """The addresses of the engines."""
        return [f"ws://{address}:{self.port}" for address in self.addresses]

    def saltnado_urls(self) -> list[str]:
        """Log in to each saltnado, and return the addresses of its stream."""
        return [
            f"ws://{address}:{self.saltnado_port}/all_events/{self._token(number)}"
            for number, address in enumerate(self.addresses)
        ]

    def _token(self, number: int) -> str:
        body = json.dumps({"username": "demo", "password": SECRET, "eauth": "sharedsecret"}).encode()
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        url = f"http://{self.addresses[number]}:{self.saltnado_port}/login"
        with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=60) as answer:
            return str(json.load(answer)["return"][0]["token"])

    def _api_answers(self, number: int) -> bool:
        with contextlib.suppress(OSError, urllib.error.URLError, ValueError):
            return bool(self._token(number))
        return False

    def is_healthy(self, number: int) -> bool:
        """Return whether a master's engine reads its bus."""
        with contextlib.suppress(OSError, http.client.HTTPException):
            urllib.request.urlopen(f"http://{self.addresses[number]}:{self.port}/healthz", timeout=10).close()
            return True
        return False

    def pull(self, number: int) -> str:
        """Return the socket that takes events for a master's bus."""
        return str(self.sock_dir(number) / "master_event_pull.ipc")

    def bus(self, number: int) -> str:
        """Return the socket where a master's bus is read."""
        return str(self.sock_dir(number) / "master_event_pub.ipc")

    @property
    def marks_folder(self) -> Path:
        """Where commands leave a file each time that they run."""
        return self.root / "marks"

    # -- what can be killed -------------------------------------------------------------------------------------

    def start_redis(self) -> None:
        """Start Redis, which keeps its data on disk."""
        folder = self.root / "redis-data"
        folder.mkdir(exist_ok=True)
        command = ["redis-server", "--port", str(self.redis_port), "--bind", "127.0.0.1", "--dir", str(folder)]
        self._spawn("redis", *command, "--appendonly", "yes")

    def start_api(self, number: int) -> None:
        """Start salt-api beside a master."""
        address = self.addresses[number]
        script = str(Path(sys.executable).parent / "salt-api")
        self._spawn(f"api-{address}", sys.executable, script, "-c", str(self.root / f"master-{address}" / "etc"))

    def cache_folder(self, number: int) -> Path:
        """Return a master's ``cachedir``."""
        return self.root / f"master-{self.addresses[number]}" / "var/cache/salt/master"

    def process(self, name: str) -> psutil.Process | None:
        """Return a process that was started by name, such as ``redis``; None if it has ended."""
        popen = self._processes.get(name)
        return psutil.Process(popen.pid) if popen is not None and popen.poll() is None else None

    def master(self, number: int) -> psutil.Process | None:
        """Return a master's main process."""
        return self.process(f"master-{self.addresses[number]}")

    def engine(self, number: int) -> list[psutil.Process]:
        """Return the engine's processes, the supervisor first; the last one serves. Empty if none listens."""
        master, found = self.master(number), []
        address = (self.addresses[number], self.port)
        for process in children(master):
            with contextlib.suppress(psutil.Error):
                if any(
                    it.status == psutil.CONN_LISTEN and it.laddr == address for it in process.net_connections("inet")
                ):
                    found.append(process)
        parents = {process.pid for process in found}
        return sorted(found, key=lambda process: process.ppid() in parents)

    def publisher(self, number: int) -> psutil.Process | None:
        """Return the process that publishes all events of a master."""
        for process in children(self.master(number)):
            with contextlib.suppress(psutil.Error):
                if any(it.laddr == self.pull(number) for it in process.net_connections("unix")):
                    return process
        return None

    def kill_process(self, name: str) -> None:
        """Kill a process with all below it, and wait for its end."""
        process = self.process(name)
        if process is None:
            return
        family = [process, *children(process)]
        for sent in (signal.SIGSTOP, signal.SIGKILL):  # stopped first, so that none reacts to the end of another
            for one in family:
                with contextlib.suppress(psutil.Error):
                    one.send_signal(sent)
        self._processes[name].wait(timeout=10)
        psutil.wait_procs(family, timeout=10)

    def terminate(self, number: int) -> None:
        """Stop a master as systemd does: SIGTERM, then SIGKILL for what is left."""
        name = f"master-{self.addresses[number]}"
        process = self.process(name)
        if process is None:
            return
        family = [process, *children(process)]
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._processes[name].wait(timeout=STOP_SECONDS)
        for one in psutil.wait_procs(family, timeout=1)[1]:
            with contextlib.suppress(psutil.Error):
                one.kill()

    def reload(self, number: int) -> bool:
        """Run ``salt-run websocket_api.reload``; return whether it succeeded."""
        script = str(Path(sys.executable).parent / "salt-run")
        config = str(self.root / f"master-{self.addresses[number]}" / "etc")
        command = [sys.executable, script, "-c", config, "websocket_api.reload"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=RELOAD_SECONDS, check=False)
        return done.returncode == 0

    def copy_logs(self, folder: Path) -> None:
        """Copy what all processes have logged."""
        folder.mkdir(parents=True, exist_ok=True)
        for path in self.root.glob("master-*/var/log/salt/master"):
            shutil.copy(path, folder / f"{path.parents[3].name}.log")
        for path in self.root.glob("*.out"):
            shutil.copy(path, folder)

    def close(self) -> None:
        """Stop everything, also what is stopped by a signal."""
        for name in list(self._processes):
            process = self.process(name)
            for one in [process, *children(process)] if process else []:
                with contextlib.suppress(psutil.Error):
                    one.resume()
        super().close()


class One(Masters):
    """One master."""

    addresses = ADDRESSES[:1]
    names = ["m1"]  # noqa: RUF012 - never changed

    def _start_masters(self) -> None:
        self._salt(f"master-{self.addresses[0]}", "salt-master")


class HotHot(Masters):
    """Two masters with the same keys and minions."""

    names = ["m1", "m2"]  # noqa: RUF012 - never changed


class Clustered(Masters, Cluster):
    """Salt's cluster of two masters, with a minion at each."""

    names = list(ADDRESSES)  # noqa: RUF012 - never changed

    def _build(self) -> None:
        Cluster.__init__(self)

    def _of_master(self, address: str) -> dict[str, Any]:
        return {**Cluster._of_master(self, address), **self._common(address)}

    def _start_masters(self) -> None:
        if self.share:
            self.start_redis()
        super()._start_masters()


LAYOUTS: dict[str, type[Masters]] = {"one": One, "hot-hot": HotHot, "cluster": Clustered}


def start_senders(masters: Masters, rate: float, stack: contextlib.AsyncExitStack) -> dict[str, Child]:
    """Start a sender at each master, which waits for a word.

    :param rate: events/s of all masters together
    """
    each = rate / len(masters.names)
    return {
        name: stack.enter_context(Child("steady_sender", socket=masters.pull(number), source=name, rate=each))
        for number, name in enumerate(masters.names)
    }


def children(process: psutil.Process | None) -> list[psutil.Process]:
    """Return all processes below one."""
    with contextlib.suppress(psutil.Error):
        return process.children(recursive=True) if process is not None else []
    return []
