"""The formula on a host like one with Salt's packages: ``salt-pip``, a user for the master, a service manager.

The layout is that of the packages, with this machine's own Python (``ground.onedir``). Services are scripts in
/etc/init.d. The tests of this file run in order on one host, from nothing to a running engine.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import pytest

from tests.client import Refused
from tests.integration.conftest import CHECKOUT
from tests.integration.formula.ground import account, extras, installed, needs_services, onedir, service, system_python
from tests.integration.formula.host import FORMULA, Host, changed, failed, host
from tests.support.waiting import wait_until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.costly,
    pytest.mark.both_lines,
    pytest.mark.timeout(600),
    *needs_services,
    pytest.mark.skipif(system_python() is None, reason="this machine has no Python that every user may run"),
]

MASTER, PERSON, PASSWORD = f"wsm{os.getpid()}", f"wsp{os.getpid()}", secrets.token_hex(8)


class Packaged(NamedTuple):
    """A host, and the name of its master's service."""

    host: Host
    service: str

    def pillar(self, **changes: Any) -> dict[str, Any]:
        """Return a pillar with logins for accounts of this machine, and with its service manager."""
        service = {"name": self.service, "restart": None, **changes.pop("service", {})}
        made = self.host.pillar(service=service, **changes)
        made["websocket_api"]["external_auth"]["pam"] = {PERSON: ["test.*"]}
        return made

    def apply(self, *arguments: str, **changes: Any) -> dict[str, Any]:
        """Apply the formula."""
        return self.host.apply("websocket_api", self.pillar(**changes), *arguments)


@pytest.fixture(scope="module")
def packaged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Packaged]:
    """A host on which nothing runs yet, and whose master will run as its own user."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(account(MASTER, secrets.token_hex(8)))
        stack.enter_context(account(PERSON, PASSWORD))
        python = stack.enter_context(onedir())
        # The master's user may not read the checkout.
        release = python.parents[2] / "release"
        for name in FORMULA:
            shutil.copytree(CHECKOUT / name, release / name, ignore=shutil.ignore_patterns("__pycache__"))
        made = stack.enter_context(host(python, release, user=MASTER))
        for folder in ("var/cache/salt/master", "var/run/salt/master", "etc/pki/master", "run"):  # as packages do
            (made.root / folder).mkdir(parents=True)
            shutil.chown(made.root / folder, MASTER)
        made.log_file.touch()
        shutil.chown(made.log_file, MASTER)
        yield Packaged(made, stack.enter_context(service(made, "salt-master", made.pid_file)))


def test_a_test_run_on_a_fresh_host_lists_all_changes(packaged: Packaged) -> None:
    """``test=True`` checks the pillar, lists all changes, and writes nothing."""
    outcomes = packaged.apply("test=True")
    assert not failed(outcomes)
    would = {name for name, outcome in outcomes.items() if outcome["result"] is None}
    steps = ("packages", "valid", "synced", "certificate", "pam", "config", "restart", "master", "answers")
    assert would == {f"websocket_api_{step}" for step in steps}
    assert "jsonschema" in outcomes["websocket_api_valid"]["comment"]
    assert not installed(packaged.host.python, "jsonschema")
    assert sorted(path.name for path in packaged.host.config.rglob("*") if path.is_file()) == ["master", "minion"]
    wrong = packaged.apply("test=True", tls={"source": "acme"}, srevice={})
    said = failed(wrong)["websocket_api_valid"]
    assert "tls:source must be" in said
    assert "srevice is not a key" in said


def test_the_master_serves_as_its_own_user(packaged: Packaged) -> None:
    """The packages are where salt-pip puts them, the master's user owns the key, and accounts log in over PAM."""
    outcomes = packaged.apply()
    assert not failed(outcomes)
    assert (extras(packaged.host.python) / "jsonschema").is_dir()
    assert not list(packaged.host.python.parents[1].glob("lib/python3*/site-packages/jsonschema"))
    assert psutil.Process(packaged.host.master_pid).username() == MASTER
    key, owner = packaged.host.config / "websocket_api" / "server.key", pwd.getpwnam(MASTER)
    assert (key.stat().st_uid, key.stat().st_mode & 0o777) == (owner.pw_uid, 0o400)
    with packaged.host.client(None) as client:
        assert client.login(PERSON, PASSWORD, eauth="pam", patience=60)["perms"] == ["test.*"]
    with packaged.host.client(None) as client, pytest.raises(Refused):
        client.login(PERSON, "wrong", eauth="pam", patience=60)


def test_a_second_run_changes_nothing(packaged: Packaged) -> None:
    """No state changes anything, the packages are found, and the master is not restarted."""
    before = packaged.host.master_pid
    outcomes = packaged.apply()
    assert not failed(outcomes)
    assert changed(outcomes) == {}
    assert packaged.host.master_pid == before is not None


def test_packages_come_back_when_a_package_of_salt_brought_another_python(packaged: Packaged) -> None:
    """The new Python's folder is empty: missing packages are installed into it, and the engine is reloaded."""
    place = extras(packaged.host.python)
    place.rename(place.with_name("extras-3.0"))
    place.mkdir()
    outcomes = packaged.apply()
    assert not failed(outcomes)
    assert set(changed(outcomes)) == {"websocket_api_packages", "websocket_api_reloaded"}
    assert (place / "jsonschema").is_dir()
    with packaged.host.client() as client:
        assert client.ask("ping")


def test_the_service_manager_brings_back_what_served_before(packaged: Packaged) -> None:
    """A master that does not start with a new configuration is restarted with the previous one, and serves."""
    before = packaged.host.conf.read_bytes()
    outcomes = packaged.apply(master_config={"sharedsecret": "demo", "transport": "none"}, service={"seconds": 15})
    assert set(failed(outcomes)) == {"websocket_api_answers"}
    assert packaged.host.conf.read_bytes() == before
    with packaged.host.client() as client:
        assert client.ask("ping")


def test_hardened_packages_get_the_packages_into_the_masters_own_folder(packaged: Packaged) -> None:
    """Each daemon has its own folder. The formula runs in the minion, and installs for the master."""
    own = extras(packaged.host.python)
    folders = {daemon: packaged.host.root / "lib" / daemon / own.name for daemon in ("master", "minion")}
    for folder in folders.values():
        folder.mkdir(parents=True)
    own.rename(own.with_name("extras-before-the-update"))
    script = Path("/etc/init.d", packaged.service)
    running = script.read_text()
    assert running.count("running()") == 1
    script.write_text(running.replace("running()", f"export SALT_EXTRAS_DIR={folders['master']}\nrunning()"))
    # Without systemd on this machine the unit is what a program in its place prints.
    systemctl = packaged.host.root / "bin" / "systemctl"
    systemctl.parent.mkdir()
    systemctl.write_text(f"#!/bin/sh\necho 'Environment=LANG=C SALT_EXTRAS_DIR={folders['master']}'\n")
    systemctl.chmod(0o755)
    packaged.host.environment["PATH"] = f"{systemctl.parent}:{os.environ['PATH']}"
    packaged.host.environment["SALT_EXTRAS_DIR"] = str(folders["minion"])
    size = packaged.host.log_file.stat().st_size
    subprocess.run([script, "restart"], check=True)
    command = f"SALT_EXTRAS_DIR={folders['master']} salt-pip install 'jsonschema>=4'"
    wait_until(lambda: command in packaged.host.log_file.read_text()[size:], "the engine's complaint", timeout=60)
    outcomes = packaged.apply()
    assert not failed(outcomes)
    names = ("packages", "reloaded", "restart", "master")  # the engine waits for its packages: it cannot be reloaded
    assert set(changed(outcomes)) == {f"websocket_api_{name}" for name in names}
    assert (folders["master"] / "jsonschema").is_dir()
    assert not any(folders["minion"].iterdir())
    with packaged.host.client() as client:
        assert client.ask("ping")
    assert changed(packaged.apply()) == {}
