"""The programs in ``examples/``, run as their README says, on a real master with two minions."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.client import PATIENCE, Client
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).parents[2] / "examples"
PROGRAMS = {".py": [sys.executable], ".mjs": ["node", "--experimental-websocket"], ".sh": ["bash"]}


@pytest.fixture
def environment(engine_url: str, engine_port: int) -> dict[str, str]:
    """The environment that examples/README.md describes."""
    account = {"SALT_USER": "demo", "SALT_PASSWORD": "demo", "SALT_EAUTH": "sharedsecret"}
    return os.environ | account | {"SALT_URL": f"http://127.0.0.1:{engine_port}"}


@pytest.fixture
def run(environment: dict[str, str]) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run an example to its end: ``run("run_command.py", "*", "test.ping")``."""

    def run(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [*PROGRAMS[Path(name).suffix], str(EXAMPLES / name), *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=90, check=False)

    return run


@contextmanager
def following(name: str, environment: dict[str, str], *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run an example that ends only when it is stopped."""
    command = [*PROGRAMS[Path(name).suffix], str(EXAMPLES / name), *arguments]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_every_program_of_the_readme_exists_and_every_program_is_in_it() -> None:
    """The README does not list the helper module, which is not a program."""
    readme = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    programs = {path.name for path in EXAMPLES.iterdir() if path.suffix in PROGRAMS} - {"salt_connection.py"}
    assert programs == {name for name in programs if f"[{name}]({name})" in readme}
    assert len(programs) == 6


def test_run_command_prints_what_each_minion_returned(run: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    """It exits with 1 if a minion failed."""
    ran = run("run_command.py", "minion-*", "test.echo", "hello")
    assert (ran.stdout, ran.returncode) == ('minion-1: returned: "hello"\nminion-2: returned: "hello"\n', 0), ran.stderr
    assert run("run_command.py", "minion-1", "test.no_such_function").returncode == 1


def test_run_command_prints_the_error_of_a_refused_command(
    run: Callable[..., subprocess.CompletedProcess[str]], environment: dict[str, str]
) -> None:
    """The output has the error's code."""
    environment["SALT_USER"] = "viewer"
    ran = run("run_command.py", "*", "cmd.run", "id")
    assert ran.stderr.startswith("forbidden: ")
    assert ran.returncode == 1


def test_follow_job_prints_each_minion_and_the_end(run: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    """The last line names the state of the whole job."""
    ran = run("follow_job.py", "minion-*", "test.sleep", "1")
    assert {"minion-1: returned", "minion-2: returned"} <= set(ran.stdout.splitlines()), ran
    assert ran.stdout.splitlines()[-1].endswith(": complete")
    assert ran.returncode == 0


def test_follow_events_prints_events_of_a_tag(environment: dict[str, str], demo: Client) -> None:
    """It prints one line for each event, and no events with other tags."""
    with following("follow_events.py", environment, "followed/") as process:
        assert _first_line(process, demo).startswith("followed/tag {")


def test_events_over_http_ends_after_the_count_that_it_is_given(environment: dict[str, str], demo: Client) -> None:
    """Node.js reads the stream of server-sent events."""
    with following("events.mjs", environment, "3") as process:

        def has_ended() -> bool:
            demo.ask("event", tag="example/http", body={"one": 1})
            with suppress(subprocess.TimeoutExpired):
                process.wait(0.2)
            return process.poll() is not None

        wait_until(has_ended, "the end of the program")
        output, errors = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, errors
        assert len(output.splitlines()) == 3
        assert any(line.startswith("example/http {") for line in output.splitlines())


def test_live_fleet_prints_minions_and_the_states_of_jobs(environment: dict[str, str], demo: Client) -> None:
    """It shows a job that starts while it runs, and both minions."""
    with following("live_fleet.mjs", environment) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        while "minions are connected" not in line:
            assert line
            line = process.stdout.readline()
        assert int(line.split()[2]) >= 2
        jid = demo.ask("cmd", fun="test.echo", tgt="minion-*", arg=["live"])["jid"]
        while not line.startswith(f"{jid} complete test.echo: 2 of 2 returned"):
            line = process.stdout.readline()
            assert line


def test_live_fleet_prints_the_error_of_a_refused_login(environment: dict[str, str]) -> None:
    """It exits with 1, without a stack."""
    environment["SALT_PASSWORD"] = "wrong"
    with following("live_fleet.mjs", environment) as process:
        output, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, output) == (1, "")
    assert errors.splitlines()[-1].startswith("unauthenticated: ")


def test_rolling_restart_reports_progress_until_the_batch_has_ended(
    run: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    """It exits with 0 if every request succeeded, and with 1 if one failed."""
    ran = run("rolling_restart.sh", "minion-*", "test.ping")
    assert ran.stdout.splitlines()[-1:] == ["100 % resolved"], ran
    assert ran.returncode == 0
    assert run("rolling_restart.sh", "minion-1", "test.no_such_function").returncode == 1


def test_a_program_that_follows_ends_at_control_c(environment: dict[str, str], demo: Client) -> None:
    """It prints no traceback."""
    with following("follow_events.py", environment, "followed/") as process:
        _first_line(process, demo)  # while Python starts, it has a traceback of its own
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert "Traceback" not in errors


def _first_line(process: subprocess.Popen[str], demo: Client) -> str:
    """Return the first line: the program prints nothing when it has subscribed, so events are fired until then."""
    assert process.stdout is not None

    def has_arrived() -> bool:
        demo.ask("event", tag="other/tag", body={})
        demo.ask("event", tag="followed/tag", body={})
        return _readable(process, 0.2)

    wait_until(has_arrived, "the first event")
    return process.stdout.readline()


def _readable(process: subprocess.Popen[str], seconds: float) -> bool:
    """Return whether the program prints something within this time."""
    import select

    return bool(select.select([process.stdout], [], [], seconds)[0])
