"""The true path of an installation: files on the file server, a sync, a restart, a client.

What is tested here is what the engine relies on Salt's loader and engine manager for, on each supported Salt line.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.client import Client
from tests.integration.conftest import CHECKOUT, START_TIMEOUT, master_config, running
from tests.integration.staging import Stage
from tests.ports import free_port
from tests.support.waiting import is_open, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.both_lines, pytest.mark.timeout(300)]

PORT = free_port()
PACKAGE = CHECKOUT / "_engines" / "websocket_api"


@pytest.fixture(scope="module")
def installed(salt_factories: Any, file_root: Path) -> Iterator[Any]:
    """A master that has the project on its file server only; the tests of this file take it from there, in order."""
    factory = salt_factories.salt_master_daemon("installed", overrides=master_config(file_root, PORT))
    with running(factory):
        yield factory


@pytest.fixture(scope="module")
def synced(installed: Any) -> Any:
    """The same master after `saltutil.sync_engines`, `sync_runners` and a restart."""
    assert not is_open(PORT), "the engine runs before it was synced"
    run = installed.salt_run_cli().run
    answers = [run("saltutil.sync_engines", _timeout=90), run("saltutil.sync_runners", _timeout=90)]
    with installed.stopped():
        pass
    wait_until(lambda: is_open(PORT), "the engine listening after the restart", START_TIMEOUT)
    return installed, answers


def engine_of(master: Any) -> psutil.Process:
    """Return the serving process."""
    return Stage(master, PORT).engine


def test_a_sync_brings_every_module_of_the_package(synced: Any) -> None:
    """`saltutil.sync_engines` names and copies all files of the package, those in folders too."""
    master, (engines, runners) = synced
    there = Path(master.config["extension_modules"]) / "engines" / "websocket_api"
    wanted = {path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py")}
    assert {path.relative_to(there) for path in there.rglob("*.py")} == wanted
    assert "engines.websocket_api.__init__" in engines.data or "engines.websocket_api" in engines.data
    assert "runners.websocket_api" in runners.data


def test_after_one_restart_clients_log_in_and_run_a_command(synced: Any) -> None:
    """A client connects, logs in, runs test.ping on a real minion and sees it return."""
    master, _ = synced
    minion = master.salt_minion_daemon("loaded", overrides={"log_level_logfile": "info"})
    with running(minion), Client(f"ws://127.0.0.1:{PORT}/") as client:
        assert client.login("demo")["user"] == "demo"
        job = client.ask("cmd", fun="test.ping", tgt="loaded", mode="sync")
    assert job["state"] == "complete"
    assert job["minions"]["loaded"]["return"] is True


def test_the_status_runner_finds_the_engine(synced: Any) -> None:
    """The synced runner says that the synced engine listens, and which version it is."""
    master, _ = synced
    found = master.salt_run_cli().run("websocket_api.status").data
    assert (found["listening"], found["engine"], found["port"]) == (True, True, PORT)
    assert found["version"] == (CHECKOUT / "schemas" / "VERSION").read_text().strip()


def test_a_killed_serving_process_is_replaced_by_its_supervisor(synced: Any) -> None:
    """Clients that connect in between are not refused, and log in as soon as the next process serves."""
    master, _ = synced
    before = engine_of(master)
    supervisor = before.parent()
    before.kill()
    before.wait(60)
    with Client(f"ws://127.0.0.1:{PORT}/") as client:
        assert client.login("demo")["user"] == "demo"
    assert engine_of(master).parent() == supervisor


SALT_SECONDS = 10
"""Salt looks after its engines every ten seconds."""


def test_a_killed_supervisor_is_replaced_by_salt(synced: Any) -> None:
    """The serving process dies with it, so that the next one finds the port free."""
    master, _ = synced
    before = engine_of(master)
    supervisor = before.parent()
    assert supervisor.pid != master.pid
    supervisor.kill()
    before.wait(60)
    wait_until(lambda: is_open(PORT), "the engine's return", timeout=SALT_SECONDS + START_TIMEOUT)
    with Client(f"ws://127.0.0.1:{PORT}/") as client:
        assert client.login("demo")["user"] == "demo"
    assert engine_of(master).parent() != supervisor


def test_the_engine_goes_when_its_master_stops(synced: Any) -> None:
    """Stopping the master closes the connections with 1012 and frees the port in time."""
    master, _ = synced
    wait_until(lambda: is_open(PORT), "the engine listening")
    log = Path(master.config["log_file"])
    before = len(log.read_text())
    with Client(f"ws://127.0.0.1:{PORT}/") as client:
        client.login("demo")
        with master.stopped():
            assert client.closed().code == 1012
            assert not is_open(PORT)
            lines = [line for line in log.read_text()[before:].splitlines() if "websocket_api" in line]
    assert any("websocket_api stops" in line for line in lines)
    assert [line for line in lines if "[INFO " not in line] == [], "a normal stop is nothing to warn of"
