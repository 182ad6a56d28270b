"""The orchestration upgrades masters one after the other, while a client stays in service."""

from __future__ import annotations

import contextlib
import json
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.client import Client, Closed
from tests.integration.conftest import CHECKOUT
from tests.integration.formula.host import FORMULA, Host, host
from tests.integration.formula.releases import set_release
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.costly, pytest.mark.both_lines, pytest.mark.timeout(1500)]

NAMES = ("master-a", "master-b")
RECONNECT_SECONDS = 30  # five on a machine that does nothing else


class MinionRegistry(NamedTuple):
    """A master that runs the orchestration, and two that it upgrades."""

    control: Host
    masters: list[Host]
    release: Path

    def rollout(self, **how: Any) -> dict[str, Any]:
        """Run the orchestration; return the outcome of each step by its id.

        :param how: further keys of the pillar's ``rollout``
        """
        given = {
            "masters": {name: f"https://127.0.0.1:{one.port}/" for name, one in zip(NAMES, self.masters, strict=True)},
            "verify": False,
            "username": "demo",
            "password_file": str(self.control.root / "password"),
            "eauth": "sharedsecret",
            **how,
        }
        pillar = json.dumps({"websocket_api": {"rollout": given}})
        answer = self.control.runs("salt-run", "state.orchestrate", "websocket_api.rollout", f"pillar={pillar}")
        (outcome,) = (answer.get("data") or answer).values()
        return {key.split("_|-")[1]: step for key, step in outcome.items()}


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MinionRegistry]:
    """Three masters. On the hosts of two runs a minion of the third, which installs the engine there."""
    release = tmp_path_factory.mktemp("release")
    for name in FORMULA:
        shutil.copytree(CHECKOUT / name, release / name, ignore=shutil.ignore_patterns("__pycache__"))
    with contextlib.ExitStack() as stack:
        masters = [stack.enter_context(host(release=release)) for _ in NAMES]
        pillar = release.parent / f"{release.name}-pillar"
        pillar.mkdir()
        control = stack.enter_context(host(release=release, pillar_roots={"base": [str(pillar)]}))
        (pillar / "top.sls").write_text(json.dumps({"base": {name: [name] for name in NAMES}}))
        for name, one in zip(NAMES, masters, strict=True):
            (pillar / f"{name}.sls").write_text(json.dumps(one.pillar(config_dir=str(one.config))))
        (control.root / "password").write_text("demo\n")
        control.start("salt-master")
        for name in NAMES:
            control.add_minion(name)

        def known() -> bool:
            with contextlib.suppress(json.JSONDecodeError):  # as long as there is none, Salt 3007 says so in words
                found = control.runs("salt-run", "manage.up")
                return isinstance(found, list) and set(found) == set(NAMES)
            return False

        wait_until(known, "both minions", timeout=180, every=2)
        yield MinionRegistry(control, masters, release)


class Wanderer:
    """A client with several addresses. When a connection closes it goes to the next one and resumes."""

    def __init__(self, urls: list[str]) -> None:
        self._urls = urls
        self.moves: list[tuple[float, str]] = []
        """Seconds that each move took, and the reason of the gap that the client received."""
        self._end = threading.Event()
        self._began = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Wanderer:
        self._thread.start()
        assert self._began.wait(60), "the client never got in"
        return self

    def __exit__(self, *exc: object) -> None:
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        turn, since, left = 0, None, 0.0
        while not self._end.is_set():
            url = self._urls[turn % len(self._urls)]
            turn += 1
            with contextlib.suppress(OSError, Closed, TimeoutError), Client(url, timeout=5) as client:
                client.login("demo")
                asked: dict[str, Any] = {"since": since} if since else {}
                made = client.ask("subscribe", subscription="event", tag="", **asked)
                if since:
                    (gap, *_) = client.frames(until=lambda frame: frame["type"] == "gap")[-1:]
                    self.moves.append((time.monotonic() - left, gap["reason"]))
                since = {"epoch": made["epoch"], "seq": made["seq"]}
                self._began.set()
                try:
                    while not self._end.is_set():
                        with contextlib.suppress(TimeoutError):
                            client.recv(0.2)
                finally:
                    left = time.monotonic()


def release_of(one: Host) -> str:
    """Return the release that a master serves."""
    with one.client() as client:
        return str(client.ask("ping")["version"])


def test_a_rollout_installs_one_master_after_the_other(fleet: MinionRegistry) -> None:
    """Both masters serve afterwards. A login checks each one before the next is started."""
    steps = fleet.rollout()
    assert {name: step["comment"] for name, step in steps.items() if step["result"] is not True} == {}
    order = sorted(steps, key=lambda name: steps[name]["__run_num__"])
    assert order == [
        "websocket_api_own_runner",
        "websocket_api_group_1",
        "websocket_api_serves_master-a",
        "websocket_api_group_2",
        "websocket_api_serves_master-b",
    ]
    assert len({release_of(one) for one in fleet.masters}) == 1


def test_a_client_stays_in_service_while_masters_are_upgraded(fleet: MinionRegistry) -> None:
    """A client with both addresses is soon on the other master, and gets a gap with the reason epoch.

    Each engine is reloaded, and no master is restarted.
    """
    set_release(fleet.release, "9.0.0")
    before = [one.master_pid for one in fleet.masters]
    with Wanderer([one.url for one in fleet.masters]) as client:
        steps = fleet.rollout()
    assert {name: step["comment"] for name, step in steps.items() if step["result"] is not True} == {}
    assert [release_of(one) for one in fleet.masters] == ["9.0.0", "9.0.0"]
    assert [one.master_pid for one in fleet.masters] == before
    assert len(client.moves) == 2, client.moves
    assert all(seconds < RECONNECT_SECONDS and reason == "epoch" for seconds, reason in client.moves), client.moves


def test_a_rollout_stops_at_the_first_master_that_fails(fleet: MinionRegistry) -> None:
    """An incomplete release fails on the first master, and the second is not changed."""
    set_release(fleet.release, "9.0.2", schemas="9.0.1")
    before = [one.master_pid for one in fleet.masters]
    steps = fleet.rollout(tgt="id:master-*", tgt_type="grain")
    failed = {name for name, step in steps.items() if step["result"] is False}
    assert failed == {f"websocket_api_{step}" for step in
                      ("group_1", "serves_master-a", "group_2", "serves_master-b")}  # fmt: skip
    assert "the folder schemas is release 9.0.1, the engine 9.0.2" in json.dumps(
        steps["websocket_api_group_1"]["changes"]
    )
    assert steps["websocket_api_group_2"]["__run_num__"] > steps["websocket_api_group_1"]["__run_num__"]
    assert "requisite" in steps["websocket_api_group_2"]["comment"]
    assert [one.master_pid for one in fleet.masters] == before
    assert [release_of(one) for one in fleet.masters] == ["9.0.0", "9.0.0"]
