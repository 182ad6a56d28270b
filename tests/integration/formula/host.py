"""A test host for the formula: Salt in a virtual environment, with all its files in one folder with a short path."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from tests.client import Client, logged_in
from tests.integration.conftest import CHECKOUT, MASTER_GRAINS
from tests.ports import free_port
from tests.support.waiting import is_open, wait_until

FORMULA = ("_engines", "_modules", "_runners", "_states", "websocket_api")
APPLY_SECONDS = 400  # a run may install packages and restart the master twice, on a busy machine
STOP_SECONDS = 15

# Replaces the service manager: the command returns when the old master has ended.
RESTART = """\
#!/bin/sh
if pid=$(cat {pid_file} 2>/dev/null) && kill "$pid" 2>/dev/null; then
    while kill -0 "$pid" 2>/dev/null; do sleep 0.1; done
fi
exec {salt_master} -c {config} -d
"""


class Host:
    """A host on which nothing runs yet.

    :param root: a folder with a short name
    :param python: the Python in whose environment Salt is
    :param release: the folder with this project's files; the checkout by default
    :param master: further settings of the master
    """

    def __init__(self, root: Path, python: Path, release: Path = CHECKOUT, **master: Any) -> None:
        self.root = root
        self.python = python
        self.config = root / "etc"
        self.conf = self.config / "master.d" / "websocket_api.conf"
        self.files = root / "files"
        self.port = free_port()
        self.restart = root / "restart"
        self.pid_file = root / "run" / "master.pid"
        self.environment = dict(os.environ)
        """The environment of salt-call."""
        self._started: list[subprocess.Popen[bytes]] = []
        self.files.mkdir(parents=True)
        for name in FORMULA:
            (self.files / name).symlink_to(release / name)
        common = {"root_dir": str(root), "file_roots": {"base": [str(self.files)]}, "log_level_logfile": "info"}
        publish_port, ret_port = free_port(), free_port()
        self.write("master", {
            **common,
            "user": "root" if os.geteuid() == 0 else psutil.Process().username(),
            "interface": "127.0.0.1",
            "publish_port": publish_port,
            "ret_port": ret_port,
            "worker_threads": 3,
            **MASTER_GRAINS,
            "auto_accept": True,
            "pidfile": str(self.pid_file),
            "log_file": str(self.log_file),
            **master,
        })  # fmt: skip
        self._minion = {
            **common,
            "master": "127.0.0.1",
            "publish_port": publish_port,
            "master_port": ret_port,
            "enable_fqdns_grains": False,
            "enable_gpu_grains": False,
            "mine_enabled": False,
        }
        self.write("minion", {**self._minion, "id": "host", "log_file": str(root / "minion.log")})
        command = {"pid_file": self.pid_file, "salt_master": self.shell("salt-master"), "config": self.config}
        self.restart.write_text(RESTART.format(**command), encoding="utf-8")
        self.restart.chmod(0o755)

    @property
    def log_file(self) -> Path:
        """The master's log."""
        return self.root / "master.log"

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"wss://127.0.0.1:{self.port}/"

    @property
    def master_pid(self) -> int | None:
        """The master's process id, while it runs."""
        with contextlib.suppress(OSError, ValueError, psutil.Error):
            process = psutil.Process(int(self.pid_file.read_text()))
            return process.pid if process.is_running() and process.status() != psutil.STATUS_ZOMBIE else None
        return None

    def write(self, name: str, settings: dict[str, Any]) -> None:
        """Write a file into the host's configuration folder."""
        path = self.config / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(settings, indent=2), encoding="utf-8")  # JSON is YAML

    def add_minion(self, name: str) -> None:
        """Start another minion of this master, with its own root folder."""
        root = self.root / name
        own = {"id": name, "root_dir": str(root), "log_file": str(root / "minion.log")}
        self.write(f"{name}/minion", {**self._minion, **own})
        root.mkdir()
        self.start("salt-minion", self.config / name)

    def salt(self, program: str, *arguments: str) -> list[str]:
        """Return the command line of one of Salt's programs on this host."""
        function = program.replace("-", "_")
        code = f"import sys; from salt.scripts import {function} as run; sys.argv[0] = {program!r}; run()"
        return [str(self.python), "-c", code, *arguments]

    def shell(self, program: str) -> str:
        """Return the same, quoted for a shell script."""
        return shlex.join(self.salt(program))

    def pillar(self, **changes: Any) -> dict[str, Any]:
        """Return a pillar that replaces the port and the service manager, of which this machine has only one."""
        own = {
            "options": {"port": self.port, "eauth": "sharedsecret", **changes.pop("options", {})},
            "external_auth": {"sharedsecret": {"demo": [".*", "@runner"]}},
            "master_config": {"sharedsecret": "demo"},
            "service": {"restart": str(self.restart), "seconds": 90, **changes.pop("service", {})},
        }
        return {"websocket_api": {**own, **changes}}

    def apply(self, state: str, pillar: dict[str, Any], *arguments: str) -> dict[str, Any]:
        """Apply a state as ``salt-call --local`` does; return the outcome of each of its states by id.

        The test fails if the state cannot be rendered or run.
        """
        given = ["-c", str(self.config), "--local", "--out=json", "-l", "quiet", "state.apply", state]
        command = self.salt("salt-call", *given, f"pillar={json.dumps(pillar)}", *arguments)
        answer = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=APPLY_SECONDS, check=False
        )
        assert answer.stdout.strip().startswith("{"), answer.stdout + answer.stderr
        outcome = json.loads(answer.stdout)["local"]
        assert isinstance(outcome, dict), outcome
        return {key.split("_|-")[1]: value for key, value in outcome.items()}

    def runs(self, program: str, *arguments: str) -> Any:
        """Run one of Salt's programs on this host, and return its JSON output."""
        command = self.salt(program, "-c", str(self.config), "--out=json", "-l", "quiet", *arguments)
        answer = subprocess.run(command, capture_output=True, text=True, timeout=APPLY_SECONDS, check=False)
        return json.loads(answer.stdout)

    def start(self, program: str, config: Path | None = None) -> None:
        """Start ``salt-minion``, which the master accepts, or ``salt-master`` if no state starts it."""
        command = self.salt(program, "-c", str(config or self.config))
        with (self.root / f"{program}.out").open("ab") as log:
            self._started.append(subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True))

    def client(self, username: str | None = "demo", password: str = "demo", *, tls: bool = True) -> Client:
        """Connect and log in."""
        wait_until(lambda: is_open(self.port), "the engine listening", timeout=60)
        return logged_in(Client(self.url if tls else self.url.replace("wss:", "ws:")), username, password)

    def stop(self) -> None:
        """Stop all processes of this host."""
        pids = [one.pid for one in self._started] + [pid for pid in (self.master_pid,) if pid]
        found, every = [], []
        for pid in pids:
            with contextlib.suppress(psutil.NoSuchProcess):
                process = psutil.Process(pid)
                children = process.children(recursive=True)
                found.append(process)
                every += [process, *children]
        for process in found:
            with contextlib.suppress(psutil.Error):
                process.send_signal(signal.SIGTERM)
        _, left = psutil.wait_procs(every, timeout=STOP_SECONDS)
        for process in left:
            with contextlib.suppress(psutil.Error):
                process.kill()
        for one in self._started:
            one.wait()
        self._started.clear()


@contextlib.contextmanager
def host(python: Path | None = None, release: Path = CHECKOUT, **master: Any) -> Iterator[Host]:
    """Create a host, and remove it with all its processes.

    :param python: as for :class:`Host`; the Python of the tests by default
    :param release: as for :class:`Host`
    :param master: as for :class:`Host`
    """
    root = Path(tempfile.mkdtemp(prefix="wsf-", dir="/tmp"))
    root.chmod(0o755)  # a master of another user must get in
    made = Host(root, python or Path(sys.executable), release, **master)
    try:
        yield made
    except AssertionError:
        print(tail(made.log_file))
        raise
    finally:
        made.stop()
        shutil.rmtree(root, ignore_errors=True)


def changed(outcomes: dict[str, Any]) -> dict[str, Any]:
    """Return the changes of each state that changed something."""
    return {name: outcome["changes"] for name, outcome in outcomes.items() if outcome["changes"]}


def failed(outcomes: dict[str, Any]) -> dict[str, str]:
    """Return the comment of each state that failed."""
    return {name: outcome["comment"] for name, outcome in outcomes.items() if outcome["result"] is False}


def tail(path: Path, lines: int = 40) -> str:
    """Return the end of a log."""
    return "\n".join(path.read_text(errors="replace").splitlines()[-lines:]) if path.exists() else ""
