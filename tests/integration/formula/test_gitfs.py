"""This repository as a gitfs remote, as it is: a sync from it, and a master that starts while it is still fetched."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.conftest import CHECKOUT
from tests.integration.formula.git_server import GitServer
from tests.integration.formula.host import FORMULA, Host, host
from tests.support.waiting import is_open, wait_until

pytest.importorskip("git", reason="GitPython, by which Salt reads git, comes with Salt")

pytestmark = [pytest.mark.slow, pytest.mark.costly, pytest.mark.both_lines, pytest.mark.timeout(600)]


def git(*arguments: str, folder: Path) -> None:
    """Run git, whatever the person who runs the tests has configured."""
    who = ["-c", "user.name=test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitServer]:
    """A bare clone of this project, served by git itself."""
    folder = tmp_path_factory.mktemp("git")
    work = folder / "work"
    for name in FORMULA:
        shutil.copytree(CHECKOUT / name, work / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("README.md", "pillar.example", "Makefile"):
        shutil.copy(CHECKOUT / name, work / name)
    git("init", "--initial-branch=main", folder=work)
    git("add", "--all", folder=work)
    git("commit", "--message=all", folder=work)
    git("clone", "--bare", "work", "project.git", folder=folder)
    made = GitServer(folder)
    yield made
    made.opened.set()
    made.shutdown()
    made.server_close()


@pytest.fixture(scope="module")
def reader(server: GitServer) -> Iterator[Host]:
    """A host whose master knows this project by git only."""
    remote = server.address("project.git")
    settings = {"fileserver_backend": ["git"], "gitfs_remotes": [remote], "gitfs_base": "main"}
    with host(**settings, gitfs_provider="gitpython", sharedsecret="demo") as made:
        yield made


def test_a_sync_from_git_brings_the_engine(server: GitServer, reader: Host) -> None:
    """The repository is a gitfs remote as it is: the engine and the runner come by Salt's own sync."""
    server.opened.set()
    reader.start("salt-master")
    version = "websocket_api/schemas/VERSION"
    wait_until(lambda: version in reader.runs("salt-run", "fileserver.file_list"), "git's files", timeout=120)
    assert "engines.websocket_api.server" in reader.runs("salt-run", "saltutil.sync_engines")
    assert reader.runs("salt-run", "saltutil.sync_runners") == ["runners.websocket_api"]


def test_a_master_that_starts_before_its_first_fetch_is_done_serves_when_it_is(server: GitServer, reader: Host) -> None:
    """The engine waits while the remote is still fetched, says so at INFO and nothing at CRITICAL, and then serves."""
    reader.stop()
    for cache in ("gitfs", "websocket_api", "file_lists"):
        shutil.rmtree(reader.root / "var" / "cache" / "salt" / "master" / cache, ignore_errors=True)
    options = {"port": reader.port, "eauth": "sharedsecret"}
    configured = {"engines": [{"websocket_api": options}], "external_auth": {"sharedsecret": {"demo": [".*"]}}}
    reader.write("master.d/websocket_api.conf", configured)
    server.waiting.clear()
    server.opened.clear()
    reader.start("salt-master")
    log = reader.log_file
    waits = "websocket_api waits for salt://websocket_api/schemas"
    wait_until(lambda: waits in log.read_text(), "the engine waiting", timeout=120)
    assert server.waiting.wait(60), "nothing is fetched"
    assert not is_open(reader.port)
    server.opened.set()
    wait_until(lambda: is_open(reader.port), "the engine listening", timeout=120)
    with contextlib.closing(reader.client(tls=False)) as client:
        assert client.ask("ping")
    assert "websocket_api cannot run" not in log.read_text()
