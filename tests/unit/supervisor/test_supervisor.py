"""The supervisor with real processes, but without Salt and without the engine."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from websocket_api.supervisor.supervisor import MAX_RETIRING

from tests.ports import free_port
from tests.support.processes import ended
from tests.support.waiting import is_open, wait_until

CHECKOUT = Path(__file__).parents[3]
PACKAGE = CHECKOUT / "_engines" / "websocket_api"
SERVICE = Path(__file__).with_name("service.py")
NOBODY = 65534


class Service:
    """A supervisor and its serving process.

    :param folder: where its files are
    :param engines: the folder with the code of the supervisor
    """

    def __init__(self, folder: Path, engines: Path) -> None:
        self.port = free_port()
        self.log_file = folder / "log"
        self._mode = folder / "mode"
        self.mode("serve")
        self.control = folder / "control"
        self.command = [sys.executable, str(SERVICE), str(self.port), str(self._mode), str(self.control)]
        self.environment = {**os.environ, "PYTHONPATH": str(engines)}
        self.process: subprocess.Popen[bytes] | None = None

    def mode(self, mode: str) -> None:
        """Set what the next serving process does."""
        self._mode.write_text(mode, encoding="utf-8")

    def start(self, command: list[str] | None = None) -> None:
        """Start the supervisor."""
        with self.log_file.open("wb") as log:
            self.process = subprocess.Popen(command or self.command, stderr=log, env=self.environment)

    @property
    def log(self) -> str:
        """Everything that was logged."""
        return self.log_file.read_text(encoding="utf-8")

    def serving(self, starts: int = 1) -> int:
        """Return the process that serves after this number of starts."""
        wait_until(lambda: self.log.count(" networks") >= starts, f"start {starts}")
        return int(re.findall(r"serves (\d+)", self.log)[-1])

    def ask(self) -> int:
        """Connect to whatever serves, and return its process id."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as client:
            return int(client.recv(16))

    def children(self) -> list[str]:
        """Return the serving processes."""
        assert self.process is not None
        return Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text(encoding="utf-8").split()

    def request(self) -> socket.socket:
        """Request a reload; the answer can be read from the socket."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        connection.settimeout(60)
        connection.connect(str(self.control))
        connection.sendall(b"reload")
        return connection

    def reload(self) -> dict[str, Any]:
        """Request a reload and return the answer."""
        with self.request() as connection:
            answer: dict[str, Any] = json.loads(connection.recv(65_536))
            return answer

    def stop(self) -> None:
        """Stop the supervisor as Salt does, and wait for its end."""
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError):
            self.process.terminate()
        self.process.wait(30)

    def kill(self) -> None:
        """Kill the supervisor."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(30)


@pytest.fixture
def engines(tmp_path: Path) -> Path:
    """A folder with the engine's first file and the supervisor's: more is not loaded."""
    target = tmp_path / "engines" / "websocket_api"
    shutil.copytree(PACKAGE / "supervisor", target / "supervisor")
    shutil.copy(PACKAGE / "__init__.py", target)
    return target.parent


@pytest.fixture
def service(tmp_path: Path, engines: Path) -> Iterator[Service]:
    """A service that the test starts."""
    service = Service(tmp_path, engines)
    yield service
    if service.process is not None:
        service.process.kill()
        service.process.wait(30)


def test_the_supervisor_imports_the_standard_library_only(engines: Path) -> None:
    """It stays in memory for as long as the master runs, beside a serving process that has loaded everything."""
    code = "import sys, websocket_api.supervisor.supervisor; print(*{name.partition('.')[0] for name in sys.modules})"
    found = subprocess.run(
        [sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True, env={"PYTHONPATH": str(engines)}
    )
    assert set(found.stdout.split()) - {"websocket_api", "__main__"} <= sys.stdlib_module_names


@pytest.mark.parametrize(
    ("number", "level", "cause"),
    [
        (signal.SIGKILL, "ERROR", " (SIGKILL)"),
        (signal.SIGSEGV, "ERROR", " (SIGSEGV)"),
        (signal.SIGRTMIN, "ERROR", f" ({signal.Signals(signal.SIGRTMIN).name})"),
        (signal.SIGRTMIN + 1, "ERROR", f" (signal {signal.SIGRTMIN + 1})"),
    ],
)
def test_a_serving_process_that_dies_is_replaced(service: Service, number: int, level: str, cause: str) -> None:
    """No connection is refused meanwhile: it waits for the next process. The log names the cause."""
    service.start()
    first = service.serving()
    os.kill(first, number)
    wait_until(lambda: ended(first), "the end")
    assert service.ask() == service.serving(2) != first
    assert (
        f"{level} the serving process {first} of websocket_api has ended{cause}: another one is started" in service.log
    )


def test_a_process_that_dies_at_once_is_started_ever_more_slowly(service: Service) -> None:
    """One line says so; clients are refused meanwhile, and served again when the cause is gone."""
    service.start()
    first = service.serving()
    service.mode("die")
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: service.log.count("has ended (exit status 3)") >= 2, "the second end at once")
    assert not is_open(service.port)
    service.mode("serve")
    assert service.serving(2) == service.ask()
    assert service.log.count("ends at once: it is started every 10 s at least") == 1


def test_a_process_that_cannot_serve_yet_refuses_clients(service: Service) -> None:
    """Otherwise they would wait for as long as the obstacle is there."""
    service.start()
    first = service.serving()
    service.mode("wait")
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: "waits " in service.log, "the next process waiting")
    wait_until(lambda: not is_open(service.port), "the port being closed")


def test_sockets_for_other_options_are_not_kept(service: Service, tmp_path: Path) -> None:
    """A process with another port listens there only."""
    service.start()
    first = service.serving()
    other = free_port()
    code = SERVICE.read_text(encoding="utf-8").replace("int(sys.argv[1])", str(other))
    changed = tmp_path / "changed.py"
    changed.write_text(code, encoding="utf-8")
    service.kill()
    wait_until(lambda: ended(first), "the end")
    both = code.replace(
        f"serve(given, {other}",
        f"serve(given, {other} if 'serves' in open({str(service.log_file)!r}).read() else {service.port}",
    )
    changed.write_text(both, encoding="utf-8")
    service.start([sys.executable, str(changed), *service.command[2:]])
    first = service.serving()
    assert service.ask() == first
    os.kill(first, signal.SIGKILL)
    service.serving(2)
    wait_until(lambda: not is_open(service.port), "the old port being closed")
    assert is_open(other)


@pytest.mark.parametrize("hangs", [False, True])
def test_a_killed_supervisor_takes_the_serving_process_with_it(service: Service, hangs: bool) -> None:
    """Also one that is stopped: the next engine must find the port free."""
    service.start()
    serving = service.serving()
    if hangs:
        os.kill(serving, signal.SIGSTOP)
    service.kill()
    wait_until(lambda: ended(serving), "the end of the serving process")
    wait_until(lambda: not is_open(service.port), "the port being closed")


def test_a_killed_master_ends_both_processes(service: Service) -> None:
    """The kernel tells them nothing: the supervisor looks for its parent."""
    service.start([sys.executable, "-c", f"import subprocess; subprocess.run({service.command!r}, check=False)"])
    serving = service.serving()
    service.kill()
    wait_until(lambda: ended(serving), "the end of the serving process")
    wait_until(lambda: not is_open(service.port), "the port being closed")
    assert "CRITICAL the master is gone: websocket_api stops" in service.log


def test_a_stop_ends_both_processes(service: Service) -> None:
    """The end of the serving process is no crash then; SIGTERM may come more than once."""
    service.start()
    serving = service.serving()
    assert service.process is not None
    service.process.terminate()
    service.stop()
    assert ended(serving)
    assert "has ended" not in service.log
    assert service.process.returncode == 0


def test_a_serving_process_that_does_not_stop_is_killed(service: Service) -> None:
    """Salt kills the supervisor 5 s after SIGTERM; the port must be free then."""
    service.mode("hang")
    service.start()
    serving = service.serving()
    service.stop()
    assert ended(serving)
    assert f"ERROR the serving process {serving} of websocket_api does not stop: it is killed" in service.log


def test_a_stop_between_two_starts_does_not_wait_for_the_next_one(service: Service) -> None:
    """The wait may take ten seconds, and Salt gives five."""
    service.mode("die")
    service.start()
    wait_until(lambda: service.log.count("has ended") >= 3, "the third end")
    service.stop()
    assert service.log.count("has ended") == 3


def touch(folder: Path) -> None:
    """Change the supervisor's code on disk."""
    path = folder / "websocket_api" / "supervisor" / "restart.py"
    path.write_text(path.read_text(encoding="utf-8") + "CHANGED = True\n", encoding="utf-8")


def test_a_changed_supervisor_is_named_once(service: Service, engines: Path) -> None:
    """Its code stays in memory until the master restarts; it goes on for as long as the processes fit together."""
    service.start()
    service.serving()
    touch(engines)
    for starts in (1, 2):
        os.kill(service.serving(starts), signal.SIGKILL)
        service.serving(starts + 1)
    assert service.log.count("has changed on disk: restart the master to use it") == 1


def test_a_changed_supervisor_ends_if_the_serving_process_does_not_start(service: Service, engines: Path) -> None:
    """They may not fit together any more. Salt then starts both from disk."""
    service.start()
    first = service.serving()
    touch(engines)
    service.mode("die")
    os.kill(first, signal.SIGKILL)
    assert service.process is not None
    service.process.wait(30)
    assert "has changed: Salt starts it again within 10 s" in service.log


def test_a_reload_replaces_the_serving_process(service: Service) -> None:
    """Each time; the last one ends, and no connection is refused."""
    service.start()
    pids = [service.serving()]
    for starts in (2, 3):
        assert service.reload() == {"restart": []}
        pids.append(service.serving(starts))
        assert service.ask() == pids[-1]
        wait_until(lambda: ended(pids[-2]), "the end of the last process")
    assert len(set(pids)) == 3
    assert "has ended" not in service.log
    assert service.control.stat().st_mode & 0o777 == 0o600


def test_few_processes_stay_to_finish_their_requests(service: Service) -> None:
    """With one more the oldest is stopped. A stop ends all of them."""
    service.mode("stay")
    service.start()
    pids = [service.serving()]
    for starts in range(2, MAX_RETIRING + 4):
        assert service.reload() == {"restart": []}
        pids.append(service.serving(starts))
        kept = [str(pid) for pid in pids[-MAX_RETIRING - 1 :]]
        wait_until(lambda kept=kept: sorted(service.children()) == sorted(kept), "the end of the oldest process")
    service.stop()
    assert all(map(ended, pids))


@pytest.mark.parametrize(
    ("mode", "answer"),
    [
        ("fail", {"error": "the release is broken"}),
        ("differ", {"error": "the release is broken", "serves": False}),  # the formula restarts the master then
        ("die", {"error": "the new process has ended (exit status 3): look at the master's log"}),
    ],
)
def test_a_process_that_does_not_come_up_replaces_nothing(service: Service, mode: str, answer: dict[str, Any]) -> None:
    """The user who requested the reload learns why, and the next reload can work."""
    service.start()
    first = service.serving()
    service.mode(mode)
    assert service.reload() == answer
    assert service.ask() == first
    service.mode("serve")
    assert service.reload() == {"restart": []}
    assert service.ask() == service.serving(2)


@pytest.mark.parametrize("mode", ["stay", "hang"])
def test_a_process_that_dies_after_it_has_taken_over_is_replaced(service: Service, mode: str) -> None:
    """At once: the running one accepts no connections any more, and must not keep new clients waiting."""
    service.mode(mode)
    service.start()
    first = service.serving()
    service.mode("take")
    assert service.reload() == {
        "error": "the new process has ended (exit status 4): look at the master's log; "
        "the engine has lost its state and starts again",
        "stays": False,
    }
    assert service.ask() == service.serving(2) != first
    assert ended(first)
    service.mode("serve")
    assert service.reload() == {"restart": []}


def test_a_process_that_does_not_serve_in_time_is_killed(service: Service, engines: Path) -> None:
    """The user who requested the reload learns that it was too slow, and the log does not blame the running one."""
    code = engines / "websocket_api" / "supervisor" / "supervisor.py"
    code.write_text(re.sub("^RELOAD_SECONDS = 90", "RELOAD_SECONDS = 0", code.read_text(), flags=re.MULTILINE))
    service.start()
    first = service.serving()
    service.mode("sleep")
    assert "did not serve in time and was killed" in service.reload()["error"]
    assert service.ask() == first
    assert "does not serve in time: it is killed" in service.log
    assert "does not stop" not in service.log


def test_options_of_any_size_stay_after_a_reload(service: Service) -> None:
    """A list of networks in them may be long. A process that is started later gets them too."""
    service.start()
    service.serving()
    service.mode("large")
    assert service.reload() == {"restart": []}
    large = service.serving(2)
    service.mode("serve")
    os.kill(large, signal.SIGKILL)
    assert f"serves {service.serving(3)} with 80000 networks" in service.log


def test_one_reload_runs_at_a_time(service: Service) -> None:
    """A stop ends it, and answers the user who waits for it."""
    service.start()
    service.serving()
    service.mode("sleep")
    with service.request() as first:
        assert service.reload() == {"error": "another reload is under way"}
        service.stop()
        assert json.loads(first.recv(65_536)) == {"error": "the engine stops"}
    assert not is_open(service.port)
    assert not service.control.exists()


def test_nothing_is_reloaded_before_it_serves(service: Service) -> None:
    """There is no state to pass on; a process that is started runs the code on disk anyway."""
    service.mode("wait")
    service.start()
    wait_until(lambda: "waits " in service.log, "waiting")
    assert service.reload() == {"error": "the engine does not serve: look at the master's log", "serves": False}


def test_a_process_that_dies_during_a_reload_is_replaced_by_the_next_one(service: Service) -> None:
    """That one starts without its state, as after any crash."""
    service.start()
    first = service.serving()
    os.kill(first, signal.SIGSTOP)
    with service.request() as request:
        wait_until(lambda: len(service.children()) == 2, "the next process")
        os.kill(first, signal.SIGKILL)
        assert json.loads(request.recv(65_536)) == {"restart": []}
    assert service.ask() == service.serving(2) != first


def test_a_changed_supervisor_is_named_by_a_reload(service: Service, engines: Path) -> None:
    """Its code stays in memory."""
    service.start()
    service.serving()
    touch(engines)
    assert service.reload() == {
        "restart": ["the supervisor of websocket_api has changed on disk: restart the master to use it"]
    }


def test_a_release_with_the_same_supervisor_needs_no_restart(service: Service, engines: Path) -> None:
    """pip writes all files again, and each release has another number."""
    service.start()
    service.serving()
    for path in (engines / "websocket_api").rglob("*.py"):
        os.utime(path, (1, 1))
    own = engines / "websocket_api" / "__init__.py"
    own.write_text(re.sub(r"^(__version__ = ).*", r'\1"99.0.0.dev1"', own.read_text(), flags=re.MULTILINE))
    assert service.reload() == {"restart": []}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_other_users_cannot_reload(service: Service) -> None:
    """The file's mode keeps them out."""
    service.start()
    first = service.serving()
    folder = service.control.parent
    while folder != folder.parent:
        folder.chmod(folder.stat().st_mode | 0o011)
        folder = folder.parent
    os.seteuid(NOBODY)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection, pytest.raises(PermissionError):
            connection.connect(str(service.control))
    finally:
        os.seteuid(0)
    assert service.ask() == first
