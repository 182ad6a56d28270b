"""What a reload reads again: options, Python packages, the console and the certificate's files."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import urllib.request
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.functional.running import CHECKOUT, Engine
from tests.ports import free_port
from tests.support.processes import ended
from tests.support.waiting import is_open, wait_until

pytest.importorskip("salt")

pytestmark = [pytest.mark.both_lines]

MakeEngine = Callable[..., Engine]
PACKAGES = ("jsonschema", "orjson", "re2", "rpds", "uvloop")


def reload(engine: Engine) -> None:
    """Reload, and wait for the end of the last process."""
    before = engine.pid
    assert "error" not in engine.reload()
    wait_until(lambda: ended(before), "the end of the last process")


def kill(engine: Engine) -> None:
    """Kill the serving process and wait for the next one."""
    before, starts = engine.pid, engine.log.count(" listens on ")
    os.kill(before, signal.SIGKILL)
    wait_until(lambda: ended(before), "the serving process's end")
    wait_until(lambda: engine.log.count(" listens on ") > starts, "the next process")


def test_options_of_a_reload_stay(make_engine: MakeEngine) -> None:
    """Another port, and another limit; they stay when the serving process is killed, though Salt knows the old ones."""
    engine = make_engine()
    engine.start()
    engine.wait()
    before, engine.port = engine.port, free_port()
    engine.configure(port=engine.port, limits={"message_bytes_before_auth": 2048})
    reload(engine)
    assert not is_open(before)
    for _ in range(2):
        with engine.client("demo") as client:
            assert client.ask("describe")["limits"]["message_bytes_before_auth"] == 2048
        kill(engine)
    reload(engine)
    assert not is_open(before)


def test_upgraded_packages_are_loaded(make_engine: MakeEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The supervisor has loaded none of them, so the next process takes what pip has installed meanwhile."""
    found = importlib.util.find_spec("jsonschema")
    assert found is not None
    assert found.origin is not None
    package = tmp_path / "packages" / "jsonschema"
    shutil.copytree(Path(found.origin).parent, package, ignore=shutil.ignore_patterns("__pycache__", "tests"))
    monkeypatch.setenv("PYTHONPATH", str(package.parent))
    engine = make_engine()
    engine.start()
    engine.wait()
    line = "this is the next release of jsonschema"
    first = package / "__init__.py"
    first.write_text(f"{first.read_text()}\nimport logging\nlogging.getLogger(__name__).warning({line!r})\n")
    kill(engine)
    assert engine.log.count(line) == 1
    reload(engine)
    assert engine.log.count(line) == 2
    mapped = {Path(one.path).name for one in psutil.Process(engine.supervisor_pid).memory_maps()}
    assert [name for name in mapped if name.startswith(PACKAGES)] == []


def test_a_changed_console_is_served(make_engine: MakeEngine) -> None:
    """It is read once by each process, from the master's file server."""
    engine = make_engine()
    console = engine.files / "websocket_api" / "console"
    shutil.copytree(CHECKOUT / "websocket_api" / "console", console)
    engine.start()
    engine.wait()
    page = console / "index.html"
    page.write_text(page.read_text().replace("</body>", "<!-- the next one --></body>"))
    url = f"http://127.0.0.1:{engine.port}/console/"

    def served() -> bool:
        with urllib.request.urlopen(url, timeout=30) as response:
            return b"the next one" in response.read()

    assert not served()
    reload(engine)
    assert served()
