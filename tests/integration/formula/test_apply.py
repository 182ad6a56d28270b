"""The formula on a fresh host: ``salt-call --local`` applies it, its master starts, and clients connect.

The tests of this file run in order on one host, from nothing to a running engine.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import statistics
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import salt.utils.dictupdate
import yaml

from tests.client import Refused
from tests.integration.conftest import CHECKOUT
from tests.integration.formula.ground import account, fresh_environment, installed
from tests.integration.formula.host import Host, changed, failed, host
from tests.support.waiting import wait_until

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
    """Return pillar.example with the port and service manager of the test host."""
    shown = yaml.safe_load((CHECKOUT / "pillar.example").read_text(encoding="utf-8"))
    shown["websocket_api"]["external_auth"]["pam"] = {ACCOUNT: ["test.*"]}
    return dict(salt.utils.dictupdate.update(shown, fresh.pillar()))


def test_a_broken_pillar_is_refused_before_anything_is_written(fresh: Host) -> None:
    """One run names all faults: in single options, between options and in the formula's own keys."""
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


def test_a_pillar_that_does_not_arrive_is_named_before_anything_is_written(fresh: Host) -> None:
    """Without an entry in ``top.sls`` the run would otherwise succeed, and nobody could log in."""
    said = failed(fresh.apply("websocket_api", {}))["websocket_api_valid"]
    assert "the pillar websocket_api is empty: name its file in the pillar's top.sls" in said
    assert "nobody could log in" in said
    assert sorted(path.name for path in fresh.config.rglob("*") if path.is_file()) == ["master", "minion"]


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
    """With the same pillar no state changes anything, and the master is not restarted."""
    before = fresh.master_pid
    outcomes = fresh.apply("websocket_api", example(fresh))
    assert not failed(outcomes)
    assert changed(outcomes) == {}
    assert fresh.master_pid == before is not None


def test_the_key_is_readable_by_the_masters_user_only(fresh: Host) -> None:
    """Everybody may read the certificate, but not its key."""
    folder = fresh.config / "websocket_api"
    assert (folder / "server.key").stat().st_mode & 0o777 == 0o400
    assert (folder / "server.crt").stat().st_mode & 0o777 == 0o444


@needs_account
def test_accounts_of_the_host_log_in_over_pam(fresh: Host) -> None:
    """The right password gives the permissions of external_auth, a wrong one none. No other set-up is needed."""
    with fresh.client(None) as client:
        assert client.login(ACCOUNT, PASSWORD, eauth="pam")["perms"] == ["test.*"]
    with fresh.client(None) as client, pytest.raises(Refused) as refused:
        client.login(ACCOUNT, "wrong", eauth="pam", patience=60)
    assert refused.value.code == "unauthenticated"


@needs_account
def test_a_wrong_password_takes_seconds_and_delays_no_other_user(fresh: Host) -> None:
    """While PAM checks a wrong password, other users get answers and log in over PAM."""
    ended: list[float] = []

    def guess() -> None:
        with fresh.client(None) as client, contextlib.suppress(Refused):
            client.login(ACCOUNT, "wrong", eauth="pam", patience=90)
        ended.append(time.monotonic())

    with fresh.client() as other, fresh.client(None) as right:
        guesses = [threading.Thread(target=guess) for _ in range(2)]
        began = time.monotonic()
        for one in guesses:
            one.start()
        right.login(ACCOUNT, PASSWORD, eauth="pam", patience=60)
        logged_in = time.monotonic()
        waits = []
        while any(one.is_alive() for one in guesses):
            asked = time.monotonic()
            assert other.ask("ping")
            waits.append(time.monotonic() - asked)
            time.sleep(0.02)
    assert len(ended) == 2
    print(f"slowest ping {max(waits):.2f} s, the right login {min(ended) - logged_in:.1f} s before the first refusal")
    assert logged_in < min(ended)
    assert statistics.median(waits) < (min(ended) - began) / 2
