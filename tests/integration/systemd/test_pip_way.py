"""docs/install.md, *By pip*, followed word by word on a machine with systemd and the master as user ``salt``.

The package is the wheel that `make release` builds. The tests of this file take one machine from the installation to
the section *Uninstall*, in order.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator

import pytest

from tests.client import Refused
from tests.integration.conftest import CHECKOUT
from tests.integration.formula.page import section
from tests.integration.formula.releases import build_release
from tests.integration.systemd.admin import CONF, HOST, PASSWORD, Admin, admin_of_new_host, closed, needs_machine
from tests.integration.systemd.salt_packages import ONEDIR, WHEELS

pytestmark = needs_machine

VERSION = (CHECKOUT / "schemas" / "VERSION").read_text().strip()


@pytest.fixture(scope="module")
def admin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Admin]:
    """An admin who has followed the section, and has put the master's user into the group as *By hand* says."""
    dist = build_release(tmp_path_factory.mktemp("release"))
    with admin_of_new_host(tmp_path_factory.mktemp("layer")) as made:
        (wheel,) = dist.glob("*.whl")
        shutil.copy(wheel, made.machine.root / WHEELS[1:])
        (command,) = re.findall(r"`(usermod [^`]+)`", section("By hand"))
        made.does(command)
        made.follow("By pip")
        yield made


def test_each_command_of_the_page_does_what_it_says(admin: Admin) -> None:
    """Pip installs the package and what it needs beside Salt's packages, and leaves Salt's own alone."""
    commands = list(admin.printed)[1:]
    assert [command.split()[0] for command in commands] == ["salt-pip", "systemctl", "salt-run"], commands
    installed = admin.machine.run(f"ls {ONEDIR}/extras-3.*")
    assert {"saltext", "jsonschema", "orjson"} <= set(installed.split())
    assert not {"salt", "tornado", "msgpack"} & set(installed.split()), "salt-pip installs no second Salt"
    status = admin.status()
    assert re.search(r"^engine:\n +True$", status, re.MULTILINE), status
    assert re.search(rf"^version:\n +{re.escape(VERSION)}$", status, re.MULTILINE), status


def test_the_account_of_the_page_can_do_what_the_page_grants(admin: Admin) -> None:
    """PAM accepts the right password only, a minion returns, and no synced engine is there."""
    assert admin.machine.run(f"ps -o user= -p {admin.engine_pid}").strip() == "salt"
    with admin.client(None) as client:
        assert client.login("alice", PASSWORD, eauth="pam", patience=60)["perms"] == [".*", "@runner", "@jobs"]
        job = client.ask("cmd", fun="test.ping", tgt=HOST, mode="sync", timeout=30, patience=60)
        assert job["minions"][HOST]["return"] is True
        assert client.ask("runner", fun="manage.versions", mode="sync", patience=60) is not None
    with admin.client(None) as client, pytest.raises(Refused, match="unauthenticated"):
        client.login("alice", "wrong", eauth="pam", patience=60)
    synced = "find /var/cache/salt/master/extmods -name 'websocket_api*'"
    assert "/engines/" not in admin.machine.run(synced, status=None), "only the package has the engine"


def test_the_minions_module_comes_with_the_package(admin: Admin) -> None:
    """On the master's own host it is there after the minion's restart; nothing is on the file server."""
    admin.does("systemctl restart salt-minion")
    assert "websocket_api.progress" in admin.machine.run("salt-call --local sys.list_functions websocket_api")
    assert "websocket_api" not in admin.machine.run("salt-run fileserver.file_list")


def test_a_restart_of_the_master_closes_with_1012(admin: Admin) -> None:
    """Clients get a close code to reconnect, and can log in again without any other command."""
    assert admin.restart()["version"] == VERSION


def test_an_upgrade_needs_no_restart(admin: Admin) -> None:
    """The commands of the page: pip writes all files again, and the reload replaces the engine below its clients."""
    install, reload = re.findall(r"\*\*By pip:\*\* `([^`]+)`, then `([^`]+)`", section("Upgrade"))[0]
    before = admin.master_pid
    with admin.client() as client:
        admin.does(f"{install} --force-reinstall --no-deps")
        assert re.search(r"^restart:\n", admin.does(reload), re.MULTILINE)
        assert closed(client) == 1012
    with admin.client() as client:
        assert client.ask("ping")["version"] == VERSION
    assert admin.master_pid == before


def test_uninstalled_it_leaves_a_master_without_the_api(admin: Admin) -> None:
    """After the commands of the page the master runs on, nothing listens, and the runner is gone."""
    (command,) = re.findall(r"`(salt-pip uninstall [^`]+)`", section("Uninstall"))
    admin.does(f"{command} --yes")
    admin.does(f"rm {CONF}")
    admin.does("systemctl restart salt-master")
    assert admin.machine.run("systemctl is-active salt-master").strip() == "active"
    assert admin.machine.run(f"find {ONEDIR}/extras-3.* -path '*saltext*' ! -type d") == ""
    assert admin.machine.run("ss -Hltnp 'sport = :8000'") == ""
    assert "is not available" in admin.machine.run("salt-run websocket_api.status", status=None)
