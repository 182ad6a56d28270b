"""A real master with the engine from this checkout and two real minions, once for each worker.

The daemons are pytest-salt-factories'. They run as the user who runs the tests, on free ports of 127.0.0.1, under a
folder with a short name: unix socket paths have a length limit that pytest's own temporary folders come near.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.client import Client
from tests.integration.checked import CheckedClient
from tests.ports import free_port
from tests.support.gates import Gate
from tests.support.loops import UVLOOP
from tests.support.waiting import is_open, wait_until

CHECKOUT = Path(__file__).resolve().parents[2]
FILES = Path(__file__).parent / "files"

SECRET = "demo"
MINIONS = ("minion-1", "minion-2")
CLIENTS = ("local", "local_async", "local_subset", "local_batch", "runner", "runner_async", "wheel", "wheel_async")
USERS: dict[str, list[Any]] = {
    "demo": [".*", "@runner", "@wheel", "@jobs", "@events", "@fire"],
    "viewer": ["test.ping"],
    "half": [{"minion-1": ["test.*"]}],
    "nobody": [],
}

# One user for each kind of permission (test_visibility_table.py). All of them may see the end of a table.
TABLE_USERS: dict[str, list[Any]] = {
    name: [*perms, {"@events": ["tag:end/*"]}]
    for name, perms in {
        "all": [".*"],
        "echo": ["test.echo"],
        "half-echo": [{"minion-1": ["test.*"]}],
        "grain-echo": [{"G@id:minion-2": ["test.echo"]}],
        "yes-echo": [{"minion-*": [{"test.echo": {"args": ["yes"]}}]}],
        "named-echo": [{"minion-*": [{"test.echo": {"kwargs": {"text": "yes"}}}]}],
        "ping": ["test.ping"],
        "grains": [{"minion-1": ["grains.items"]}],
        "beacons": [{"minion-1": ["beacons.list"]}],
        "sender": [{"minion-1": ["event.send"]}],
        "events": ["@events"],
        "team": [{"@events": ["tag:myco/*"]}],
        "fire": ["@fire"],
        "runners": ["@runner"],
        "jobs": ["@jobs"],
        "test-runner": [{"@runner": ["test.arg"]}],
        "yes-runner": [{"@runner": [{"test.arg": {"args": ["yes"]}}]}],
        "wheels": ["@wheel"],
        "keys": [{"@wheel": ["key.list_all"]}],
        "owner": ["test.version"],
        "root": ["test.version"],
    }.items()
}

# Seconds until a daemon must run; a master needs about ten on two busy cores.
START_TIMEOUT = 240

# All tests share an address: the wrong passwords of one would refuse the logins of the next for a minute.
LIMITS = {"login_failures_per_minute": 10_000, "login_failures_per_address_per_minute": 10_000}
MASTER_GRAINS = {"grains_cache": True, "grains_cache_expiration": 3600}
"""Options of a master: else each of its workers computes its grains four times, and each runner once."""
MINION_OPTIONS = {
    "log_level_logfile": "info",
    # To load these takes half of the time in which a minion lists or documents its functions.
    "disable_modules": ["idem", "npm", "udev", "vsphere"],
    # Else each highstate compares hundreds of files with those of the master, first of all the engine's.
    "autoload_dynamic_modules": False,
}
KEYS = ("minions", "minions_pre", "minions_rejected", "minions_denied")
"""The folders of keys, one for each state."""


@contextlib.contextmanager
def running(factory: Any) -> Iterator[Any]:
    """Run a daemon, and kill it at the end: a stop takes seconds."""
    with factory.started(start_timeout=START_TIMEOUT):
        try:
            yield factory
        finally:
            # When coverage is measured, a process writes what it has measured when it is stopped.
            factory.slow_stop = "COVERAGE_PROCESS_CONFIG" in os.environ


@pytest.fixture(scope="session")
def salt_root() -> Iterator[Path]:
    """A folder with a short path for all files of Salt, removed at the end."""
    root = Path(tempfile.mkdtemp(prefix="wsi-", dir="/tmp" if os.access("/tmp", os.W_OK) else None))
    yield root
    shutil.rmtree(root, ignore_errors=True)


@pytest.fixture(scope="session")
def salt_factories_config(salt_root: Path) -> dict[str, Any]:
    """Settings of pytest-salt-factories."""
    return {"root_dir": str(salt_root), "code_dir": str(CHECKOUT), "start_timeout": START_TIMEOUT}


@pytest.fixture(scope="session")
def file_root(salt_root: Path) -> Path:
    """A file server root with what a gitfs remote of this project would serve.

    The checkout itself is no good as a root: the file server walks it whole, with every virtual environment in it.
    """
    root = salt_root / "files"
    root.mkdir()
    for name in ("_engines", "_modules", "_runners", "_states", "websocket_api"):
        if (CHECKOUT / name).exists():
            (root / name).symlink_to(CHECKOUT / name)
    return root


def master_config(file_root: Path, port: int, **engine_options: Any) -> dict[str, Any]:
    """Return a master's options, except those by which it finds the engine."""
    engine_options["limits"] = {**LIMITS, **engine_options.get("limits", {})}
    return {
        "open_mode": True,
        "worker_threads": 3,  # instead of 5: each takes time to start
        **MASTER_GRAINS,
        "gather_job_timeout": 5,  # seconds instead of 10 until a minion that is down counts as missing
        "log_level_logfile": "info",
        "external_auth": {"sharedsecret": {**USERS, **TABLE_USERS}},
        "sharedsecret": SECRET,
        "netapi_enable_clients": list(CLIENTS),
        "file_roots": {"base": [str(file_root), str(FILES)]},
        "engines": [{"websocket_api": {"port": port, "eauth": "sharedsecret", "uvloop": UVLOOP, **engine_options}}],
    }


@pytest.fixture(scope="session")
def engine_port() -> int:
    """The port on which the engine of the shared master listens."""
    return free_port()


@pytest.fixture(scope="session")
def salt_master(salt_factories: Any, file_root: Path, engine_port: int) -> Iterator[Any]:
    """The shared master; its engine is loaded from this checkout."""
    overrides = master_config(file_root, engine_port)
    overrides["engines_dirs"] = [str(CHECKOUT / "_engines")]
    overrides["runner_dirs"] = [str(CHECKOUT / "_runners"), str(FILES / "_runners")]
    factory = salt_factories.salt_master_daemon("master", overrides=overrides)
    # There is no option for the folder of wheels as there is for runners.
    shutil.copytree(FILES / "_wheel", Path(factory.config["extension_modules"]) / "wheel")
    with running(factory):
        yield factory


def _minion(salt_master: Any, minion_id: str) -> Any:
    overrides = {**MINION_OPTIONS, "file_client": "remote"}
    return salt_master.salt_minion_daemon(minion_id, overrides=overrides)


@pytest.fixture(scope="session")
def salt_minions(salt_master: Any) -> Iterator[list[Any]]:
    """The two shared minions, connected, with the modules of this project and of the tests."""
    import salt.client

    functions = ["saltutil.sync_states", "saltutil.sync_modules"]
    first, second = _minion(salt_master, "minion-1"), _minion(salt_master, "minion-2")
    with running(first), running(second):
        with salt.client.get_local_client(salt_master.config["conf_file"]) as client:
            synced = client.cmd("minion-*", functions, [[], []], timeout=90)
        assert set(synced) == set(MINIONS), synced
        assert all("modules.websocket_api" in names["saltutil.sync_modules"] for names in synced.values()), synced
        yield [first, second]


@pytest.fixture(scope="session")
def engine_url(salt_minions: list[Any], engine_port: int) -> str:
    """The address of the listening engine, on a master with two connected minions."""
    wait_until(lambda: is_open(engine_port), "the engine listening")
    return f"ws://127.0.0.1:{engine_port}/"


@pytest.fixture(autouse=True)
def _keys_as_before(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test that leaves keys on the shared master: jobs of later tests would wait for such minions."""
    if "salt_master" not in request.fixturenames:
        yield
        return
    folder = Path(request.getfixturevalue("salt_master").config["pki_dir"])

    def keys() -> set[Path]:
        return {path for state in KEYS for path in (folder / state).glob("*") if path.name not in MINIONS}

    before = keys()
    yield
    left = keys() - before
    for path in left:
        path.unlink(missing_ok=True)
    assert left == set()


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    """Let commands on minions wait until the test opens the gate; at its end it is open."""
    gate = Gate(tmp_path / "gate")
    yield gate
    gate.open()


@pytest.fixture
def connect(engine_url: str) -> Iterator[Callable[..., Client]]:
    """Make clients that are closed after the test: ``connect()``, or logged in ``connect("demo")``.

    All that they get is held to the schemas.
    """
    with contextlib.ExitStack() as stack:

        def make(username: str | None = None, url: str = engine_url, **options: Any) -> Client:
            client = stack.enter_context(CheckedClient(url, **options))
            if username is not None:
                client.login(username)
            return client

        yield make


@pytest.fixture
def demo(connect: Callable[..., Client]) -> Client:
    """A client of the user with all permissions."""
    return connect("demo")


@pytest.fixture
def away(salt_master: Any, demo: Client) -> Iterator[str]:
    """The id of a minion that is accepted but down; its key is deleted after the test."""
    keys = Path(salt_master.config["pki_dir"]) / "minions"
    shutil.copy(keys / "minion-1", keys / "away")
    yield "away"
    demo.ask("wheel", fun="key.delete", kwarg={"match": "away"}, mode="sync")


@pytest.fixture
def bus(salt_master: Any) -> Iterator[Any]:
    """The master's own event bus, for tests without the engine."""
    import salt.utils.event

    opts = dict(salt_master.config)
    with salt.utils.event.get_event("master", sock_dir=opts["sock_dir"], opts=opts, listen=True) as event:
        assert event.connect_pub(timeout=10)
        yield event
