"""An admin on a machine with systemd and Salt's packages, who follows docs/install.md."""

from __future__ import annotations

import contextlib
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.client import Client, Closed
from tests.integration.conftest import CHECKOUT
from tests.integration.formula.ground import system_python
from tests.integration.formula.page import steps
from tests.integration.systemd.machine import Machine, why_not
from tests.integration.systemd.salt_packages import install, lay_out
from tests.support.waiting import wait_until

needs_machine = [
    pytest.mark.slow,
    pytest.mark.costly,
    pytest.mark.timeout(1500),  # the first run makes the Debian root
    pytest.mark.skipif(bool(why_not()), reason=why_not() or "-"),
    pytest.mark.skipif(system_python() is None, reason="this computer has no Python that every user may run"),
    pytest.mark.skipif(not (CHECKOUT / ".git").exists(), reason="this is no clone of the repository"),
]

HOST, PASSWORD = "master1", "correct horse"
ADDRESS = "127.0.0.1:8000/"
PILLAR = "/srv/pillar/websocket_api.sls"
CONF = "/etc/salt/master.d/websocket_api.conf"


class Admin:
    """An admin who follows the page on a machine."""

    tls = False
    """Whether the engine does TLS, as it does after the formula."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.printed: dict[str, str] = {}
        """What each command printed."""
        self.seconds: dict[str, float] = {}

    def does(self, command: str) -> str:
        """Run a command of the page; it must succeed."""
        began = time.monotonic()
        self.printed[command] = self.machine.run(command)
        self.seconds[command] = time.monotonic() - began
        print(f"{self.seconds[command]:6.1f} s  {command}")
        return self.printed[command]

    def follow(self, title: str) -> None:
        """Do what a section says; take the clone where it offers a choice."""
        for step in steps(title):
            if step.file is None:
                self.does(step.command)
            elif "file_roots" in step.file:
                self.machine.append("/etc/salt/master", step.text)
            elif "engines" in step.file:
                self.machine.write(CONF, step.text)
            elif "websocket_api" in step.file:
                self.machine.write(PILLAR, step.text)
                self.machine.write("/srv/pillar/top.sls", f"base:\n  {HOST}:\n    - websocket_api\n")

    def status(self) -> str:
        """Return what the page's last command prints, which is run again until the engine listens."""
        command = "salt-run websocket_api.status"
        shown = [self.printed[command]]

        def listens() -> bool:
            if re.search(r"^listening:\n +True$", shown[-1], re.MULTILINE):
                return True
            shown.append(self.does(command))
            return False

        wait_until(listens, "the engine listening", timeout=120)
        return shown[-1]

    def apply(self, changes: dict[str, Any] | None = None) -> dict[str, Any]:
        """Apply the formula, some keys of the pillar changed; return the outcome of each of its states by id."""
        given = f" pillar='{json.dumps({'websocket_api': changes})}'" if changes else ""
        shown = self.machine.run(f"salt-call --out=json -l quiet state.apply websocket_api{given}", status=None)
        outcome = printed_json(shown)["local"]
        return {key.split("_|-")[1]: value for key, value in outcome.items()}

    @contextlib.contextmanager
    def client(self, username: str | None = "alice") -> Iterator[Client]:
        """Connect to the engine, as a program on the machine does, and log in."""
        with self.machine.network():
            client = wait_until(self._connected, "the engine listening", every=0.2)
            with client:
                if username is not None:
                    client.login(username, PASSWORD, eauth="pam", patience=60)
                yield client

    def restart(self) -> dict[str, Any]:
        """Restart the master below a client, which gets 1012; return what the new engine answers to a ping."""
        before = self.engine_pid
        with self.client() as client:
            self.does("systemctl restart salt-master")
            assert closed(client) == 1012
        with self.client() as client:
            pong: dict[str, Any] = client.ask("ping")
        assert self.engine_pid != before
        return pong

    def _connected(self) -> Client | None:
        with contextlib.suppress(OSError):
            return Client(("wss://" if self.tls else "ws://") + ADDRESS)
        return None

    @property
    def master_pid(self) -> int:
        """The process id of the master, as the machine counts."""
        return int(self.machine.run("systemctl show --property=MainPID --value salt-master"))

    @property
    def engine_pid(self) -> int:
        """The process id of the serving process: it listens, and its child does not."""
        found = re.findall(r"pid=(\d+)", self.machine.run("ss -Hltnp 'sport = :8000'"))
        assert found, "nothing listens"
        parents = self.machine.run(f"ps -o ppid= -p {','.join(found)}").split()
        return int(next(pid for pid in found if pid not in parents))


@contextlib.contextmanager
def admin_of_new_host(layer: Path) -> Iterator[Admin]:
    """Yield the admin of a host on which Salt's packages and two accounts are, and nothing of this project.

    :param layer: an empty folder for the files of the packages
    """
    lay_out(layer, HOST)
    with booted(HOST, layer) as machine:
        install(machine)
        make_accounts(machine)
        wait_until(lambda: HOST in machine.run("salt-key --list=pre"), "the minion's key", every=1)
        machine.run("salt-key --yes --accept-all")
        yield Admin(machine)


@contextlib.contextmanager
def booted(name: str, layer: Path) -> Iterator[Machine]:
    """Yield a machine on which systemd has started its units, and power it off afterwards."""
    machine = Machine(name, layer)
    try:
        began = time.monotonic()
        machine.start()
        print(f"{time.monotonic() - began:6.1f} s  boot of systemd on {name}")
        yield machine
    finally:
        machine.stop()


def make_accounts(machine: Machine) -> None:
    """Make the accounts that the page names."""
    for person in ("alice", "bob"):
        machine.run(f"useradd {person} && echo '{person}:{PASSWORD}' | chpasswd")


def printed_json(shown: str) -> Any:
    """Return the JSON document that a command printed, without warnings before and after it."""
    return json.JSONDecoder().raw_decode(shown, shown.index("{"))[0]


def closed(client: Client) -> int | None:
    """Return the code with which the server closes the connection, or None if it only ended."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            client.recv(1)
        except TimeoutError:
            continue
        except Closed as end:
            return end.code
        except OSError:
            return None
    raise AssertionError("the connection stays open")
