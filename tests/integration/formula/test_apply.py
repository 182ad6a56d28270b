"""The formula on a fresh host: applied by ``salt-call --local``, then a master that was started from it, then a client.

The tests of this file take one host from nothing to a serving master and back, in order.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import salt.utils.dictupdate
import yaml

from tests.client import Refused
from tests.integration.conftest import CHECKOUT, wait_until
from tests.integration.formula.host import Host, account, fresh_environment, host, installed, uninstall

pytestmark = [pytest.mark.slow, pytest.mark.both_lines, pytest.mark.timeout(600)]


ACCOUNT, PASSWORD = f"wsf{os.getpid()}", secrets.token_hex(8)

needs_account = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make an account for PAM")


@pytest.fixture(scope="module")
def fresh() -> Iterator[Host]:
    """A host whose Salt has neither jsonschema nor anything of this project."""
    with contextlib.ExitStack() as stack:
        if os.geteuid() == 0:
            stack.enter_context(account(ACCOUNT, PASSWORD))
        python = stack.enter_context(fresh_environment())
        yield stack.enter_context(host(python))


def example(fresh: Host) -> dict[str, Any]:
    """Return pillar.example with what a host has only one of redirected."""
    shown = yaml.safe_load((CHECKOUT / "pillar.example").read_text(encoding="utf-8"))
    shown["websocket_api"]["external_auth"]["pam"] = {ACCOUNT: ["test.*"]}
    return dict(salt.utils.dictupdate.update(shown, fresh.pillar()))


def changed(outcomes: dict[str, Any]) -> dict[str, Any]:
    """Return the changes of each state that made some."""
    return {name: outcome["changes"] for name, outcome in outcomes.items() if outcome["changes"]}


def failed(outcomes: dict[str, Any]) -> dict[str, str]:
    """Return the comment of each state that failed."""
    return {name: outcome["comment"] for name, outcome in outcomes.items() if outcome["result"] is False}


def test_a_broken_pillar_is_refused_before_anything_is_written(fresh: Host) -> None:
    """Every fault is named at once, in the options, between them and in the formula's own keys; nothing is written."""
    broken = fresh.pillar(
        options={"port": "canary", "adress": "canary", "limits": {"threads": 0}, "address": "0.0.0.0"},
        tls={"source": "none", "sauce": 1},
        service={"seconds": "canary"},
        external_auth=["canary"],
    )
    outcomes = fresh.apply("websocket_api", broken)
    said = outcomes["websocket_api_valid"]["comment"]
    for name in (
        "options:port must be an integer",
        "options:adress is not an option",
        "options:limits:threads must be at least 1",
        "options:address can be reached from other hosts",
        "tls:sauce is not a key",
        "service:seconds must be a whole number",
        "external_auth must be a mapping",
    ):
        assert name in said, said
    assert said.startswith("7 faults")
    assert "canary" not in said
    assert installed(fresh.python, "jsonschema"), "what checks the pillar comes first"
    assert sorted(path.name for path in fresh.config.rglob("*") if path.is_file()) == ["master", "minion"]
    assert not list(fresh.root.rglob("extmods/engines"))
    assert fresh.master_pid is None


def test_the_example_brings_up_a_master_that_serves(fresh: Host) -> None:
    """``state.apply websocket_api`` with pillar.example, then a TLS websocket login and a ``test.ping``."""
    outcomes = fresh.apply("websocket_api", example(fresh))
    assert not failed(outcomes)
    assert set(changed(outcomes)) >= {"websocket_api_synced", "websocket_api_certificate", "websocket_api_config"}
    fresh.start("salt-minion")
    with fresh.client() as client:
        wait_until(lambda: "host" in client.ask("match", tgt="*"), "the minion's key", timeout=60)

        def pings() -> Any:
            job = client.ask("cmd", fun="test.ping", tgt="host", mode="sync", timeout=10, patience=30)
            return job["minions"]["host"]["return"] is True

        wait_until(pings, "a ping of the minion", timeout=90)
    assert fresh.runs("salt-run", "websocket_api.status")["engine"] is True


def test_a_second_run_changes_nothing(fresh: Host) -> None:
    """The same pillar again: every state is content, and the master is not restarted."""
    before = fresh.master_pid
    outcomes = fresh.apply("websocket_api", example(fresh))
    assert not failed(outcomes)
    assert changed(outcomes) == {}
    assert fresh.master_pid == before is not None


def test_the_key_is_readable_by_the_masters_user_only(fresh: Host) -> None:
    """The certificate is for everybody, its key is not."""
    folder = fresh.config / "websocket_api"
    assert (folder / "server.key").stat().st_mode & 0o777 == 0o400
    assert (folder / "server.crt").stat().st_mode & 0o777 == 0o444


@needs_account
def test_accounts_of_the_host_log_in_over_pam(fresh: Host) -> None:
    """The right password gives the permissions of external_auth, a wrong one nothing; pip's Salt needs no more."""
    with fresh.client(None) as client:
        assert client.login(ACCOUNT, PASSWORD, eauth="pam")["perms"] == ["test.*"]
    with fresh.client(None) as client, pytest.raises(Refused) as refused:
        client.login(ACCOUNT, "wrong", eauth="pam", patience=60)
    assert refused.value.code == "unauthenticated"


@needs_account
def test_a_wrong_password_takes_seconds_and_holds_up_nobody(fresh: Host) -> None:
    """While PAM thinks about a wrong password, others are answered, and others log in over PAM."""
    ended: list[float] = []

    def guess() -> None:
        with fresh.client(None) as client, contextlib.suppress(Refused):
            client.login(ACCOUNT, "wrong", eauth="pam", patience=90)
        ended.append(time.monotonic())

    with fresh.client() as other, fresh.client(None) as right:
        guesses = [threading.Thread(target=guess) for _ in range(2)]
        for one in guesses:
            one.start()
        slowest = 0.0
        for _ in range(20):
            began = time.monotonic()
            assert other.ask("ping")
            slowest = max(slowest, time.monotonic() - began)
        right.login(ACCOUNT, PASSWORD, eauth="pam", patience=60)
        logged_in = time.monotonic()
        for one in guesses:
            one.join()
    print(f"slowest ping {slowest:.2f} s, the right login {min(ended) - logged_in:.1f} s before the first refusal")
    assert slowest < 1
    assert len(ended) == 2
    assert logged_in < min(ended)


@pytest.mark.costly
def test_a_trial_run_says_what_it_would_do_and_does_nothing(fresh: Host) -> None:
    """With ``test=True`` a changed pillar is checked, and no file and no process changes."""
    before, process = fresh.conf.read_bytes(), fresh.master_pid
    outcomes = fresh.apply("websocket_api", fresh.pillar(options={"audit_args": True}), "test=True")
    assert not failed(outcomes)
    would = {name for name, outcome in outcomes.items() if outcome["result"] is None}
    synced = {"websocket_api_own_modules", "websocket_api_own_states"}  # Salt does not look what a sync would bring
    assert would - synced == {"websocket_api_config", "websocket_api_master"}
    assert (fresh.conf.read_bytes(), fresh.master_pid) == (before, process)


@pytest.mark.costly
def test_a_configuration_that_the_master_does_not_come_up_with_is_put_back(fresh: Host, tmp_path: Path) -> None:
    """The run fails with what the engine said, and the master serves again as it did before."""
    before = fresh.conf.read_bytes()
    missing = {"ssl_crt": str(tmp_path / "none.crt"), "ssl_key": str(tmp_path / "none.key")}
    wrong = fresh.pillar(options=missing, tls={"source": "none"}, service={"seconds": 25})
    outcomes = fresh.apply("websocket_api", wrong)
    assert set(failed(outcomes)) == {"websocket_api_answers"}
    assert "none.crt" in failed(outcomes)["websocket_api_answers"]
    assert fresh.conf.read_bytes() == before
    with fresh.client() as client:
        assert client.ask("ping")


@pytest.mark.costly
def test_packages_that_an_update_of_python_took_away_come_back(fresh: Host) -> None:
    """A run after Salt's Python changed installs what is missing, and restarts the master once."""
    uninstall(fresh.python, "jsonschema", "orjson")
    before = fresh.master_pid
    outcomes = fresh.apply("websocket_api", example(fresh))
    assert not failed(outcomes)
    assert {"websocket_api_packages"} <= set(changed(outcomes)) <= {"websocket_api_packages", "websocket_api_master"}
    assert fresh.master_pid not in (before, None)
    with fresh.client() as client:
        assert client.ask("ping")


@pytest.mark.costly
def test_clean_takes_the_engine_off_and_leaves_a_master(fresh: Host) -> None:
    """After ``websocket_api.clean`` the master runs without the engine, its configuration, certificate and copies."""
    outcomes = fresh.apply("websocket_api.clean", example(fresh))
    assert not failed(outcomes)
    assert fresh.master_pid is not None
    assert not fresh.conf.exists()
    assert not (fresh.config / "websocket_api").exists()
    assert not list(fresh.root.rglob("extmods/engines/websocket_api"))
    assert fresh.runs("salt-run", "test.arg", "a")["args"] == ["a"]
