"""This repository as a gitfs remote, unchanged: a sync, and a master that starts during the first fetch."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.conftest import CHECKOUT
from tests.integration.formula.git_server import GitServer
from tests.integration.formula.host import FORMULA, Host, host
from tests.integration.formula.releases import set_release
from tests.support.waiting import is_open, wait_until

pytest.importorskip("git", reason="GitPython, by which Salt reads git, comes with Salt")

VERSION = (CHECKOUT / "schemas" / "VERSION").read_text().strip()
CACHES = ("gitfs", "websocket_api", "file_lists")  # of the master

pytestmark = [pytest.mark.slow, pytest.mark.costly, pytest.mark.both_lines, pytest.mark.timeout(600)]


def git(*arguments: str, folder: Path) -> None:
    """Run git without the configuration of the person who runs the tests."""
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


def push(server: GitServer, version: str) -> None:
    """Push another complete release of this project: with its versions and the digest of the changed schema file."""
    work = server.folder / "work"
    set_release(work, version)
    git("commit", "--all", f"--message={version}", folder=work)
    git("push", str(server.folder / "project.git"), "main", folder=work)


def serve_from(reader: Host, remote: object) -> None:
    """Start the master with another remote and an empty cache."""
    reader.stop()
    main = json.loads((reader.config / "master").read_text())
    reader.write("master", {**main, "gitfs_remotes": [remote]})
    for cache in CACHES:
        shutil.rmtree(reader.root / "var" / "cache" / "salt" / "master" / cache, ignore_errors=True)
    reader.start("salt-master")


@pytest.fixture(scope="module")
def reader(server: GitServer) -> Iterator[Host]:
    """A host whose master gets this project only by git."""
    remote = server.address("project.git")
    settings = {"fileserver_backend": ["git"], "gitfs_remotes": [remote], "gitfs_base": "main"}
    with host(**settings, gitfs_provider="gitpython", sharedsecret="demo") as made:
        yield made


def test_a_sync_from_git_brings_the_engine(server: GitServer, reader: Host) -> None:
    """Salt's own sync copies the engine and the runner from the unchanged repository."""
    server.opened.set()
    reader.start("salt-master")
    version = "websocket_api/schemas/VERSION"
    wait_until(lambda: version in reader.runs("salt-run", "fileserver.file_list"), "git's files", timeout=120)
    assert "engines.websocket_api.server" in reader.runs("salt-run", "saltutil.sync_engines")
    assert reader.runs("salt-run", "saltutil.sync_runners") == ["runners.websocket_api"]


def test_a_master_that_starts_before_its_first_fetch_is_done_serves_when_it_is(server: GitServer, reader: Host) -> None:
    """The engine waits for the first fetch, logs this at INFO and nothing at CRITICAL, and then serves."""
    reader.stop()
    for cache in CACHES:
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


def test_a_branch_that_moved_does_not_take_the_api_down(server: GitServer, reader: Host) -> None:
    """After a reboot between the move and the sync, the engine runs from its copy, and logs both releases."""
    push(server, "9.0.0")
    assert reader.runs("salt-run", "fileserver.update")
    size = reader.log_file.stat().st_size
    reader.stop()
    reader.start("salt-master")
    with contextlib.closing(reader.client(tls=False)) as client:
        assert client.ask("ping")["version"] == VERSION
    said = reader.log_file.read_text()[size:]
    assert f"salt://websocket_api/schemas is release 9.0.0, the engine {VERSION}" in said
    assert "salt-run saltutil.sync_engines" in said


def test_a_sync_alone_ends_an_outage(server: GitServer, reader: Host) -> None:
    """Without a copy the engine cannot run, until its files are synced: no restart of the master is needed."""
    reader.stop()
    shutil.rmtree(reader.root / "var" / "cache" / "salt" / "master" / "websocket_api" / "release")
    size = reader.log_file.stat().st_size
    reader.start("salt-master")
    complaint = f"is release 9.0.0, the engine {VERSION}: run salt-run saltutil.sync_engines"
    wait_until(lambda: complaint in reader.log_file.read_text()[size:], "the engine's complaint", timeout=120)
    assert not is_open(reader.port)
    assert "engines.websocket_api.contract.manifest" in reader.runs("salt-run", "saltutil.sync_engines")
    wait_until(lambda: is_open(reader.port), "the engine listening", timeout=120)
    with contextlib.closing(reader.client(tls=False)) as client:
        assert client.ask("ping")["version"] == "9.0.0"


def test_a_mountpoint_is_named(server: GitServer, reader: Host) -> None:
    """Salt's sync finds nothing below a mountpoint, and reports no error; the engine logs one."""
    size = reader.log_file.stat().st_size
    serve_from(reader, {server.address("project.git"): [{"mountpoint": "salt://mounted"}]})
    named = "but at salt://mounted/websocket_api/schemas: Salt syncs nothing from a folder; remove `mountpoint`"
    wait_until(lambda: named in reader.log_file.read_text()[size:], "the engine's complaint", timeout=180)
    assert reader.runs("salt-run", "saltutil.sync_engines") == []


def test_a_folder_of_another_repository_is_a_root(server: GitServer, reader: Host) -> None:
    """A repository with the unpacked release archive in a folder: minions get no other file of it."""
    site = server.folder / "site"
    for name in FORMULA:
        shutil.copytree(server.folder / "work" / name, site / "websocket_api-9.0.0" / name)
    (site / "secrets.txt").write_text("not for minions")
    git("init", "--initial-branch=main", folder=site)
    git("add", "--all", folder=site)
    git("commit", "--message=all", folder=site)
    git("clone", "--bare", "site", "site.git", folder=server.folder)
    serve_from(reader, {server.address("site.git"): [{"root": "websocket_api-9.0.0"}]})
    version = "websocket_api/schemas/VERSION"
    wait_until(lambda: version in reader.runs("salt-run", "fileserver.file_list"), "git's files", timeout=120)
    assert "secrets.txt" not in reader.runs("salt-run", "fileserver.file_list")
    assert "engines.websocket_api.server" in reader.runs("salt-run", "saltutil.sync_engines")
    reader.stop()
    reader.start("salt-master")
    with contextlib.closing(reader.client(tls=False)) as client:
        assert client.ask("ping")["version"] == "9.0.0"
