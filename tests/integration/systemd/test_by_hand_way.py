"""docs/install.md, *By hand*, followed word by word on a machine with systemd and the master as user ``salt``."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.client import Refused
from tests.integration.formula.page import section
from tests.integration.systemd.admin import PASSWORD, Admin, admin_of_new_host, needs_machine

pytestmark = needs_machine


@pytest.fixture(scope="module")
def admin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Admin]:
    """An admin who has followed the section, and has put the master's user into the group as it says."""
    with admin_of_new_host(tmp_path_factory.mktemp("layer")) as made:
        (command,) = re.findall(r"`(usermod [^`]+)`", section("By hand"))
        made.does(command)
        made.follow("By hand")
        yield made


def test_each_command_of_the_page_does_what_it_says(admin: Admin) -> None:
    """The last command names the running engine; it waits until the engine listens, and may be run again."""
    assert list(admin.printed)[-1] == "salt-run websocket_api.status"
    assert re.search(r"^engine:\n +True$", admin.status(), re.MULTILINE)


def test_the_account_of_the_page_can_do_what_the_page_grants(admin: Admin) -> None:
    """PAM accepts the right password only, asked by a master that is not root."""
    assert admin.machine.run(f"ps -o user= -p {admin.engine_pid}").strip() == "salt"
    with admin.client(None) as client:
        made = client.login("alice", PASSWORD, eauth="pam", patience=60)
        assert made["perms"] == [".*", "@runner", "@jobs"]
        assert client.ask("runner", fun="manage.versions", mode="sync", patience=60) is not None
    with admin.client(None) as client, pytest.raises(Refused, match="unauthenticated"):
        client.login("alice", "wrong", eauth="pam", patience=60)
