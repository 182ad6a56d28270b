"""The formula's search for the folder of the master's Python packages, and what it says of pillars and file servers."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

pytest.importorskip("salt")

import salt.config
from salt.exceptions import CommandExecutionError

CHECKOUT = Path(__file__).resolve().parents[2]
PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"


def load(name: str, functions: dict[str, Any]) -> ModuleType:
    """Load an execution module as Salt does, with these functions of others."""
    spec = importlib.util.spec_from_file_location(f"formula_{name}", CHECKOUT / "_modules" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.__salt__ = functions  # type: ignore[attr-defined]
    return module


def settings(folder: Path, **changes: Any) -> dict[str, Any]:
    """Return the formula's settings with the defaults that matter here."""
    defaults: dict[str, Any] = {
        "config_dir": str(folder),
        "config_file": "websocket_api.conf",
        "saltenv": "base",
        "extras_dir": None,
        "options": {},
        "external_auth": {},
        "master_config": {},
        "other_engines": [],
        "pam": True,
        "tls": {"source": "none"},
        "service": {"name": "no-such-service", "restart": None, "seconds": 90},
    }
    return {**defaults, **changes}


@pytest.fixture
def packaged(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    """The module in the Python of Salt's packages."""
    monkeypatch.setattr(sys, "RELENV", tmp_path / "salt", raising=False)
    module = load("websocket_api_packages", {})
    monkeypatch.setattr(module, "DAEMON_FOLDER", tmp_path / "var")
    monkeypatch.setattr(module.shutil, "which", lambda _: None)  # no systemd, unless a test says otherwise
    return module


def units(module: ModuleType, monkeypatch: pytest.MonkeyPatch, folder: Path, shown: str) -> None:
    """Let ``systemctl show`` print this, as systemd 252 does."""
    program = folder / "systemctl"
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{shown}\nEND\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setattr(module.shutil, "which", lambda name: str(folder / name))


def test_ordinary_packages_have_one_folder_for_all_daemons(packaged: ModuleType, tmp_path: Path) -> None:
    """Then salt-pip installs where the master looks without being told."""
    assert packaged.extras(settings(tmp_path)) is None
    assert packaged.environment(settings(tmp_path)) == {}
    assert packaged.has(settings(tmp_path), "json")
    assert not packaged.has(settings(tmp_path), "no_such_package")


def test_hardened_packages_have_a_folder_for_each_daemon(packaged: ModuleType, tmp_path: Path) -> None:
    """The master's is found by its usual place, for the running version of Python."""
    folder = tmp_path / "var" / f"extras-{PYTHON}"
    (tmp_path / "var" / "extras-3.1").mkdir(parents=True)
    assert packaged.extras(settings(tmp_path)) is None
    (folder / "jsonschema").mkdir(parents=True)
    assert packaged.environment(settings(tmp_path)) == {"SALT_EXTRAS_DIR": str(folder)}
    assert packaged.has(settings(tmp_path), "jsonschema")
    assert not packaged.has(settings(tmp_path), "json")


@pytest.mark.parametrize(
    ("shown", "file", "expected"),
    [
        ("Environment=A=1 SALT_EXTRAS_DIR=/srv/extras", "", "/srv/extras"),
        ('Environment="SALT_EXTRAS_DIR=/srv/with a space/extras/" A=1', "", "/srv/with a space/extras"),
        ("Environment=A=1", "", None),
        ("Environment=", "", None),
        ("EnvironmentFiles={} (ignore_errors=yes)", "# SALT_EXTRAS_DIR=/no\nSALT_EXTRAS_DIR='/srv/f'\n", "/srv/f"),
        ("EnvironmentFiles={} (ignore_errors=no)", "A=1\n", None),
        ("EnvironmentFiles=/no/such/file (ignore_errors=yes)", "", None),
        ("Environment=SALT_EXTRAS_DIR=/a\nEnvironmentFiles={} (ignore_errors=yes)", "SALT_EXTRAS_DIR=/b\n", "/b"),
        ("Environment=SALT_EXTRAS_DIR=", "", None),
    ],
)
def test_the_unit_names_the_folder(
    packaged: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    shown: str,
    file: str,
    expected: str | None,
) -> None:
    """In its own lines or in files that it reads, which count more."""
    (tmp_path / "environment").write_text(file)
    units(packaged, monkeypatch, tmp_path, shown.format(tmp_path / "environment"))
    assert packaged.extras(settings(tmp_path)) == expected


def test_the_pillar_counts_more_than_the_unit(
    packaged: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """For a master that no unit starts."""
    units(packaged, monkeypatch, tmp_path, "Environment=SALT_EXTRAS_DIR=/unit")
    assert packaged.extras(settings(tmp_path, extras_dir="/pillar")) == "/pillar"


SHARED = {"history": {"share": "redis://127.0.0.1/0"}}


@pytest.mark.parametrize(
    ("options", "listed", "expected"),
    [
        ({}, ["jsonschema>=4"], ["jsonschema>=4"]),
        ({"history": {"store": "disk", "share": None}}, ["jsonschema>=4"], ["jsonschema>=4"]),
        ({"history": "wrong"}, ["jsonschema>=4"], ["jsonschema>=4"]),
        (SHARED, ["jsonschema>=4"], ["jsonschema>=4", "redis"]),
        (SHARED, ["redis_exporter"], ["redis_exporter", "redis"]),
        (SHARED, ["redis[hiredis]>=5"], ["redis[hiredis]>=5"]),
        (SHARED, ["Redis==5.0.8"], ["Redis==5.0.8"]),
        (SHARED, "wrong", "wrong"),
    ],
)
def test_masters_that_share_a_stream_get_the_package_for_it(
    packaged: ModuleType, tmp_path: Path, options: dict[str, Any], listed: Any, expected: Any
) -> None:
    """A pillar's list replaces the default one, so naming it there would lose the others. A pinned one stays."""
    assert packaged.wanted(settings(tmp_path, options=options, packages=listed)) == expected


@pytest.fixture
def config(tmp_path: Path) -> ModuleType:
    """The module that checks pillars, on a host without a configuration."""
    (tmp_path / "master").write_text("user: root\n")
    surroundings = load("websocket_api_packages", {})
    return load("websocket_api_config", {"websocket_api_packages.unit": surroundings.unit})


@pytest.mark.parametrize(
    ("main", "pillar", "said"),
    [
        ("{}", {"external_auth": {"pam": {"ann": [".*"]}}}, []),
        ("{external_auth: {pam: {ann: [test.ping]}}}", {}, []),
        ("{external_auth: {sharedsecret: {ann: [test.ping]}}}", {"options": {"eauth": "sharedsecret"}}, []),
        (
            "{}",
            {},
            [
                "external_auth is empty, here and in the master's configuration: nobody could log in",
                "the pillar websocket_api is empty: name its file in the pillar's top.sls for this minion",
            ],
        ),
        ("{}", {"options": {"port": 8001}}, ["external_auth is empty, here and in the master's configuration"]),
        (
            "{}",
            {"external_auth": {"sharedsecret": {"ann": [".*"]}, "file": {}}},
            ["options:eauth is not in external_auth, which has file, sharedsecret: choose one of them"],
        ),
        (
            "{}",
            {"external_auth": {"pam": {"ann": [".*"]}, "pamm": {"ann": [".*"]}}},
            ["external_auth:pamm cannot be loaded by Salt here: check its name, and what it needs installed"],
        ),
    ],
)
def test_a_pillar_by_which_nobody_could_log_in_is_refused(
    config: ModuleType, tmp_path: Path, main: str, pillar: dict[str, Any], said: list[str]
) -> None:
    """Without it the run would end in success; what the main file grants counts too."""
    (tmp_path / "master").write_text(main)
    own = tmp_path / "master.d" / "websocket_api.conf"
    own.parent.mkdir()
    own.write_text("{external_auth: {pam: {of_the_last_run: ['.*']}}}")  # the formula will replace this file
    found = list(config._login_faults(settings(tmp_path, **pillar), pillar))
    assert len(found) == len(said), found
    for fault, start in zip(found, said, strict=True):
        assert fault.startswith(start)


@pytest.mark.parametrize(
    ("user", "port", "capabilities", "refused"),
    [
        ("salt", 443, None, True),
        ("salt", 443, "cap_net_bind_service", False),
        ("salt", 443, "cap_chown", True),
        ("salt", 1023, None, True),
        ("salt", 1024, None, False),
        ("salt", 0, None, False),
        ("salt", None, None, False),
        ("root", 443, None, False),
    ],
)
def test_a_port_that_the_masters_user_may_not_use_is_refused(
    config: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    user: str,
    port: int | None,
    capabilities: str | None,
    refused: bool,
) -> None:
    """Before anything is written, with the two ways that work."""
    (tmp_path / "master").write_text(f"user: {user}\n")
    (tmp_path / "lowest").write_text("1024\n")
    monkeypatch.setattr(config, "LOWEST_PORT", tmp_path / "lowest")
    units(config, monkeypatch, tmp_path, f"AmbientCapabilities={capabilities or ''}")
    found = list(config._port_faults(settings(tmp_path, options={} if port is None else {"port": port})))
    assert len(found) == refused
    if refused:
        assert "options:port is below 1024, and the master's user salt may not listen there" in found[0]
        assert "nginx" in found[0]
        assert "net.ipv4.ip_unprivileged_port_start" in found[0]


def test_a_kernel_that_lets_users_listen_anywhere_is_asked(
    config: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The sysctl is one of the two ways that are named."""
    (tmp_path / "master").write_text("user: salt\n")
    (tmp_path / "lowest").write_text("443\n")
    monkeypatch.setattr(config, "LOWEST_PORT", tmp_path / "lowest")
    assert list(config._port_faults(settings(tmp_path, options={"port": 443}))) == []


def master_module(folder: Path, own: list[str]) -> ModuleType:
    """Load the module that syncs, on a minion whose own file server has these files and a master with files/."""
    for name in own:
        path = folder / "own" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    (folder / "master").write_text(f"""\
root_dir: {folder}
user: {Path(folder).owner()}
file_roots: {{base: [{folder}/files]}}
""")
    return load("websocket_api_master", {
        "websocket_api_config.master": lambda given: salt.config.master_config(f"{given['config_dir']}/master"),
        "cp.list_master": lambda _saltenv, prefix="": [name for name in own if name.startswith(prefix)],
        "cp.cache_file": lambda address, _saltenv: str(folder / "own" / address.removeprefix("salt://")),
    })  # fmt: skip


ENGINE = ["_engines/websocket_api/__init__.py", "_runners/websocket_api.py"]


@pytest.mark.parametrize(
    ("served", "says"),
    [
        ([f"mounted/{name}" for name in ENGINE], "but at salt://mounted/_engines/websocket_api: Salt syncs nothing"),
        ([], "salt://_engines/websocket_api is not in the environment base: add this repository to it"),
    ],
)
def test_a_master_whose_file_server_lacks_the_engine_is_named(tmp_path: Path, served: list[str], says: str) -> None:
    """Salt's own sync copies nothing from a ``mountpoint``, and says nothing."""
    module = master_module(tmp_path, ENGINE)
    (tmp_path / "files").mkdir()
    for name in served:
        path = tmp_path / "files" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    with pytest.raises(CommandExecutionError) as caught:
        module.sync(settings(tmp_path))
    assert "the master's own file server lacks the engine" in str(caught.value)
    assert says in str(caught.value)


def test_a_minion_whose_file_server_has_the_engine_in_a_folder_is_told(tmp_path: Path) -> None:
    """The same mistake in the other place."""
    module = master_module(tmp_path, [f"mounted/{name}" for name in ENGINE])
    with pytest.raises(CommandExecutionError, match="but at salt://mounted/_engines/websocket_api: Salt syncs nothing"):
        module.stale(settings(tmp_path))


def test_a_sync_brings_all_and_clean_takes_all_away(tmp_path: Path) -> None:
    """Also what Python compiled: Salt's loader runs a compiled runner whose source is gone."""
    module = master_module(tmp_path, ENGINE)
    for name in ENGINE:
        path = tmp_path / "files" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    assert module.sync(settings(tmp_path)) == []
    copies = Path(salt.config.master_config(str(tmp_path / "master"))["extension_modules"])
    compiled = copies / "runners" / "__pycache__"
    compiled.mkdir()
    mine = [compiled / name for name in ("websocket_api.cpython-311.pyc", "websocket_api.cpython-311.opt-1.pyc")]
    other = compiled / "websocket_api_of_others.cpython-311.pyc"
    for path in (*mine, other):
        path.write_text("")
    would = module.unsync(settings(tmp_path), test=True)
    assert {str(path) for path in mine} <= set(would)
    assert module.unsync(settings(tmp_path)) == would
    assert not any(path.exists() for path in mine)
    assert other.exists()
    assert module.unsync(settings(tmp_path)) == []
