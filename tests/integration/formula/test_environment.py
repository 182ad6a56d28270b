"""The repository in an environment of its own, as docs/install.md advises for many minions: they copy none of it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import CHECKOUT
from tests.integration.formula.host import Host, changed, failed, host
from tests.support.waiting import wait_until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.costly,
    pytest.mark.both_lines,
    pytest.mark.timeout(600),
    pytest.mark.skipif(os.geteuid() != 0, reason="the minion of a master's host runs as root"),
]

ENVIRONMENT = "websocket_api"
TOP = {"base": {"*": ["some"]}, ENVIRONMENT: {"host": ["websocket_api"]}}


def files_of(made: Host, folder: str) -> set[str]:
    """Return the Python files below a folder of this host."""
    found = made.root / folder
    return {str(path.relative_to(found)) for path in found.rglob("*.py")}


def run(made: Host, minion: str, fun: str) -> Any:
    """Run a function on a minion, and return what it returns."""
    with made.client() as client:
        job = client.ask("cmd", fun=fun, tgt=minion, mode="sync", timeout=200, patience=250)
    return job["minions"][minion]["return"]


def pillar(made: Host) -> dict[str, Any]:
    """Return the host's pillar, with the environment."""
    return made.pillar(saltenv=ENVIRONMENT)


def pings(made: Host) -> bool:
    """Return whether both minions answer."""
    with made.client() as client:
        if set(client.ask("match", tgt="*")) < {"host", "web"}:
            return False
        job = client.ask("cmd", fun="test.ping", tgt="*", mode="sync", timeout=10, patience=30)
        return all(one["return"] is True for one in job["minions"].values())


@pytest.fixture(scope="module")
def separate() -> Iterator[Host]:
    """A host whose file server has the repository in one environment, and the minions' states in another one."""
    with host() as made:
        base = made.root / "base"
        for name, text in (
            ("_engines/other.py", "def start():\n    pass\n"),
            ("some.sls", "some:\n  test.nop: []\n"),
            ("top.sls", json.dumps(TOP)),
        ):
            (base / name).parent.mkdir(parents=True, exist_ok=True)
            (base / name).write_text(text, encoding="utf-8")
        (base / "_modules").mkdir()
        (base / "_modules" / "websocket_api.py").symlink_to(CHECKOUT / "_modules" / "websocket_api.py")
        roots = {"base": [str(base)], ENVIRONMENT: [str(made.files)]}
        pillars = made.root / "pillar"
        pillars.mkdir()
        (pillars / "top.sls").write_text(json.dumps({"base": {"host": ["api"]}}), encoding="utf-8")
        (pillars / "api.sls").write_text(json.dumps(pillar(made)), encoding="utf-8")
        for name in ("master", "minion"):
            path: Path = made.config / name
            settings = json.loads(path.read_text(encoding="utf-8"))
            made.write(name, {**settings, "file_roots": roots, "pillar_roots": {"base": [str(pillars)]}})
        assert not failed(made.apply("websocket_api", pillar(made), f"saltenv={ENVIRONMENT}"))
        made.start("salt-minion")
        made.add_minion("web")
        wait_until(lambda: pings(made), "both minions", timeout=120)
        yield made


def test_the_master_serves_what_the_environment_has(separate: Host) -> None:
    """The schemas and the console are found there, too."""
    with separate.client() as client:
        assert "host" in client.ask("match", tgt="*")
    assert separate.runs("salt-run", "websocket_api.status")["engine"] is True


def test_minions_copy_nothing_of_it(separate: Host) -> None:
    """Neither a highstate nor a sync does; they get the module of progress reports where base links to it."""
    ran = run(separate, "web", "state.apply")
    assert [one["result"] for one in ran.values()] == [True]
    run(separate, "web", "saltutil.sync_all")
    assert files_of(separate, "web/var/cache/salt/minion/extmods/engines") == {"other.py"}
    assert files_of(separate, "web/var/cache/salt/minion/extmods/modules") == {"websocket_api.py"}
    assert files_of(separate, f"web/var/cache/salt/minion/files/{ENVIRONMENT}") == set()


def test_the_highstate_of_the_masters_host_changes_nothing_again(separate: Host) -> None:
    """The top file names the formula for this host only."""
    before = separate.master_pid
    ran = run(separate, "host", "state.apply")
    outcomes = {key.split("_|-")[1]: value for key, value in ran.items()}
    assert "websocket_api_synced" in outcomes
    assert not failed(outcomes)
    assert changed(outcomes) == {}
    assert separate.master_pid == before is not None


def test_a_sync_of_the_master_must_name_both_environments(separate: Host) -> None:
    """Salt deletes what the named ones do not have, as the page says."""
    copies = "var/cache/salt/master/extmods/engines"
    separate.runs("salt-run", "saltutil.sync_all", f"saltenv=base,{ENVIRONMENT}")
    assert files_of(separate, copies) > {"other.py", "websocket_api/__init__.py"}
    separate.runs("salt-run", "saltutil.sync_engines")
    assert files_of(separate, copies) == {"other.py"}
