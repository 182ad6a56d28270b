"""The formula on a host that it has already set up: changed pillars, interrupted runs, and removal.

The tests of this file share one host, which the last of them cleans.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.formula.ground import fresh_environment, uninstall
from tests.integration.formula.host import Host, changed, failed, host

pytestmark = [pytest.mark.slow, pytest.mark.costly, pytest.mark.both_lines, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def served() -> Iterator[Host]:
    """A host with an engine that the formula installed."""
    with contextlib.ExitStack() as stack:
        python = stack.enter_context(fresh_environment())
        made = stack.enter_context(host(python))
        assert not failed(made.apply("websocket_api", made.pillar()))
        yield made


def test_a_test_run_lists_its_changes_and_makes_none(served: Host) -> None:
    """With ``test=True`` a changed pillar is checked, and no file and no process changes."""
    before, process = served.conf.read_bytes(), served.master_pid
    outcomes = served.apply("websocket_api", served.pillar(options={"audit_args": True}), "test=True")
    assert not failed(outcomes)
    would = {name for name, outcome in outcomes.items() if outcome["result"] is None}
    assert would == {"websocket_api_config", "websocket_api_master"}
    assert (served.conf.read_bytes(), served.master_pid) == (before, process)


def test_settings_in_other_files_of_the_master_are_not_hidden(served: Host) -> None:
    """Settings that would hide those of the main file, and a second engine, are refused, each with its fix."""
    main, other = served.config / "master", served.config / "master.d" / "other.conf"
    before = main.read_text()
    served.write("master", {**json.loads(before), "external_auth": {"pam": {"ann": [".*"]}}, "engines": ["slack"]})
    served.write("master.d/other.conf", {"engines": [{"websocket_api": {"port": 1}}]})
    wrong = served.pillar(master_config={"sharedsecret": "demo", "worker_threads": 9, "engines": []})
    said = failed(served.apply("websocket_api.valid", wrong))["websocket_api_valid"]
    main.write_text(before)
    other.unlink()
    for fault in (
        "master_config:engines is written by the formula: use other_engines",
        f"other_engines would hide engines in {main}",
        f"external_auth would hide external_auth in {main}",
        f"master_config:worker_threads would hide worker_threads in {main}",
        f"options would start a second engine in addition to that of {other}",
    ):
        assert fault in said, said
    assert said.startswith("5 faults")


def test_a_configuration_that_does_not_work_is_rolled_back(served: Host, tmp_path: Path) -> None:
    """The run fails with the engine's error, and the master serves with the previous configuration."""
    before = served.conf.read_bytes()
    missing = {"ssl_crt": str(tmp_path / "none.crt"), "ssl_key": str(tmp_path / "none.key")}
    wrong = served.pillar(options=missing, tls={"source": "none"}, service={"seconds": 25})
    outcomes = served.apply("websocket_api", wrong)
    assert set(failed(outcomes)) == {"websocket_api_answers"}
    assert "none.crt" in failed(outcomes)["websocket_api_answers"]
    assert served.conf.read_bytes() == before
    with served.client() as client:
        assert client.ask("ping")


def test_packages_lost_in_an_update_of_python_are_installed_again(served: Host) -> None:
    """A run after the update installs missing packages, and restarts the master once."""
    uninstall(served.python, "jsonschema", "orjson")
    before = served.master_pid
    outcomes = served.apply("websocket_api", served.pillar())
    assert not failed(outcomes)
    assert {"websocket_api_packages"} <= set(changed(outcomes)) <= {"websocket_api_packages", "websocket_api_master"}
    assert served.master_pid not in (before, None)
    with served.client() as client:
        assert client.ask("ping")


def test_older_log_lines_are_not_given_as_the_reason_of_a_failure(served: Host) -> None:
    """If the master itself does not start, the engine logs nothing, and no older line is reported."""
    before = served.conf.read_bytes()
    with served.log_file.open("a") as log:
        log.write("websocket_api cannot run: this was another day\n")
    wrong = served.pillar(master_config={"sharedsecret": "demo", "transport": "none"}, service={"seconds": 15})
    outcomes = served.apply("websocket_api", wrong)
    assert set(failed(outcomes)) == {"websocket_api_answers"}
    assert "another day" not in failed(outcomes)["websocket_api_answers"]
    assert served.conf.read_bytes() == before
    with served.client() as client:
        assert client.ask("ping")


def test_a_run_after_an_interrupted_one_restarts_the_master(served: Host) -> None:
    """The first run wrote the configuration, and was stopped before the restart. The next one restarts it, once."""
    wanted = served.pillar(options={"limits": {"auth_seconds": 15}})
    before = served.master_pid
    assert set(changed(served.apply("websocket_api.config", wanted))) == {"websocket_api_config"}
    assert served.master_pid == before
    outcomes = served.apply("websocket_api", wanted)
    assert set(changed(outcomes)) == {"websocket_api_unfinished", "websocket_api_master"}
    assert served.master_pid not in (before, None)
    with served.client(None) as client:
        began = time.monotonic()
        assert client.closed(60).code == 4408
        assert time.monotonic() - began > 12, "the new limit, not the default of 10 s"
    assert changed(served.apply("websocket_api", wanted)) == {}


def test_a_sync_deletes_only_its_own_files(served: Host) -> None:
    """Files of the engine's earlier release are removed; other runners, engines and modules stay."""
    master, minion = (served.root / "var" / "cache" / "salt" / who / "extmods" for who in ("master", "minion"))
    others = [master / "runners" / "mine.py", master / "engines" / "mine.py", minion / "modules" / "mine.py"]
    for path in others:
        path.write_text("")
    left = master / "engines" / "websocket_api" / "core" / "of_an_earlier_release.py"
    left.write_text("")
    outcomes = served.apply("websocket_api.sync", served.pillar())
    assert not failed(outcomes)
    assert list(changed(outcomes)) == ["websocket_api_synced"]
    assert not left.exists()
    assert [path.exists() for path in others] == [True] * 3


def test_clean_removes_the_engine_and_keeps_the_master(served: Host) -> None:
    """After ``websocket_api.clean`` the master runs without the engine, its configuration, certificate and copies."""
    trial = served.apply("websocket_api.clean", served.pillar(), "test=True")
    assert {outcome["result"] for outcome in trial.values()} == {None}
    assert served.conf.exists()
    outcomes = served.apply("websocket_api.clean", served.pillar())
    assert not failed(outcomes)
    assert served.master_pid is not None
    assert not served.conf.exists()
    assert not (served.config / "websocket_api").exists()
    assert not (served.root / "var" / "cache" / "salt" / "minion" / "websocket_api").exists()
    assert not list(served.root.rglob("extmods/engines/websocket_api"))
    assert not list(served.root.rglob("extmods/runners/websocket_api.py"))
    assert served.runs("salt-run", "test.arg", "a")["args"] == ["a"]
    assert changed(served.apply("websocket_api.clean", served.pillar())) == {}
    assert changed(served.apply("websocket_api.clean", served.pillar(), "test=True")) == {}
