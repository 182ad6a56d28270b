"""The formula on a host that it has already set up: upgrades, changed pillars, interrupted runs, and removal.

The tests of this file share one host, which the last of them cleans.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.conftest import CHECKOUT
from tests.integration.formula.following import followed
from tests.integration.formula.ground import fresh_environment, uninstall
from tests.integration.formula.host import FORMULA, Host, changed, failed, host
from tests.integration.formula.releases import set_release

pytestmark = [pytest.mark.slow, pytest.mark.costly, pytest.mark.both_lines, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of this project's files, on the host's file server."""
    folder = tmp_path_factory.mktemp("release")
    for name in FORMULA:
        shutil.copytree(CHECKOUT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.fixture(scope="module")
def served(release: Path) -> Iterator[Host]:
    """A host with an engine that the formula installed."""
    with contextlib.ExitStack() as stack:
        python = stack.enter_context(fresh_environment())
        # Without the cache, files that a test adds are listed at once.
        made = stack.enter_context(host(python, release, fileserver_list_cache_time=0))
        assert not failed(made.apply("websocket_api", made.pillar()))
        yield made


def steps(*names: str) -> set[str]:
    """Return the ids of states."""
    return {f"websocket_api_{name}" for name in names}


def test_an_upgrade_reloads_the_engine_below_its_clients(served: Host, release: Path) -> None:
    """A client that follows events gets each of them once, and the master runs on; so with a changed option."""
    before = served.master_pid
    trial = served.apply("websocket_api", served.pillar(), "test=True")
    assert {outcome["result"] for outcome in trial.values()} == {True}
    set_release(release, "9.0.0")
    trial = served.apply("websocket_api", served.pillar(), "test=True")
    assert {name for name, outcome in trial.items() if outcome["result"] is None} == steps("synced", "reloaded")
    with followed(served):
        outcomes = served.apply("websocket_api", served.pillar())
        assert set(changed(outcomes)) == steps("synced", "reloaded"), failed(outcomes)
        assert outcomes["websocket_api_reloaded"]["changes"] == {"engine": "reloaded", "version": "9.0.0"}
        outcomes = served.apply("websocket_api", served.pillar(options={"audit_args": True}))
        assert set(changed(outcomes)) == steps("config", "reloaded"), failed(outcomes)
        assert "because of: options audit_args" in outcomes["websocket_api_reloaded"]["comment"]
    assert changed(served.apply("websocket_api", served.pillar(options={"audit_args": True}))) == {}
    with served.client() as client:
        assert client.ask("ping")["version"] == "9.0.0"
    assert served.master_pid == before is not None


def test_a_broken_release_is_refused_and_the_running_engine_stays(served: Host, release: Path) -> None:
    """The run fails with the reason, nothing is lost, and a killed serving process comes back as it was."""
    before, server = served.master_pid, release / "_engines" / "websocket_api" / "server.py"
    whole = server.read_text()
    server.write_text(f"{whole}\nthis is no Python\n")
    with followed(served):
        outcomes = served.apply("websocket_api", served.pillar())
    server.write_text(whole)
    assert set(failed(outcomes)) == steps("reloaded", "restart", "master", "answers")
    assert "the running engine stays: SyntaxError" in failed(outcomes)["websocket_api_reloaded"]
    assert served.master_pid == before
    (copy,) = served.root.rglob("extmods/engines/websocket_api/server.py")
    assert copy.read_text() == whole
    assert not failed(served.apply("websocket_api", served.pillar()))
    assert changed(served.apply("websocket_api", served.pillar())) == {}


def test_a_changed_console_is_reloaded(served: Host, release: Path) -> None:
    """Also without another change; the next run finds nothing to do."""
    page = release / "websocket_api" / "console" / "index.html"
    page.write_text(page.read_text() + "<!-- changed -->")
    outcomes = served.apply("websocket_api", served.pillar())
    assert set(changed(outcomes)) == steps("synced", "reloaded"), failed(outcomes)
    assert changed(served.apply("websocket_api", served.pillar())) == {}


def test_only_a_setting_of_the_master_restarts_it(served: Host) -> None:
    """As does a supervisor of another release, which the reload itself reports."""
    before = served.master_pid
    settings = {"sharedsecret": "demo", "presence_events": True}
    outcomes = served.apply("websocket_api", served.pillar(master_config=settings))
    assert set(changed(outcomes)) == steps("config", "restart", "master"), failed(outcomes)
    assert "because of: settings presence_events" in outcomes["websocket_api_restart"]["comment"]
    assert served.master_pid not in (before, None)
    assert not failed(served.apply("websocket_api", served.pillar()))


def test_another_supervisor_restarts_the_master(served: Host, release: Path) -> None:
    """The reload itself reports that, after it has replaced the engine."""
    before = served.master_pid
    module = release / "_engines" / "websocket_api" / "supervisor" / "restart.py"
    module.write_text(f"{module.read_text()}CHANGED = True\n")
    outcomes = served.apply("websocket_api", served.pillar())
    assert set(changed(outcomes)) == steps("synced", "reloaded", "restart", "master"), failed(outcomes)
    assert "the supervisor of websocket_api has changed" in outcomes["websocket_api_restart"]["comment"]
    assert served.master_pid not in (before, None)
    assert changed(served.apply("websocket_api", served.pillar())) == {}


def test_an_engine_without_a_supervisor_is_replaced_by_a_restart(served: Host) -> None:
    """So runs a release from before reloads: nobody listens on its control socket."""
    before = served.master_pid
    (control,) = served.root.rglob("websocket_api-*.ipc")
    control.unlink()
    outcomes = served.apply("websocket_api", served.pillar(options={"audit_args": True}))
    assert set(changed(outcomes)) == steps("config", "reloaded", "restart", "master"), failed(outcomes)
    assert "cannot reach the engine" in outcomes["websocket_api_restart"]["comment"]
    assert served.master_pid not in (before, None)
    assert not failed(served.apply("websocket_api", served.pillar()))


def test_a_test_run_lists_its_changes_and_makes_none(served: Host) -> None:
    """With ``test=True`` a changed pillar is checked, and no file and no process changes."""
    before, process = served.conf.read_bytes(), served.master_pid
    outcomes = served.apply("websocket_api", served.pillar(options={"audit_args": True}), "test=True")
    assert not failed(outcomes)
    would = {name for name, outcome in outcomes.items() if outcome["result"] is None}
    assert would == steps("config", "reloaded")
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
    """The run fails with the engine's error, and the running engine stays, with the previous configuration."""
    before, process = served.conf.read_bytes(), served.master_pid
    missing = {"ssl_crt": str(tmp_path / "none.crt"), "ssl_key": str(tmp_path / "none.key")}
    wrong = served.pillar(options=missing, tls={"source": "none"}, service={"seconds": 25})
    outcomes = served.apply("websocket_api", wrong)
    assert set(failed(outcomes)) == steps("reloaded", "restart", "master", "answers")
    assert "none.crt" in failed(outcomes)["websocket_api_reloaded"]
    assert (served.conf.read_bytes(), served.master_pid) == (before, process)
    with served.client() as client:
        assert client.ask("ping")


def test_packages_lost_in_an_update_of_python_are_installed_again(served: Host) -> None:
    """A run after the update installs missing packages, and the next serving process loads them."""
    uninstall(served.python, "jsonschema", "orjson")
    before = served.master_pid
    outcomes = served.apply("websocket_api", served.pillar())
    assert not failed(outcomes)
    # The refused reload of the last test is still to be done.
    assert set(changed(outcomes)) == steps("packages", "unfinished", "reloaded")
    assert served.master_pid == before is not None
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


def test_a_run_after_an_interrupted_one_reloads_the_engine(served: Host) -> None:
    """The first run wrote the configuration, and was stopped before the reload. The next one reloads it, once."""
    wanted = served.pillar(options={"limits": {"auth_seconds": 15}})
    before = served.master_pid
    assert set(changed(served.apply("websocket_api.config", wanted))) == {"websocket_api_config"}
    assert served.master_pid == before
    outcomes = served.apply("websocket_api", wanted)
    assert set(changed(outcomes)) == steps("unfinished", "reloaded")
    assert served.master_pid == before is not None
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
