"""A temporary Salt master with this engine, saltnado and minions, for benchmarks.

All files are in one temporary folder with a short path (paths of unix sockets have a length limit). All processes
listen on free ports of 127.0.0.1, and are stopped by their ids. Nothing needs pytest: benchmarks are plain scripts.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import yaml

from tests.benchmarks.children import with_bytecode
from tests.ports import free_port
from tests.support.loops import UVLOOP
from tests.support.waiting import is_open, wait_until

CHECKOUT = Path(__file__).resolve().parents[2]
SECRET = "demo"
USER = "demo"
# An accepted minion that never runs: its jobs cost the master as much as others, and this machine nothing else.
AWAY = "away"

# Maximum seconds for the start of each process. A loaded two-core machine needs about 15 for a master.
START_TIMEOUT = 90


@dataclass
class Stage:
    """A running master; use it as a context manager.

    :param minions: number of real minions to start, in addition to the accepted one that never runs
    :param engine: load the engine from this checkout
    :param saltnado: start salt-api with rest_tornado on the same master
    :param cherrypy: also start rest_cherrypy in salt-api
    :param options: further options of the engine
    :param master_opts: further options of the master, which override those of the stage
    """

    minions: int = 1
    engine: bool = True
    saltnado: bool = True
    cherrypy: bool = False
    options: dict[str, Any] = field(default_factory=dict)
    master_opts: dict[str, Any] = field(default_factory=dict)
    keys: int = 0
    """Number of further accepted minions that never run; :attr:`accepted` has their names."""

    def __post_init__(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="wsb-"))
        self.port = free_port()
        self.saltnado_port = free_port()
        self.cherrypy_port = free_port()
        self.minion_ids = [f"minion-{number}" for number in range(1, self.minions + 1)]
        self.started: dict[str, float] = {}
        self._processes: list[subprocess.Popen[bytes]] = []

    # -- configuration ------------------------------------------------------------------------------------------

    @property
    def accepted(self) -> list[str]:
        return [f"m{number:05}" for number in range(self.keys)]

    @property
    def config_dir(self) -> Path:
        return self.root / "etc"

    def _write_config(self) -> None:
        files = self.root / "files"
        files.mkdir()
        # The file server walks its roots: give it these folders, not a checkout with its virtual environments.
        for name in ("_engines", "_modules", "_runners", "websocket_api"):
            if (CHECKOUT / name).exists():
                (files / name).symlink_to(CHECKOUT / name)
        publish_port, ret_port = free_port(), free_port()
        master = {
            "id": "bench_master",
            "interface": "127.0.0.1",
            "publish_port": publish_port,
            "ret_port": ret_port,
            "root_dir": str(self.root),
            "auto_accept": True,
            "log_level": "warning",
            "log_level_logfile": "warning",
            "file_roots": {"base": [str(files)]},
            "enable_ssh_minions": False,
            "external_auth": {"sharedsecret": {USER: [".*", "@runner", "@wheel", "@jobs", "@events", "@fire"]}},
            "sharedsecret": SECRET,
            "netapi_enable_clients": ["local", "local_async", "runner", "runner_async", "wheel"],
            **self._salt_api_config(),
            **self.master_opts,
        }
        if self.engine:
            options = {"port": self.port, "eauth": "sharedsecret", "uvloop": UVLOOP, **self.options}
            master["engines_dirs"] = [str(CHECKOUT / "_engines")]
            master["engines"] = [{"websocket_api": options}]
        minion = {"master": "127.0.0.1", "master_port": ret_port, "publish_port": publish_port, "log_level": "warning"}
        self.config_dir.mkdir()
        (self.config_dir / "master").write_text(yaml.safe_dump(master))
        for minion_id in self.minion_ids:
            folder = self.root / "m" / minion_id
            (folder / "etc").mkdir(parents=True)
            (folder / "etc" / "minion").write_text(yaml.safe_dump({**minion, "id": minion_id, "root_dir": str(folder)}))

    def _salt_api_config(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if self.saltnado:
            found["rest_tornado"] = {"port": self.saltnado_port, "address": "127.0.0.1", "websockets": True}
        if self.cherrypy:
            found["rest_cherrypy"] = {"port": self.cherrypy_port, "host": "127.0.0.1"}
        return {name: {**options, "disable_ssl": True} for name, options in found.items()}

    def _accept_the_one_that_is_away(self) -> None:
        keys = self.root / "keys"
        keys.mkdir()
        self.salt("salt-key", "--gen-keys", AWAY, "--gen-keys-dir", str(keys))
        accepted = self.root / "etc" / "salt" / "pki" / "master" / "minions"
        accepted.mkdir(parents=True, exist_ok=True)
        for name in (AWAY, *self.accepted):
            shutil.copy(keys / f"{AWAY}.pub", accepted / name)

    # -- processes ----------------------------------------------------------------------------------------------

    def script(self, name: str) -> str:
        return str(Path(sys.executable).parent / name)

    def salt(self, name: str, *args: str) -> str:
        """Run one of Salt's command line tools and return its output."""
        command = [sys.executable, self.script(name), "-c", str(self.config_dir), *args]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout

    def _spawn(self, name: str, config_dir: Path) -> subprocess.Popen[bytes]:
        log = (self.root / f"{name}-{len(self._processes)}.log").open("wb")
        command = [sys.executable, self.script(name), "-c", str(config_dir)]
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=with_bytecode(self.root))
        log.close()
        self._processes.append(process)
        return process

    def __enter__(self) -> Stage:
        try:
            self._start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _start(self) -> None:
        self._write_config()
        self._accept_the_one_that_is_away()
        began = time.time()
        self.master = self._spawn("salt-master", self.config_dir)
        if self.engine:
            opened = self._watch_port(self.port, "the engine's port")
            self.started["master to listening"] = opened - began
            self.started["engine process to listening"] = opened - self.engine_process().create_time()
        for minion_id in self.minion_ids:
            self._spawn("salt-minion", self.root / "m" / minion_id / "etc")
        if self.saltnado or self.cherrypy:
            self._spawn("salt-api", self.config_dir)
        if self.saltnado:
            self._watch_port(self.saltnado_port, "saltnado's port")
        if self.cherrypy:
            self._watch_port(self.cherrypy_port, "rest_cherrypy's port")
        if self.minion_ids:
            wait_until(self._minions_answer, "an answer of every minion")

    def _watch_port(self, port: int, what: str) -> float:
        wait_until(lambda: is_open(port) or self._died(), what, every=0.01)
        self._died()
        return time.time()

    def _died(self) -> bool:
        for process in self._processes:
            if process.poll() is not None:
                logs = "\n".join(path.read_text(errors="replace")[-3000:] for path in self.root.glob("*.log"))
                raise RuntimeError(f"{process.args} ended with {process.returncode}:\n{logs}")
        return False

    def _minions_answer(self) -> bool:
        command = [sys.executable, self.script("salt"), "-c", str(self.config_dir), "-L", ",".join(self.minion_ids)]
        command += ["test.ping", "--out=json", "--static", "-t", "5"]
        answer = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False).stdout
        try:
            found = json.loads(answer)
        except ValueError:
            return False
        return all(found.get(minion_id) is True for minion_id in self.minion_ids)

    def engine_process(self) -> psutil.Process:
        """Return the serving process: its supervisor, which has a copy of the listening sockets, is its parent."""
        found = []
        for process in psutil.Process(self.master.pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                connections = process.net_connections("inet")
                if any(it.status == psutil.CONN_LISTEN and it.laddr.port == self.port for it in connections):
                    found.append(process)
        for process in found:
            if process.pid not in {other.ppid() for other in found}:
                return process
        raise RuntimeError("no process of the master listens on the engine's port")

    def close(self) -> None:
        """Stop all started processes and their children, and remove the folder."""
        family: list[psutil.Process] = []
        for popen in self._processes:
            with contextlib.suppress(psutil.Error):
                process = psutil.Process(popen.pid)
                family += [process, *process.children(recursive=True)]
        for popen in self._processes:
            popen.terminate()
        _, alive = psutil.wait_procs(family, timeout=12)
        for process in alive:
            with contextlib.suppress(psutil.Error):
                process.kill()
        for popen in self._processes:
            popen.wait(timeout=10)
        self._processes.clear()
        shutil.rmtree(self.root, ignore_errors=True)

    # -- what every client needs --------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/"

    @property
    def processes(self) -> list[subprocess.Popen[bytes]]:
        """The started processes: the master, each minion, salt-api."""
        return list(self._processes)

    @property
    def pull(self) -> str:
        """The socket that takes events for the master's bus."""
        return self._socket("pull")

    @property
    def pub(self) -> str:
        """The socket on which the master's bus sends its events."""
        return self._socket("pub")

    def _socket(self, side: str) -> str:
        return str(self.root / "var" / "run" / "salt" / "master" / f"master_event_{side}.ipc")

    def salt_opts(self) -> dict[str, Any]:
        import salt.config

        opts: dict[str, Any] = salt.config.client_config(str(self.config_dir / "master"))
        return opts

    def token(self, username: str = USER) -> str:
        """Log in as the user with all permissions, and return the token, which is valid for every server."""
        import salt.auth

        opts = self.salt_opts()
        low = {"eauth": "sharedsecret", "username": username, "password": opts["sharedsecret"]}
        return str(salt.auth.LoadAuth(opts).mk_token(low)["token"])
