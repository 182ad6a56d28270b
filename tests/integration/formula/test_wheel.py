"""docs/install.md, *By pip*: what `make release` builds, installed beside Salt in an environment without it.

Nothing of the project is on the file server, until the last test syncs the engine beside the package. Needs what pip
needs to fetch packages.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest
import yaml

from tests.client import Refused
from tests.integration.conftest import CHECKOUT
from tests.integration.formula.ground import fresh_environment, installed
from tests.integration.formula.host import APPLY_SECONDS, FORMULA, Host, host
from tests.integration.formula.releases import build_release
from tests.support.waiting import is_open, wait_until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.costly,
    pytest.mark.both_lines,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not (CHECKOUT / ".git").exists(), reason="this is no clone of the repository"),
]

VERSION = (CHECKOUT / "schemas" / "VERSION").read_text().strip()
SECTION = (CHECKOUT / "docs" / "install.md").read_text(encoding="utf-8").partition("\n## By pip\n")[2]
PAGE = SECTION.partition("\n## ")[0]


class Wheel(NamedTuple):
    """A host whose Salt has the package, and where its files are."""

    host: Host
    package: Path

    def restart(self) -> None:
        """Restart the master and wait until the engine listens."""
        subprocess.run([self.host.restart], check=True)
        wait_until(lambda: is_open(self.host.port), "the engine listening", timeout=90)

    def pip(self, *arguments: str) -> str:
        """Run pip in the environment of Salt and return what it printed."""
        command = [str(self.host.python), "-m", "pip", *arguments]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=APPLY_SECONDS, check=False)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `make release` writes."""
    return build_release(tmp_path_factory.mktemp("release"))


@pytest.fixture(scope="module")
def wheel(release: Path) -> Iterator[Wheel]:
    """A host on which the section of the page was followed, with the wheel of this checkout."""
    with contextlib.ExitStack() as stack:
        python = stack.enter_context(fresh_environment())
        made = stack.enter_context(host(python, fileserver_list_cache_time=0))
        for name in FORMULA:
            (made.files / name).unlink()
        packages = python.parents[1] / "lib" / f"python3.{sys.version_info[1]}" / "site-packages"
        one = Wheel(made, packages / "saltext" / "websocket_api")
        assert not installed(python, "jsonschema")
        (name,) = re.findall(r"^ +salt-pip install (\S+)$", PAGE, re.MULTILINE)
        one.pip("install", "--find-links", str(release), f"{name}=={VERSION}")
        (file,) = re.findall(r"^ +```yaml\n(.*?)^ +```$", PAGE, re.MULTILINE | re.DOTALL)
        settings = yaml.safe_load(file)
        settings["engines"][0]["websocket_api"].update(port=made.port, eauth="sharedsecret")
        # Accounts of a machine are made in test_by_hand.py.
        settings["external_auth"] = {"sharedsecret": {"demo": settings["external_auth"]["pam"]["alice"]}}
        made.write("master.d/websocket_api.conf", {**settings, "sharedsecret": "demo"})
        one.restart()
        yield one


def test_both_distributions_are_built_of_one_version(release: Path) -> None:
    """The version is the engine's own; `make release` fails if `twine check` has anything to say."""
    assert {path.name for path in release.iterdir()} == {
        f"saltext_websocket_api-{VERSION}-py3-none-any.whl",
        f"saltext_websocket_api-{VERSION}.tar.gz",
        f"websocket_api-{VERSION}.tar.gz",
        f"websocket_api-{VERSION}.tar.gz.sha256",
    }


def test_the_package_brings_what_the_engine_needs_and_leaves_salt_alone(wheel: Wheel) -> None:
    """Its dependencies were installed with it, Salt stays the one that was there."""
    assert all(installed(wheel.host.python, name) for name in ("jsonschema", "orjson", "google-re2"))
    shown = wheel.pip("list", "--format=json")
    versions = {one["name"].lower(): one["version"] for one in json.loads(shown)}
    assert versions["saltext-websocket-api"] == VERSION
    assert versions["salt"] == importlib.metadata.version("salt")


def test_salt_loads_the_package_and_clients_run_a_command(wheel: Wheel) -> None:
    """Packages three levels deep load, a client logs in and test.ping on a real minion returns."""
    wheel.host.add_minion("loaded")
    with wheel.host.client(tls=False) as client:
        assert client.ask("ping")["version"] == VERSION

        def answers() -> bool:
            try:
                job = client.ask("cmd", fun="test.ping", tgt="loaded", mode="sync", timeout=5)
            except Refused:  # until the master knows the minion
                return False
            return bool(job["minions"].get("loaded", {}).get("return") is True)

        wait_until(answers, "the minion's answer", timeout=90)
    log = wheel.host.log_file.read_text()
    assert f"websocket_api {VERSION} is loaded from {wheel.package}/engines/websocket_api" in log
    assert "CRITICAL" not in log


def test_the_runner_and_the_module_come_with_the_package(wheel: Wheel) -> None:
    """The runner names the package's version; the module's function for progress is one of the minion's."""
    status = wheel.host.runs("salt-run", "websocket_api.status")
    assert status["listening"] is status["engine"] is True
    assert (status["port"], status["version"]) == (wheel.host.port, VERSION)
    functions = wheel.host.runs("salt-call", "--local", "sys.list_functions", "websocket_api")["local"]
    assert "websocket_api.progress" in functions


def test_an_upgrade_by_pip_needs_no_restart(wheel: Wheel, release: Path) -> None:
    """Pip writes all files again, and a reload loads them: nothing is left for a restart."""
    before = wheel.host.master_pid
    with wheel.host.client(tls=False) as client:
        wheel.pip("install", "--find-links", str(release), "--force-reinstall", "--no-deps", "saltext-websocket-api")
        assert wheel.host.runs("salt-run", "websocket_api.reload") == {"version": VERSION, "restart": []}
        assert client.closed().code == 1012
    with wheel.host.client(tls=False) as client:
        assert client.ask("ping")["version"] == VERSION
    assert wheel.host.master_pid == before


def test_the_engine_goes_when_its_master_stops_and_comes_back_with_it(wheel: Wheel) -> None:
    """Clients are closed with 1012, and the next start serves again."""
    with wheel.host.client(tls=False) as client:
        psutil.Process(wheel.host.master_pid).terminate()
        assert client.closed().code == 1012
    wait_until(lambda: wheel.host.master_pid is None, "the end of the master", timeout=60)
    assert not is_open(wheel.host.port)
    wheel.restart()


def test_a_synced_engine_wins_over_the_package(wheel: Wheel) -> None:
    """After `sync_engines` and a restart the synced one runs, the log names both, and the runner its version."""
    for name in FORMULA:
        (wheel.host.files / name).symlink_to(CHECKOUT / name)
    assert wheel.host.runs("salt-run", "saltutil.sync_engines")
    wheel.restart()
    synced = wheel.host.root / "var/cache/salt/master/extmods/engines/websocket_api"
    log = wheel.host.log_file.read_text()
    assert f"websocket_api {VERSION} is loaded from {synced}" in log
    assert (
        f"the installed package saltext-websocket-api {VERSION} does not run, but websocket_api {VERSION} from" in log
    )
    with wheel.host.client(tls=False) as client:
        assert client.ask("ping")["version"] == VERSION
