"""The command lines that are compared: this project's, pepper and Salt's own, on the same master."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.stage import CHECKOUT, SECRET, USER, Stage

SALT_LIVE, PEPPER, PEPPER_HERE, SALT = "salt-live", "pepper, rest_cherrypy", "pepper, this engine", "salt"
SECONDS = 180.0  # for one run on a loaded machine

# What pip writes for each, but for the path. Where pepper finds Salt, it also loads Salt's output forms: then it is
# slower than on a machine of its users.
SCRIPTS = {
    "salt-live": "import sys\nfrom salt_live.cli.main import main\nsys.exit(main())\n",
    "pepper": (
        "import sys\nsys.modules['salt'] = None\nimport pepper.script\nsys.exit(pepper.script.Pepper()() or 0)\n"
    ),
}


@dataclass(frozen=True)
class Run:
    """One run of a command: times in seconds, memory in bytes."""

    seconds: float
    first: float
    """When the first minion was on the terminal."""
    texts: int
    """How many minions were shown."""
    cpu: float
    peak: int
    code: int


class Programs:
    """The command lines, ready to be run on a stage; each keeps its token from one run to the next."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._folder = stage.root / "programs"
        self._folder.mkdir()
        shutil.copytree(
            CHECKOUT / "clients" / "python" / "src" / "salt_live",
            self._folder / "lib" / "salt_live",
            ignore=shutil.ignore_patterns("__pycache__"),
        )
        for name, text in SCRIPTS.items():
            (self._folder / name).write_text(text, encoding="utf-8")
        self.names = [SALT_LIVE, PEPPER, PEPPER_HERE, SALT]

    def run(self, name: str, target: str, shown: str) -> Run:
        """Run ``test.ping`` on a target.

        :param shown: a regular expression with one group, for a minion's id
        """
        command = [*self._command(name), target, "test.ping"]
        asked = {"command": command, "env": self._environment(name), "shown": shown}
        measure = [sys.executable, "-S", "-E", str(Path(__file__).with_name("terminals.py")), json.dumps(asked)]
        ran = subprocess.run(measure, capture_output=True, text=True, timeout=SECONDS, check=True)
        found = Run(**json.loads(ran.stdout))
        if found.code or not found.texts:
            raise RuntimeError(f"{name} ended with {found.code} and showed {found.texts} minions")
        return found

    def _command(self, name: str) -> list[str]:
        if name == SALT:
            return [sys.executable, self._stage.script("salt"), "-c", str(self._stage.config_dir)]
        if name == SALT_LIVE:
            return [sys.executable, str(self._folder / "salt-live")]
        cache = self._folder / f"token of {name}"
        return [sys.executable, str(self._folder / "pepper"), "-T", "-x", str(cache)]

    def _environment(self, name: str) -> dict[str, str]:
        port = self._stage.cherrypy_port if name == PEPPER else self._stage.port
        login = {"URL": f"http://127.0.0.1:{port}", "USER": USER, "PASS": SECRET, "EAUTH": "sharedsecret"}
        return {
            **{f"SALTAPI_{key}": value for key, value in login.items()},
            "HOME": str(self._folder),
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": str(self._folder / "lib"),
            "PYTHONUTF8": "1",
            "TERM": "xterm",
        }
