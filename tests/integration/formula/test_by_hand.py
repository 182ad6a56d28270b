"""The section *By hand* of docs/install.md: its commands and files install an engine on a fresh host.

The test replaces folders, service manager, port, account and address of the repository by those of the test host.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shlex
import subprocess
from collections.abc import Iterator

import pytest

from tests.client import Client, Refused
from tests.integration.conftest import CHECKOUT
from tests.integration.formula.ground import account, installed, onedir, system_python
from tests.integration.formula.host import APPLY_SECONDS, Host, host
from tests.integration.formula.page import ADDRESS, Step, steps

pytestmark = [
    pytest.mark.slow,
    pytest.mark.costly,
    pytest.mark.both_lines,
    pytest.mark.timeout(600),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can make accounts"),
    pytest.mark.skipif(system_python() is None, reason="this machine has no Python that every user may run"),
    pytest.mark.skipif(not (CHECKOUT / ".git").exists(), reason="this is no clone of the repository"),
]

PERSON, PASSWORD = f"wsh{os.getpid()}", secrets.token_hex(8)
SECTION = "By hand"


class ByHand:
    """A host on which an admin follows the page.

    :param made: the host, on which nothing runs yet
    """

    def __init__(self, made: Host) -> None:
        self.host = made
        self.printed: list[str] = []
        """What each command printed."""

    def follow(self, step: Step) -> None:
        """Follow one step of the page."""
        if step.file is None:
            self.run(step.command)
        elif "engines" in step.file:
            self.host.write("master.d/websocket_api.conf", self._here(step.file))
        else:
            main = json.loads((self.host.config / "master").read_text(encoding="utf-8"))
            self.host.write("master", {**main, **self._here(step.file)})

    def _here(self, file: dict[str, object]) -> dict[str, object]:
        """Return a text of the page, changed for this host."""
        text = json.dumps(file).replace("/srv/", f"{self.host.root}/srv/").replace('"alice"', f'"{PERSON}"')
        made: dict[str, object] = json.loads(text)
        for engine in made.get("engines", []):  # type: ignore[attr-defined]
            engine["websocket_api"]["port"] = self.host.port
        return made

    def run(self, command: str) -> None:
        """Run a command of the page; it must succeed."""
        program, *arguments = shlex.split(command)
        salt = {"salt-run": [*self.host.salt("salt-run"), "-c", str(self.host.config), "--out=json"]}
        known = {
            **salt,
            "git": ["git"],
            "salt-pip": [str(self.host.python.parents[1] / "salt-pip")],
            "systemctl": [str(self.host.restart)],
        }
        if program == "systemctl":
            assert arguments == ["restart", "salt-master"]
            arguments = []
        if program == "git":
            arguments = [{ADDRESS: str(CHECKOUT)}.get(one, one) for one in arguments]
            arguments = [one.replace("/srv/", f"{self.host.root}/srv/") for one in arguments]
        ran = subprocess.run(
            [*known[program], *arguments], capture_output=True, text=True, timeout=APPLY_SECONDS, check=False
        )
        assert ran.returncode == 0, f"{command}\n{ran.stdout}\n{ran.stderr}"
        self.printed.append(ran.stdout)


@pytest.fixture(scope="module")
def by_hand() -> Iterator[ByHand]:
    """A host on which all steps of the page were followed."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(account(PERSON, PASSWORD))
        made = stack.enter_context(host(stack.enter_context(onedir())))
        made.log_file.touch()
        admin = ByHand(made)
        assert not installed(made.python, "jsonschema")
        for step in steps(SECTION):
            admin.follow(step)
        yield admin


def test_the_page_has_the_steps_that_are_followed() -> None:
    """Each kind of step is found, so that none is skipped silently."""
    commands = [step.command for step in steps(SECTION) if step.command]
    starts = ["git clone", "systemctl restart", "salt-pip install", "salt-run saltutil.sync_engines"]
    assert [command.startswith(start) for command, start in zip(commands, starts, strict=False)] == [True] * len(starts)
    assert commands[4:] == [
        "salt-run saltutil.sync_runners",
        "systemctl restart salt-master",
        "salt-run websocket_api.status",
    ]
    assert len([step for step in steps(SECTION) if step.file]) == 2


def test_the_engine_and_the_runner_come_from_the_clone(by_hand: ByHand) -> None:
    """The master's own cache has them, and no other files were written."""
    synced = by_hand.host.root / "var" / "cache" / "salt" / "master" / "extmods"
    assert (synced / "engines" / "websocket_api" / "__init__.py").is_file()
    assert (synced / "runners" / "websocket_api.py").is_file()


def test_the_account_of_the_page_can_do_what_the_page_grants(by_hand: ByHand) -> None:
    """It logs in over PAM, only with the right password, runs runners, and reads jobs."""
    with by_hand.host.client(None, tls=False) as client:
        assert client.login(PERSON, PASSWORD, eauth="pam", patience=60)["perms"] == [".*", "@runner", "@jobs"]
        assert client.ask("runner", fun="manage.versions", mode="sync") is not None
        assert client.ask("list_jobs") is not None
        with pytest.raises(Refused, match="forbidden"):
            client.ask("wheel", fun="key.list_all")
    with Client(by_hand.host.url.replace("wss:", "ws:")) as client, pytest.raises(Refused, match="unauthenticated"):
        client.login(PERSON, "wrong", eauth="pam", patience=60)


def test_the_status_command_of_the_page_names_the_running_engine(by_hand: ByHand) -> None:
    """After the start, with the address and the version."""
    by_hand.host.client(None, tls=False).close()
    status = by_hand.host.runs("salt-run", "websocket_api.status")
    assert status["listening"] is status["engine"] is True
    assert status["port"] == by_hand.host.port
    assert status["version"]
