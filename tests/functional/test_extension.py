"""The engine as the Python package saltext-websocket-api: Salt's loader finds it by entry point, without a file server.

The package is laid out on the path as pip does it. Pip itself, a master and a minion are in integration/test_wheel.py.
"""

from __future__ import annotations

import http.client
import importlib.util
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.functional.running import CHECKOUT, VERSION, Engine
from tests.support.reloading import copy_of_engine

pytest.importorskip("salt")

pytestmark = [
    pytest.mark.both_lines,
    pytest.mark.skipif(not (CHECKOUT / ".git").exists(), reason="this is no clone of the repository"),
]

MakeEngine = Callable[..., Engine]
METADATA = "Metadata-Version: 2.1\nName: saltext-websocket-api\nVersion: {}\n"
ENTRY_POINT = "[salt.loader]\nsaltext.websocket_api = saltext.websocket_api\n"


def tool() -> Any:
    """Return tools/release.py."""
    spec = importlib.util.spec_from_file_location("release_tool", CHECKOUT / "tools" / "release.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder for Python packages, with this one in it."""
    tool().stage(CHECKOUT, tmp_path)
    about = tmp_path / "src" / "saltext_websocket_api-9.9.9.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(METADATA.format("9.9.9"))
    (about / "entry_points.txt").write_text(ENTRY_POINT)
    return tmp_path / "src"


def package(site: Path) -> Path:
    """Return the engine's folder in the package."""
    return site / "saltext" / "websocket_api" / "engines" / "websocket_api"


def warnings(log: str) -> list[str]:
    """Return the engine's own warnings."""
    return [line for line in log.splitlines() if line.startswith("WARNING") and "websocket_api" in line]


def test_the_package_needs_no_file_server(make_engine: MakeEngine, site: Path) -> None:
    """Its schemas and its console are its own; the log says where it is."""
    wrapper = ["env", f"PYTHONPATH={site}"]
    engine = make_engine(schemas=False, master={"engines_dirs": []}, wrapper=wrapper)
    log = engine.serve()
    assert f"websocket_api {VERSION} is loaded from {package(site)}" in log
    assert warnings(log) == []
    connection = http.client.HTTPConnection("127.0.0.1", engine.port, timeout=30)
    connection.request("GET", "/console/app.js")
    assert connection.getresponse().read() == (package(site) / "console" / "app.js").read_bytes()
    connection.close()


def test_the_package_serves_with_its_own_schemas_if_the_file_server_has_other_ones(
    make_engine: MakeEngine, site: Path
) -> None:
    """A clone of another release next to the package does no harm; the log says what to bring together."""
    engine = make_engine(schemas=False, master={"engines_dirs": []}, wrapper=["env", f"PYTHONPATH={site}"])
    shutil.copytree(CHECKOUT / "schemas", engine.files / "websocket_api" / "schemas")
    (engine.files / "websocket_api" / "schemas" / "VERSION").write_text("9.9.9\n")
    (line,) = [one for one in warnings(engine.serve()) if f"is release 9.9.9, the engine {VERSION}" in one]
    assert f"are taken from {package(site)}: upgrade the engine by pip, or the files there" in line


def test_a_synced_engine_wins_and_says_so(make_engine: MakeEngine, site: Path) -> None:
    """The line names both, and the folder to delete for the package to run."""
    engine = make_engine(schemas=False, wrapper=["env", f"PYTHONPATH={site}"], master={"engines_dirs": []})
    synced = copy_of_engine(engine.root / "var/cache/salt/master/extmods")
    engine.give_schemas()
    log = engine.serve()
    assert f"websocket_api {VERSION} is loaded from {synced}" in log
    (line,) = (line for line in warnings(log) if "saltext" in line)
    assert "the installed package saltext-websocket-api 9.9.9 does not run" in line
    assert f"but websocket_api {VERSION} from {synced}: uninstall the package, or delete that folder" in line


def test_the_package_has_the_release_and_nothing_of_the_formula(site: Path) -> None:
    """Every file of the engine, the schemas and the console is in it, and what only the formula uses is not."""
    known = subprocess.run(["git", "ls-files"], cwd=CHECKOUT, check=True, capture_output=True, text=True).stdout.split()
    for folder, place in {
        "_engines/websocket_api": package(site),
        "websocket_api/schemas": package(site) / "schemas",
        "websocket_api/console": package(site) / "console",
    }.items():
        there = [name for name in known if name.startswith(f"{folder}/")]
        assert there
        for name in there:
            assert (place / Path(name).relative_to(folder)).read_bytes() == (CHECKOUT / name).read_bytes()
    top = package(site).parents[1]
    assert {path.relative_to(top).as_posix() for path in top.glob("*/*.py")} == {
        "modules/websocket_api.py",
        "runners/websocket_api.py",
    }
    assert not list(site.rglob("*.sls"))
