"""The engine is killed around a publish, on a real master: nothing runs twice, and nothing waits forever."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.checked import CheckedClient
from tests.integration.staging import Stage, ended_batch, staged
from tests.support.reloading import copy_of_engine
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

DIES = """

_publish = BatchJobs.publish


async def _publish_and_die(self: BatchJobs, *args: Any) -> Mapping[str, Any]:
    import os
    import pathlib

    moment = pathlib.Path({moment!r})
    when = moment.read_text() if moment.exists() else ""
    started = {{}} if when == "before" else await _publish(self, *args)
    if when:
        moment.unlink()
        os.kill(os.getpid(), 9)
    return started


BatchJobs.publish = _publish_and_die
"""
"""Code that is appended to the engine's: the engine kills itself if a file says so."""


@pytest.fixture
def moment(tmp_path: Path) -> Path:
    """The file that says when to kill the engine: ``before`` or ``after`` the next publish, or never without a file."""
    return tmp_path / "moment"


@pytest.fixture
def stage(salt_factories: Any, file_root: Path, tmp_path: Path, moment: Path) -> Iterator[Stage]:
    """A master whose engine kills itself if the file says so, and a minion."""
    package = copy_of_engine(tmp_path)
    code = package / "operations" / "batch_jobs.py"
    code.write_text(code.read_text() + DIES.format(moment=str(moment)))
    config = {"engines_dirs": [str(package.parent)], "gather_job_timeout": 3}
    with staged(salt_factories, file_root, "killed", minion=True, config=config) as stage:
        yield stage


def test_an_engine_that_is_killed_around_a_publish_sends_nothing_twice(
    stage: Stage, moment: Path, tmp_path: Path
) -> None:
    """Stored as sent but not published: unknown outcome. Published but its id not stored: found by its metadata."""
    ran = tmp_path / "ran"
    items = [{"fun": "cmd.run", "arg": [f"echo {name} >> {ran}"], "tgt": "*"} for name in ("one", "two", "three")]
    with stage.client() as client:
        token = client.ask("auth", username="demo", password="demo")["token"]
        moment.write_text("before")
        made = client.ask("batch", concurrency=1, batch=items)
    wait_until(lambda: not moment.exists(), "the engine killed before it published")
    moment.write_text("after")
    stage.comes_back(40)
    wait_until(lambda: not moment.exists(), "the engine killed after it published", timeout=60)
    stage.comes_back(40)
    with CheckedClient(stage.url) as client:
        client.ask("auth", token=token)
        after = ended_batch(client, made["id"])
    first, second, third = after["requests"]
    assert (first["status"], first["result"]["error"], first["jid"]) == ("error", "outcome_unknown", None)
    assert (second["status"], third["status"]) == ("resolved", "resolved")
    assert (after["status"], after["done_count"], after["error_count"]) == ("error", 2, 1)
    assert ran.read_text().split() == ["two", "three"]
