"""Two masters that share a Redis, and minions that listen to both.

They have the same keys, and different addresses with the same ports. With one address and two ports a minion's return
would reach both buses. All processes are started here and stopped by their ids.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil
import yaml

from tests.client import Client
from tests.integration.checked import CheckedClient
from tests.integration.conftest import CHECKOUT, MASTER_GRAINS, SECRET, USERS
from tests.ports import free_port
from tests.support.waiting import wait_until

ADDRESSES = ("127.0.0.1", "127.0.0.2")
START_SECONDS = 120


class Pair:
    """The two masters.

    ``addresses`` are those of the masters, ``checkout`` is the folder whose engine they load.

    :param job_cache: ``salt_cache`` shares it, ``local_cache`` does not
    :param minions: ids of minions
    :param options: further options of each engine
    """

    addresses: Sequence[str] = ADDRESSES
    checkout: Path = CHECKOUT
    client_type: type[Client] = CheckedClient
    _environment: dict[str, str] | None = None
    """That of all processes; None for the present one."""

    def __init__(self, job_cache: str, minions: list[str], **options: Any) -> None:
        self._options = options
        self.root = Path(tempfile.mkdtemp(prefix="wsp-", dir="/tmp" if os.access("/tmp", os.W_OK) else None))
        self.minions = minions
        self.port, self.redis_port = free_port(), free_port()
        self._ports = {"publish_port": free_port(), "ret_port": free_port()}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._clients: list[Client] = []
        files = self.root / "files"
        files.mkdir()
        for name in ("_modules", "websocket_api"):
            (files / name).symlink_to(self.checkout / name)
        for address in self.addresses:
            self._write(f"master-{address}", "master", self._master(address, job_cache, str(files)))
        for minion in minions:
            settings = {"id": minion, "master": self._masters_of(minion), "master_port": self._ports["ret_port"]}
            settings |= {"publish_port": self._ports["publish_port"], "acceptance_wait_time": 1, "log_level": "warning"}
            self._write(f"minion-{minion}", "minion", settings)

    def _master(self, address: str, job_cache: str, files: str) -> dict[str, Any]:
        engine = {"port": self.port, "address": address, "eauth": "sharedsecret", **self._options}
        return {
            "interface": address,
            **self._ports,
            "auto_accept": True,
            "log_level": "warning",
            "log_level_logfile": "info",
            "gather_job_timeout": 3,
            "master_job_cache": job_cache,
            "external_auth": {"sharedsecret": USERS},
            "sharedsecret": SECRET,
            "file_roots": {"base": [files]},
            "enable_ssh_minions": False,
            "engines_dirs": [str(self.checkout / "_engines")],
            "engines": [{"websocket_api": engine}],
            **self._of_master(address),
        }

    def _of_master(self, address: str) -> dict[str, Any]:
        """Return the options of a master that depend on how the two belong together."""
        redis = {"cache": "redis", "cache.redis.host": "127.0.0.1", "cache.redis.port": self.redis_port}
        return {"id": f"master-{address}", **redis}

    def _masters_of(self, minion: str) -> str | list[str]:
        """Return the addresses of a minion's masters."""
        return list(self.addresses)

    def _write(self, name: str, kind: str, settings: dict[str, Any]) -> None:
        folder = self.root / name
        (folder / "etc").mkdir(parents=True)
        (folder / "etc" / kind).write_text(yaml.safe_dump({"root_dir": str(folder), **settings}))

    def _spawn(self, name: str, *command: str) -> None:
        with (self.root / f"{name}.out").open("wb") as out:
            self._processes[name] = subprocess.Popen(
                command, stdout=out, stderr=subprocess.STDOUT, env=self._environment
            )

    def _salt(self, name: str, program: str) -> None:
        script = str(Path(sys.executable).parent / program)
        self._spawn(name, sys.executable, script, "-c", str(self.root / name / "etc"))

    def start(self) -> None:
        """Start everything; return when every minion answers both masters."""
        self._start_masters()
        for minion in self.minions:
            self._salt(f"minion-{minion}", "salt-minion")
        for address in self.addresses:
            wait_until(lambda address=address: self._answers(address), f"all minions at {address}", START_SECONDS, 0.5)

    def start_redis(self) -> None:
        """Start Redis, which keeps nothing on disk."""
        self._spawn("redis", "redis-server", "--port", str(self.redis_port), "--bind", "127.0.0.1", "--save", "")

    def _start_masters(self) -> None:
        self.start_redis()
        first, second = (f"master-{address}" for address in ADDRESSES)
        self._salt(first, "salt-master")
        keys = self.root / first / "etc/salt/pki/master"
        pair = [keys / name for name in ("master.pem", "master.pub")]

        def are_whole() -> bool:
            return all(path.exists() and b"-----END" in path.read_bytes() for path in pair)

        wait_until(are_whole, "the first master's keys", timeout=START_SECONDS)
        other = self.root / second / "etc/salt/pki/master"
        other.mkdir(parents=True)
        for path in pair:
            shutil.copy2(path, other / path.name)
        self._salt(second, "salt-master")

    def _answers(self, address: str) -> bool:
        with contextlib.suppress(Exception), self.client_type(f"ws://{address}:{self.port}/") as client:
            client.login("demo")
            job = client.ask("cmd", fun="test.ping", tgt="*", mode="sync", timeout=5)
            return sum(part["state"] == "returned" for part in job["minions"].values()) == len(self.minions)
        return False

    def sock_dir(self, number: int) -> Path:
        """Return the folder of a master's sockets."""
        return self.root / f"master-{self.addresses[number]}" / "var/run/salt/master"

    def client(self, number: int, token: str | None = None) -> Client:
        """Connect to one of the masters' engines, and log in there."""
        client = CheckedClient(f"ws://{ADDRESSES[number]}:{self.port}/")
        self._clients.append(client)
        if token is None:
            client.login("demo")
        else:
            client.ask("auth", token=token)
        return client

    def kill(self, number: int) -> None:
        """Kill a master and all its processes at once, as when a machine loses its power."""
        popen = self._processes[f"master-{self.addresses[number]}"]
        family = [psutil.Process(popen.pid), *psutil.Process(popen.pid).children(recursive=True)]
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):  # a master has short-lived children
                process.send_signal(signal.SIGSTOP)  # so that no process reacts to the end of another
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        popen.wait(timeout=10)

    def restart(self, number: int) -> None:
        """Start a master that was killed."""
        self._salt(f"master-{self.addresses[number]}", "salt-master")

    def log(self, number: int) -> str:
        """Return a master's log."""
        name = f"master-{ADDRESSES[number]}"
        return (self.root / name / "var/log/salt/master").read_text(errors="replace")

    def close(self) -> None:
        """Stop everything and remove the folder."""
        for client in self._clients:
            with contextlib.suppress(Exception):
                client.close()
        family: list[psutil.Process] = []
        for popen in self._processes.values():
            with contextlib.suppress(psutil.Error):
                family += [psutil.Process(popen.pid), *psutil.Process(popen.pid).children(recursive=True)]
            popen.terminate()
        _, alive = psutil.wait_procs(family, timeout=10)
        for process in alive:
            with contextlib.suppress(psutil.Error):
                process.kill()
        for popen in self._processes.values():
            popen.wait(timeout=10)
        shutil.rmtree(self.root, ignore_errors=True)


class _QuickPair(Pair):
    """The same, which takes less time to start. Benchmarks use masters with Salt's own defaults."""

    def _of_master(self, address: str) -> dict[str, Any]:
        return {**super()._of_master(address), "worker_threads": 3, **MASTER_GRAINS}


@contextlib.contextmanager
def paired(job_cache: str, minions: list[str]) -> Iterator[Pair]:
    """Run two masters."""
    pair = _QuickPair(job_cache, minions)
    try:
        pair.start()
        yield pair
    finally:
        pair.close()
