"""The runner ``websocket_api`` in Salt's own loader: ``status`` and ``serves``, with and without an engine."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as StillRuns
from pathlib import Path
from typing import Any

import pytest

salt_config = pytest.importorskip("salt.config")
salt_loader = pytest.importorskip("salt.loader")

from tests.functional.running import CHECKOUT, SECRET, Engine  # noqa: E402
from tests.support.buses import Publisher  # noqa: E402


@pytest.fixture
def runners(tmp_path: Path) -> Callable[..., Any]:
    """Load the runners of a master whose configuration has these engines."""

    def load(engines: Any, **more: Any) -> Any:
        opts = salt_config.master_config(None)
        opts.update(root_dir=str(tmp_path), extension_modules=str(tmp_path / "extmods"), engines=engines)
        opts.update(cachedir=str(tmp_path / "cache"), runner_dirs=[str(CHECKOUT / "_runners")])
        opts.update(more)
        return salt_loader.runner(opts)

    return load


@pytest.fixture
def status(runners: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Run ``status`` on a master whose configuration has these engines."""
    return lambda engines: runners(engines)["websocket_api.status"](wait=0)


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


def test_an_engine_that_does_not_listen_is_reported(status: Callable[[Any], Any]) -> None:
    """The status names the options and the reason, and where to look."""
    with socket.socket() as taken_by_nobody:
        taken_by_nobody.bind(("127.0.0.1", 0))
        port = taken_by_nobody.getsockname()[1]
        found = status([{"websocket_api": {"port": port}}])
    error = found.pop("error")
    assert error.startswith("nothing listens ([Errno 111] Connection refused")
    assert error.endswith("look for websocket_api in the master's log")
    expected = {"address": "127.0.0.1", "port": port, "tls": False, "listening": False, "engine": False}
    assert found == {**expected, "health": None, "version": None}


def test_the_status_waits_for_an_engine_that_starts(runners: Callable[..., Any]) -> None:
    """Right after a restart of the master nothing listens yet; the first answer counts."""
    with socket.socket() as late:
        late.bind(("127.0.0.1", 0))
        port = late.getsockname()[1]
        run = runners([{"websocket_api": {"port": port}}])["websocket_api.status"]
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(run, wait=60)
            with pytest.raises(StillRuns):
                asked.result(1)  # it still waits
            late.listen()
            connection, _ = late.accept()
            with connection:
                connection.sendall(b"220 welcome\r\n")
            assert asked.result(60)["listening"] is True


def test_the_status_ends_after_its_time(runners: Callable[..., Any]) -> None:
    """A broken engine is reported, with the seconds that were waited."""
    with socket.socket() as taken_by_nobody:
        taken_by_nobody.bind(("127.0.0.1", 0))
        port = taken_by_nobody.getsockname()[1]
        found = runners([{"websocket_api": {"port": port}}])["websocket_api.status"](wait=0.6)
    assert found["listening"] is False
    assert found["error"].startswith("nothing listens after 0.6 s")


@pytest.mark.parametrize("tls", [False, True])
def test_another_program_on_the_port_is_not_taken_for_the_engine(
    status: Callable[[Any], Any], stranger: int, tls: bool
) -> None:
    """This is the usual reason why an engine does not answer."""
    options = {"port": stranger, "address": "0.0.0.0", "ssl_crt": "/etc/crt" if tls else None}
    found = status([{"websocket_api": options}])
    assert (found["listening"], found["engine"], found["tls"]) == (True, False, tls)
    assert found["error"]


def test_an_engine_under_another_name_is_found(status: Callable[[Any], Any]) -> None:
    """Salt allows any name for an engine; ``engine_module`` says which module it is."""
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
    """The message says what is missing in the configuration."""
    with pytest.raises(Exception, match="has no engine websocket_api"):
        status(engines)


@pytest.fixture(scope="module")
def engine(run_engine: Callable[..., Engine]) -> Iterator[Engine]:
    """A healthy engine: it is connected to a bus."""
    engine = run_engine()
    with contextlib.closing(Publisher(engine.sock_dir)) as bus:
        bus.send(("first", {}))
        yield engine


def test_a_running_engine_is_found(runners: Callable[..., Any], engine: Engine) -> None:
    """The status has its address, port and version, and says that it is this engine."""
    runner = runners([{"websocket_api": {"port": engine.port}}], engines_dirs=[str(CHECKOUT / "_engines")])
    works = {"status": "ok"}
    assert runner["websocket_api.status"]() == {
        "address": "127.0.0.1",
        "port": engine.port,
        "tls": False,
        "listening": True,
        "engine": True,
        "error": None,
        "health": {**works, "parts": {"bus": works, "disk": works, "tokens": works, "store": works}},
        "version": (CHECKOUT / "schemas" / "VERSION").read_text().strip(),
    }


@pytest.fixture
def password_file(tmp_path: Path) -> Path:
    """A file with the right password."""
    path = tmp_path / "password"
    path.write_text(f"{SECRET}\n")
    return path


@pytest.fixture
def serves(runners: Callable[[Any], Any], engine: Engine, password_file: Path) -> Callable[[], Any]:
    """Run ``serves`` with a login."""
    login = {"username": "demo", "password_file": str(password_file), "eauth": "sharedsecret", "seconds": 120}
    return lambda: runners([])["websocket_api.serves"](f"http://127.0.0.1:{engine.port}/", **login)


def test_an_engine_that_accepts_a_login_serves(serves: Callable[[], Any]) -> None:
    """A rollout checks this of each master: its health, and a login with a password from a file."""
    assert "is healthy and takes the login of demo" in serves()


def test_a_refused_login_is_not_repeated(serves: Callable[[], Any], password_file: Path) -> None:
    """A wrong or missing password ends the check at once: accounts are locked after several wrong ones."""
    began = time.monotonic()
    password_file.write_text("wrong")
    with pytest.raises(Exception, match="does not serve: the login is refused: unauthenticated"):
        serves()
    password_file.unlink()
    with pytest.raises(Exception, match="the password cannot be read"):
        serves()
    assert time.monotonic() - began < 90, "it used up the whole time"
