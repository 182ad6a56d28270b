"""docs/operating.md, *Several masters, one after another*, on two machines with systemd that a cable joins.

One machine's master runs the orchestration. The other is a master of its own, whose minion belongs to the first.
The tests of this file run in order: the first installation, an upgrade, and a release that is incomplete.
"""

from __future__ import annotations

import contextlib
import json
import re
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
import yaml

from tests.client import Client
from tests.integration.conftest import CHECKOUT
from tests.integration.formula.page import steps
from tests.integration.formula.releases import set_release
from tests.integration.systemd.admin import PASSWORD, PILLAR, booted, closed, make_accounts, needs_machine, printed_json
from tests.integration.systemd.machine import Machine, connect
from tests.integration.systemd.salt_packages import install, lay_out
from tests.support.waiting import wait_until

pytestmark = needs_machine

CONTROL, SERVED = "control", "master2"
NETWORK = "10.99.0"
CLONE = "/srv/websocket_api"
PASSWORD_FILE = "/etc/salt/rollout-password"
OPERATING = CHECKOUT / "docs" / "operating.md"


class Pair(NamedTuple):
    """The machine that runs the orchestration, and the one on which it installs the engine."""

    control: Machine
    served: Machine

    def rollout(self) -> dict[str, Any]:
        """Run the command of the page; return the outcome of each step by its id."""
        (command,) = re.findall(r"^(salt-run state.orchestrate websocket_api.rollout) pillar=", _page(), re.MULTILINE)
        login = {"username": "alice", "password_file": PASSWORD_FILE, "verify": False}
        pillar = json.dumps({"websocket_api": {"rollout": {"masters": [SERVED], **login}}})
        began = time.monotonic()
        shown = self.control.run(f"{command} --out=json -l quiet pillar='{pillar}'", status=None)
        print(f"{time.monotonic() - began:6.1f} s  {command}")
        answer = printed_json(shown)
        (outcome,) = (answer.get("data") or answer).values()
        return {key.split("_|-")[1]: step for key, step in outcome.items()}

    @contextlib.contextmanager
    def client(self) -> Iterator[Client]:
        """Connect over the cable, from the first machine, and log in."""
        with self.control.network():
            client = wait_until(self._connected, "the engine listening", every=0.2)
            with client:
                client.login("alice", PASSWORD, eauth="pam", patience=60)
                yield client

    @staticmethod
    def _connected() -> Client | None:
        with contextlib.suppress(OSError):
            return Client(f"wss://{NETWORK}.2:8000/")
        return None

    def bring(self, version: str, schemas: str | None = None) -> None:
        """Pull another release into the clones of both masters."""
        for machine in self:
            set_release(machine.root / CLONE[1:], version, schemas)


def _page() -> str:
    return OPERATING.read_text(encoding="utf-8").partition("\n## Several masters, one after another\n")[2]


def _prepare(machine: Machine) -> None:
    """Bring a master to where the page begins: the packages, the accounts, and step 1 of the installation."""
    machine.write("/etc/salt/minion", f"master: {CONTROL}\n")
    install(machine)
    make_accounts(machine)
    for step in list(steps("With the formula"))[:2]:
        if step.file is None:
            machine.run(step.command)
        else:
            machine.append("/etc/salt/master", step.text)
    machine.run("systemctl restart salt-master")


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Both machines: the clone is on both file servers, the pillar on that of the first master."""
    layer = tmp_path_factory.mktemp("layer")
    lay_out(layer, "localhost.localdomain")
    with booted(CONTROL, layer) as control, booted(SERVED, layer) as served:
        connect(control, served, NETWORK)
        for machine in (control, served):
            _prepare(machine)
        (pillar,) = (step.file for step in steps("With the formula") if step.file and "websocket_api" in step.file)
        pillar["websocket_api"]["options"]["address"] = "0.0.0.0"
        control.write(PILLAR, yaml.safe_dump(pillar))
        control.write("/srv/pillar/top.sls", yaml.safe_dump({"base": {SERVED: ["websocket_api"]}}))
        control.write(PASSWORD_FILE, f"{PASSWORD}\n")
        control.run(f"chown salt {PASSWORD_FILE} && chmod 400 {PASSWORD_FILE}")
        wait_until(lambda: SERVED in control.run("salt-key --list=pre"), "the minion's key", every=1)
        control.run("salt-key --yes --accept-all")
        wait_until(lambda: SERVED in control.run("salt-run manage.up"), "the minion", every=2)
        yield Pair(control, served)


def failed(outcomes: dict[str, Any]) -> dict[str, Any]:
    """Return the comment and the changes of each step that failed; a runner's error is among the changes."""
    return {name: (step["comment"], step["changes"]) for name, step in outcomes.items() if step["result"] is not True}


def test_the_first_rollout_installs_the_engine_on_the_other_master(pair: Pair) -> None:
    """Each step succeeds, a login among them. The first master, which runs it, has no engine."""
    outcomes = pair.rollout()
    assert failed(outcomes) == {}
    order = sorted(outcomes, key=lambda name: outcomes[name]["__run_num__"])
    assert order == ["websocket_api_own_runner", "websocket_api_group_1", f"websocket_api_serves_{SERVED}"]
    assert f"https://{SERVED}:8000/ is healthy and takes the login of alice" in json.dumps(outcomes)
    with pair.client() as client:
        assert client.ask("ping")
    assert pair.control.run("ss -Hltn 'sport = :8000'") == ""
    assert pair.served.run("ss -Hltnp 'sport = :8000'").count("LISTEN") == 1


def test_an_upgrade_closes_with_1012_and_serves_the_new_release(pair: Pair) -> None:
    """A client over the network gets the close code, reconnects, and finds the new release; the master runs on."""
    pair.bring("9.0.0")
    before = pair.served.run("systemctl show --property=MainPID salt-master")
    with pair.client() as client:
        assert client.ask("ping")["version"] != "9.0.0"
        assert failed(pair.rollout()) == {}
        assert closed(client) == 1012
    with pair.client() as client:
        assert client.ask("ping")["version"] == "9.0.0"
    assert pair.served.run("systemctl show --property=MainPID salt-master") == before


def test_a_second_rollout_restarts_nothing(pair: Pair) -> None:
    """Connections stay, because no state of the other master's host changes anything."""
    with pair.client() as client:
        assert failed(pair.rollout()) == {}
        assert client.ask("ping")["version"] == "9.0.0"


def test_an_incomplete_release_fails_and_the_old_one_serves_on(pair: Pair) -> None:
    """The step of the other master names the fault, its connections stay."""
    pair.bring("9.0.2", schemas="9.0.1")
    with pair.client() as client:
        outcomes = pair.rollout()
        assert set(failed(outcomes)) == {"websocket_api_group_1", f"websocket_api_serves_{SERVED}"}
        assert "the folder schemas is release 9.0.1, the engine 9.0.2" in json.dumps(outcomes)
        assert client.ask("ping")["version"] == "9.0.0"
