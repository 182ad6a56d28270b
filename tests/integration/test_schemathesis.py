"""schemathesis on the HTTP paths as ``/schemas/openapi.json`` describes them, on a real master with a minion."""

from __future__ import annotations

import importlib.util
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.staging import Stage, staged
from tests.support.waiting import wait_until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.costly,
    pytest.mark.timeout(600),
    # Not imported here: that takes seconds in each process that reads this file.
    pytest.mark.skipif(importlib.util.find_spec("schemathesis") is None, reason="schemathesis is not installed"),
]

SECONDS = 240  # of the whole run, in all four phases
OVER_SECONDS = 120  # that what was begun may take to end on a loaded machine
SEED = "7"
HOOKS = Path(__file__).with_name("schemathesis_hooks.py")
MINION = "schemathesis-minion"
USERS: dict[str, list[Any]] = {
    # May do much, and harm nothing, whatever is made from the schemas and their examples.
    "demo": [
        "test.*",
        "sys.*",
        "grains.items",
        {"@runner": ["jobs.*", "test.*", "manage.up"]},
        {"@wheel": ["key.list_all", "key.finger"]},
        "@events",
        {"@fire": ["tag:salt/netapi/hook*"]},
    ]
}
NOT_CHECKED = "negative_data_rejection,positive_data_acceptance,ignored_auth"
"""Forms hold text only, whatever is meant, and a schema does not say which functions and keywords go together. A wrong
cookie beside a valid token in ``X-Auth-Token`` does no harm: that header comes first."""
ENDLESS = "/events"  # a stream; tests/functional/test_salt_streams.py holds it to the document
GROWTH_BYTES = 48 * 1024 * 1024  # the job registry and the history fill within their bounds; a leak of bodies is more


@pytest.fixture(scope="module")
def stage(salt_factories: Any, file_root: Path) -> Iterator[Stage]:
    """A master of its own: what is sent to it fills its job cache."""
    config = {"external_auth": {"sharedsecret": USERS}}
    with staged(salt_factories, file_root, "schemathesis", minion=True, config=config) as stage:
        yield stage


def run(stage: Stage, folder: Path, seconds: int, *more: str) -> subprocess.CompletedProcess[str]:
    """Run schemathesis for some time, as a user who is logged in."""
    with stage.client() as client:
        token = client.login("demo")["token"]
        address = f"http://127.0.0.1:{stage.port}/schemas/openapi.json"
        what = f"--header 'X-Auth-Token: {token}' --phases examples,coverage,fuzzing,stateful --max-time {seconds}"
        how = f"--exclude-checks {NOT_CHECKED} --request-timeout 60 --continue-on-failure --seed {SEED}"
        command = [str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(_config(folder)), "run"]
        command += [address, *shlex.split(f"{what} {how} --generation-database none --no-color"), *more]
        limit, hooks = seconds + OVER_SECONDS, {**os.environ, "SCHEMATHESIS_HOOKS": str(HOOKS)}
        return subprocess.run(
            command, cwd=folder, env=hooks, capture_output=True, text=True, timeout=limit, check=False
        )


def told(ran: subprocess.CompletedProcess[str]) -> str:
    """What it printed, with its lines cut: it repeats whole bodies."""
    return "\n".join(line[:500] for line in (ran.stdout + ran.stderr).splitlines())


def _config(folder: Path) -> Path:
    path = folder / "schemathesis.toml"
    path.write_text("", encoding="utf-8")
    return path


def test_every_path_keeps_to_its_description(stage: Stage, tmp_path: Path) -> None:
    """No server error, no reply that breaks its schema, no traceback in the log, no memory that stays."""
    ran = run(stage, tmp_path, SECONDS // 8, "--exclude-path", ENDLESS, "--exclude-path", "/logout")
    assert ran.returncode == 0, told(ran)
    before = stage.engine.memory_info().rss
    ran = run(stage, tmp_path, SECONDS - SECONDS // 8, "--exclude-path", ENDLESS, "--exclude-path", "/logout")
    assert ran.returncode == 0, told(ran)
    wait_until(lambda: stage.engine.memory_info().rss - before < GROWTH_BYTES, "the memory coming back", timeout=60)
    assert stage.health == 200
    assert "Traceback" not in "".join(line for line in stage.log.splitlines(True) if "websocket_api" in line)
    assert "failed" not in "".join(line for line in stage.log.splitlines(True) if "websocket_api.operations" in line)


def test_a_logout_keeps_to_its_description(stage: Stage, tmp_path: Path) -> None:
    """By itself, for the others would have no token after it."""
    ran = run(stage, tmp_path, 10, "--include-path", "/logout")
    assert ran.returncode == 0, told(ran)
