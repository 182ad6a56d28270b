"""The runner ``websocket_api.status`` in Salt's own loader, without a running engine."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

salt_config = pytest.importorskip("salt.config")
salt_loader = pytest.importorskip("salt.loader")

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.fixture
def status(tmp_path: Path) -> Callable[[Any], Any]:
    """Run the runner as a master whose config has these engines."""

    def run(engines: Any) -> Any:
        opts = salt_config.master_config(None)
        opts.update(root_dir=str(tmp_path), extension_modules=str(tmp_path / "extmods"), engines=engines)
        opts.update(cachedir=str(tmp_path / "cache"), runner_dirs=[str(CHECKOUT / "_runners")])
        return salt_loader.runner(opts)["websocket_api.status"]()

    return run


@pytest.fixture
def stranger() -> Iterator[int]:
    """The port of a program that speaks first, and not HTTP."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()

        def greet() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with connection:
                        connection.sendall(b"220 welcome\r\n")

        thread = threading.Thread(target=greet, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5)


def test_an_engine_that_does_not_listen_is_told(status: Callable[[Any], Any]) -> None:
    """Where nobody listens the status says so, with the reason and with the options as they are."""
    with socket.socket() as taken_by_nobody:
        taken_by_nobody.bind(("127.0.0.1", 0))
        port = taken_by_nobody.getsockname()[1]
        found = status([{"websocket_api": {"port": port}}])
    assert "refused" in found.pop("error")
    expected = {"address": "127.0.0.1", "port": port, "tls": False, "listening": False, "engine": False}
    assert found == {**expected, "version": None}


@pytest.mark.parametrize("tls", [False, True])
def test_another_program_on_the_port_is_not_taken_for_the_engine(
    status: Callable[[Any], Any], stranger: int, tls: bool
) -> None:
    """A port that another program has taken is the usual reason for an engine that does not answer."""
    options = {"port": stranger, "address": "0.0.0.0", "ssl_crt": "/etc/crt" if tls else None}
    found = status([{"websocket_api": options}])
    assert (found["listening"], found["engine"], found["tls"]) == (True, False, tls)
    assert found["error"]


def test_an_engine_under_another_name_is_found(status: Callable[[Any], Any]) -> None:
    """Salt lets an engine be configured under any name, with `engine_module` saying what it is."""
    assert status(["test", {"api": {"engine_module": "websocket_api", "port": 1}}])["port"] == 1


@pytest.mark.parametrize(
    "function",
    [["websocket_api.status"], ["websocket_api.serves", "https://127.0.0.1:1/", "seconds=0.1"]],
    ids=["status", "serves"],
)
def test_the_command_line_shows_a_failure_as_plain_text(tmp_path: Path, function: list[str]) -> None:
    """With the cause, exit code 1, and no traceback."""
    for folder in ("run/salt/master", "cache/salt/master/proc", "log/salt"):
        (tmp_path / "var" / folder).mkdir(parents=True)
    (tmp_path / "etc/salt/pki/master").mkdir(parents=True)
    config = {"root_dir": str(tmp_path), "runner_dirs": [str(CHECKOUT / "_runners")], "user": tmp_path.owner()}
    (tmp_path / "master").write_text(json.dumps(config))
    code = "import sys; from salt.scripts import salt_run as run; sys.argv[0] = 'salt-run'; run()"
    command = [sys.executable, "-c", code, "-c", str(tmp_path), "-l", "quiet", *function]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert answer.returncode == 1
    assert "Traceback" not in answer.stdout
    assert "the master's configuration has no engine" in answer.stdout or "does not serve" in answer.stdout


@pytest.mark.parametrize("engines", [None, [], ["test", {"logstash": {"port": 1}}]])
def test_a_master_without_the_engine_is_an_error(status: Callable[[Any], Any], engines: Any) -> None:
    """Without the engine in the master config there is nothing to look at."""
    with pytest.raises(Exception, match="has no engine websocket_api"):
        status(engines)
