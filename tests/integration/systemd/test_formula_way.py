"""docs/install.md, *With the formula*, followed word by word on a machine with systemd, and the life after it.

The tests of this file take one machine from the installation to ``websocket_api.clean``, in order.
"""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.client import Refused
from tests.integration.formula.page import section, steps
from tests.integration.systemd.admin import CONF, HOST, Admin, admin_of_new_host, closed, needs_machine
from tests.integration.systemd.machine import Machine
from tests.support.waiting import wait_until

pytestmark = needs_machine


@pytest.fixture(scope="module")
def admin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Admin]:
    """An admin who has followed the section."""
    with admin_of_new_host(tmp_path_factory.mktemp("layer")) as made:
        made.follow("With the formula")
        made.tls = True
        yield made


def failed(outcomes: dict[str, Any]) -> set[str]:
    """Return the states that failed."""
    return {name for name, outcome in outcomes.items() if outcome["result"] is False}


def changed(outcomes: dict[str, Any]) -> set[str]:
    """Return the states that changed something."""
    return {name for name, outcome in outcomes.items() if outcome["changes"]}


def test_each_command_of_the_page_does_what_it_says(admin: Admin) -> None:
    """The run has no failure, and the status names the running engine."""
    commands = list(admin.printed)
    assert [command.split()[0] for command in commands] == ["git", "systemctl", "salt-call", "salt-run"], commands
    assert re.search(r"^Failed: +0$", admin.printed["salt-call state.apply websocket_api"], re.MULTILINE)
    status = admin.printed["salt-run websocket_api.status"]
    assert re.search(r"^listening:\n +True$", status, re.MULTILINE), status
    assert re.search(r"^engine:\n +True$", status, re.MULTILINE), status


def test_people_log_in_with_their_accounts(admin: Admin) -> None:
    """The master runs as user salt, PAM accepts the right password only, and each has what the page grants."""
    assert admin.machine.run(f"ps -o user= -p {admin.engine_pid}").strip() == "salt"
    with admin.client() as client:

        def pings() -> bool:  # as soon as the minion has noticed the restart of its master
            job = client.ask("cmd", fun="test.ping", tgt=HOST, mode="sync", timeout=10, patience=60)
            return job["minions"][HOST]["return"] is True

        wait_until(pings, "a ping of the minion", timeout=180)
        assert client.ask("runner", fun="manage.versions", mode="sync", patience=60) is not None
    with admin.client("bob") as client, pytest.raises(Refused, match="forbidden"):
        client.ask("cmd", fun="test.ping", tgt=HOST, mode="sync")
    with admin.client(None) as client, pytest.raises(Refused, match="unauthenticated"):
        client.login("alice", "wrong", eauth="pam", patience=60)


def test_minions_get_their_module(admin: Admin) -> None:
    """After the command of the last step the minion has it; on the master's own host the run brought it before."""
    (command,) = re.findall(r"`(salt '\*' saltutil.sync_modules)`", section("With the formula"))
    admin.does(command)
    assert "websocket_api.progress" in admin.machine.run("salt '*' sys.list_functions websocket_api")


def test_a_restart_of_the_master_closes_with_1012(admin: Admin) -> None:
    """Clients get a close code to reconnect, and can log in again without any other command."""
    assert admin.restart()


def test_a_killed_engine_comes_back_by_itself(admin: Admin) -> None:
    """The master, which runs on, starts it again."""
    master, engine = admin.master_pid, admin.engine_pid
    with admin.client() as client:
        admin.does(f"kill -9 {engine}")
        assert closed(client) is None
    with admin.client() as client:
        assert client.ask("ping")
    assert admin.master_pid == master
    assert admin.engine_pid != engine


def test_a_killed_master_leaves_no_process_that_holds_the_port(admin: Admin) -> None:
    """Systemd ends what the master had started; one start later all is as before."""
    with admin.client() as client:
        admin.does(f"kill -9 {admin.master_pid}")
        assert closed(client) == 1012, "systemd stops the engine with SIGTERM"
    wait_until(
        lambda: "failed" in admin.machine.run("systemctl is-active salt-master", status=None), "the end", every=0.5
    )
    assert admin.machine.run("ss -Hltnp 'sport = :8000'") == ""
    admin.does("systemctl start salt-master")
    with admin.client() as client:
        assert client.ask("ping")


def test_the_engine_writes_to_the_new_log_after_logrotate(admin: Admin) -> None:
    """What it logs after the rotation, here that a client speaks no TLS, is in the new file."""
    admin.does("logrotate --force /etc/logrotate.d/salt-common")
    assert "websocket_api" in admin.machine.run("zcat /var/log/salt/master.1.gz")
    log = "/var/log/salt/master"
    assert "HTTP_REQUEST" not in admin.machine.read(log)
    with admin.client() as client:
        with socket.create_connection(("127.0.0.1", 8000), timeout=30) as plain:
            plain.sendall(b"GET / HTTP/1.0\r\n\r\n")
            wait_until(lambda: "HTTP_REQUEST" in admin.machine.read(log), "the engine's line in the new log")
        assert client.ask("ping")


def test_a_reload_of_systemd_disturbs_nobody(admin: Admin) -> None:
    """``systemctl daemon-reload`` and another service's package do that; connections stay."""
    with admin.client() as client:
        admin.does("systemctl daemon-reload")
        assert client.ask("ping")


def test_a_second_run_changes_nothing(admin: Admin) -> None:
    """Every state is content, and the master is not restarted."""
    before = admin.master_pid
    outcomes = admin.apply()
    assert failed(outcomes) == changed(outcomes) == set()
    assert admin.master_pid == before


def test_a_changed_option_takes_effect_without_a_restart(admin: Admin) -> None:
    """Clients get 1012, and find the new option; the master runs on."""
    before = admin.master_pid
    with admin.client() as client:
        outcomes = admin.apply({"options": {"clients": ["local"]}})
        assert closed(client) == 1012
    assert failed(outcomes) == set()
    assert changed(outcomes) == {"websocket_api_config", "websocket_api_reloaded"}
    assert admin.master_pid == before
    with admin.client() as client, pytest.raises(Refused):
        client.ask("runner", fun="manage.versions", mode="sync", patience=60)
    assert failed(admin.apply()) == set()
    assert admin.master_pid == before


def test_a_changed_permission_takes_effect_with_one_restart(admin: Admin) -> None:
    """The master reads ``external_auth`` at its start only."""
    before = admin.master_pid
    with admin.client() as client:
        outcomes = admin.apply({"external_auth": {"pam": {"carol": ["test.ping"]}}})
        assert closed(client) == 1012
    assert failed(outcomes) == set()
    assert changed(outcomes) == {"websocket_api_config", "websocket_api_restart", "websocket_api_master"}
    assert admin.master_pid != before
    assert failed(admin.apply()) == set()


def test_a_release_that_does_not_work_is_refused(admin: Admin) -> None:
    """The run says why. The engine serves on, with its connections, and serves again after its process was killed."""
    before, server = admin.master_pid, "/srv/websocket_api/_engines/websocket_api/server.py"
    whole = admin.machine.read(server)
    admin.machine.append(server, "this is no Python\n")
    with admin.client() as client:
        outcomes = admin.apply()
        assert client.ask("ping")
    admin.machine.write(server, whole)
    assert "websocket_api_reloaded" in failed(outcomes)
    assert "the running engine stays: SyntaxError" in outcomes["websocket_api_reloaded"]["comment"]
    admin.does(f"kill -9 {admin.engine_pid}")
    with admin.client() as client:
        assert client.ask("ping")
    assert admin.master_pid == before
    copy = "/var/cache/salt/master/extmods/engines/websocket_api/server.py"
    assert admin.machine.run(f"stat --format=%U {copy}").strip() == "salt"
    assert failed(admin.apply()) == set()


def test_a_master_that_does_not_come_up_gets_its_configuration_back(admin: Admin) -> None:
    """The run fails, says so, and the API serves with what served before."""
    before = admin.machine.read(CONF)
    outcomes = admin.apply({"master_config": {"transport": "none"}, "service": {"seconds": 20}})
    assert "websocket_api_answers" in failed(outcomes) or "websocket_api_master" in failed(outcomes)
    print(json.dumps({name: outcomes[name]["comment"] for name in failed(outcomes)}, indent=2))
    assert admin.machine.read(CONF) == before
    with admin.client() as client:
        assert client.ask("ping")


def test_clean_takes_all_away(admin: Admin) -> None:
    """The engine, the runner and the configuration are gone; the master runs on without the API."""
    (command,) = [step.command for step in steps("Uninstall")]
    shown = admin.does(command)
    assert re.search(r"^Failed: +0$", shown, re.MULTILINE), shown
    assert admin.machine.run("systemctl is-active salt-master").strip() == "active"
    assert admin.machine.run("ss -Hltnp 'sport = :8000'") == ""
    left = admin.machine.run(
        "find /etc/salt /var/cache/salt/master/extmods -name '*websocket_api*' | grep -v /pki/", status=None
    )
    assert left == ""


def test_nothing_of_a_machine_is_left() -> None:
    """After its end there is no process, mount, network interface, control group or folder of it."""

    def here() -> tuple[str, list[str]]:
        return Path("/proc/self/mounts").read_text(encoding="utf-8"), sorted(
            path.name for path in Path("/sys/class/net").iterdir()
        )

    before = here()
    machine = Machine("short")
    try:
        machine.start()
        pid = machine.pid
        assert machine.run("hostname; readlink /proc/1/exe").split() == ["short", "/usr/lib/systemd/systemd"]
    finally:
        machine.stop()
    assert here() == before
    assert not Path(f"/proc/{pid}").exists()
    assert not machine.cgroup.exists()
    assert not machine.mounted.exists()
