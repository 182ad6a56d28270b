"""After the Vagrantfile's provisioning script, which runs here, the commands of the first document work as printed."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.conftest import CHECKOUT
from tests.integration.formula.ground import account, needs_services, service
from tests.integration.formula.host import Host, host
from tests.support.waiting import wait_until

ACCOUNT = "vagrant"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.costly,
    pytest.mark.both_lines,
    pytest.mark.timeout(600),
    *needs_services,
    pytest.mark.skipif(f"\n{ACCOUNT}:" in Path("/etc/passwd").read_text(), reason="this machine is a Vagrant box"),
]

SNIPPET = """\
import json
from websocket import create_connection
ws = create_connection("ws://127.0.0.1:8000/")
m = {'type': 'auth', 'username': 'vagrant', 'password': 'vagrant'}
ws.send(json.dumps(m))
ws.recv()
"""


@pytest.fixture(scope="module")
def provisioned() -> Iterator[Host]:
    """A host on which tools/provision.sh ran, with the host's own services, ports and paths."""
    minion_pid = {"pidfile": ""}
    with contextlib.ExitStack() as stack:
        stack.enter_context(account(ACCOUNT, ACCOUNT))
        made = stack.enter_context(host())
        minion_pid["pidfile"] = str(made.root / "run" / "minion.pid")
        made.write("minion.d/pid.conf", minion_pid)
        master = stack.enter_context(service(made, "salt-master", made.pid_file))
        minion = stack.enter_context(service(made, "salt-minion", Path(minion_pid["pidfile"])))
        pillar = {"websocket_api": {"options": {"port": made.port}, "service": {"name": master}}}
        redirected = {
            "PROJECT": str(made.files),
            "SALT_ETC": str(made.config),
            "SALT_SRV": str(made.root / "srv"),
            "SALT_CALL": f"{sys.prefix}/bin/salt-call -c {made.config}",
            "MINION_SERVICE": minion,
        }
        script = [CHECKOUT / "tools" / "provision.sh", "master", "master1", "127.0.0.1"]
        answer = subprocess.run(
            [*script, f"pillar={json.dumps(pillar)}"],
            env={**os.environ, **redirected},
            stdin=subprocess.DEVNULL,
            stdout=(made.root / "provision.out").open("wb"),
            stderr=subprocess.STDOUT,
            timeout=400,
            check=False,
        )
        assert answer.returncode == 0, (made.root / "provision.out").read_text()[-3000:]
        yield made


def typed(command: list[str], answers: dict[str, str], home: Path) -> str:
    """Run a command in a terminal, answer its questions, and return its whole output."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ["HOME"] = str(home)
        os.execv(command[0], command)
    shown, deadline = "", time.monotonic() + 120
    open_questions = dict(answers)
    while time.monotonic() < deadline:
        if not select.select([terminal], [], [], 1)[0]:
            continue
        try:
            part = os.read(terminal, 4096)
        except OSError:  # the command ended
            break
        shown += part.decode(errors="replace")
        for question in [one for one in open_questions if one in shown]:
            os.write(terminal, f"{open_questions.pop(question)}\n".encode())
    os.close(terminal)
    os.waitpid(pid, 0)
    return re.sub(r"\x1b\[[0-9;]*m", "", shown)  # without the colours


def test_salts_own_command_line_works_as_printed(provisioned: Host) -> None:
    """``salt -T -a pam '*' test.ping`` accepts vagrant as name and password, and the minion on this host answers."""
    command = [f"{sys.prefix}/bin/salt", "-c", str(provisioned.config), "-T", "-a", "pam", "*", "test.ping"]

    def answered() -> bool:
        shown = typed(command, {"username:": ACCOUNT, "password:": ACCOUNT}, provisioned.root)
        return "master1:" in shown and "True" in shown

    wait_until(answered, "the ping's answer", timeout=150)


def test_the_first_python_snippet_works_as_printed(provisioned: Host) -> None:
    """The Python example of the first document logs in over the forwarded port."""
    wait_until(lambda: provisioned.client(None, tls=False).close() is None, "the engine listening")
    lines = SNIPPET.replace(":8000/", f":{provisioned.port}/").replace("ws.recv()", "print(ws.recv())")
    answer = subprocess.run([sys.executable, "-c", lines], capture_output=True, text=True, timeout=60, check=True)
    token = json.loads(answer.stdout)
    assert (token["user"], token["eauth"], token["perms"][0]) == (ACCOUNT, "pam", ".*")
    assert set(token) == {"username", "name", "perms", "start", "token", "expire", "user", "eauth"}
