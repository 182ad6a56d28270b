"""The engine on uvloop's event loop, and on asyncio's where uvloop is not installed, is off or does not work."""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.functional.running import Engine
from tests.support.buses import Publisher
from tests.support.processes import ended
from tests.support.waiting import wait_until

pytest.importorskip("salt")

MakeEngine = Callable[..., Engine]
BROKEN = 'raise ImportError("libuv.so.1: cannot open shared object file")\n'
MISSING = 'raise ModuleNotFoundError("No module named \'uvloop\'", name="uvloop")\n'


def loops(engine: Engine) -> list[str]:
    """Return the event loops of the serving processes so far, as the log names them."""
    lines = [line for line in engine.log.splitlines() if " listens on " in line]
    return [line.partition(" with ")[2].partition(" listens on ")[0] for line in lines]


def install(folder: Path, code: str) -> tuple[str, str]:
    """Write a package that stands before the real uvloop, and return the command that runs an engine with it."""
    package = folder / "packages" / "uvloop"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(code)
    return "env", f"PYTHONPATH={package.parent}"


@pytest.mark.parametrize(("code", "warnings"), [(MISSING, 0), (BROKEN, 1)], ids=["missing", "broken"])
def test_without_a_uvloop_that_works_the_engine_serves_on_asyncio(
    make_engine: MakeEngine, tmp_path: Path, code: str, warnings: int
) -> None:
    """A package that does not fit is logged; a missing one is not."""
    engine = make_engine({"uvloop": True}, wrapper=install(tmp_path, code))
    log = engine.serve()
    assert loops(engine) == ["asyncio"]
    lines = [line for line in log.splitlines() if "cannot use uvloop" in line]
    assert len(lines) == warnings
    assert all(line.startswith("WARNING ") and "ImportError: libuv.so.1: " in line for line in lines)


def test_reloads_switch_between_the_loops(make_engine: MakeEngine) -> None:
    """An installed uvloop is used unless the option says no; the state and the bus pass from one to the other."""
    name = f"uvloop {importlib.metadata.version('uvloop')}"
    engine = make_engine({"uvloop": True})
    engine.start()
    engine.wait()
    with contextlib.closing(Publisher(engine.sock_dir)) as bus:
        with engine.client("demo") as client:
            pong = client.ask("ping")
        since = {"epoch": pong["epoch"], "seq": pong["seq"]}
        for number, uvloop in enumerate([False, True]):
            last = engine.pid
            engine.configure(uvloop=uvloop)
            assert "error" not in engine.reload()
            wait_until(lambda pid=last: ended(pid), "the end of the last process")
            bus.send((f"n/{number}", {}))
            with engine.client("demo") as client:
                found = client.ask("get_event", tag="n/", since=since, full=True, wait=60)
                since["seq"] = found["seq"]
                assert found["tag"] == f"n/{number}"
    assert loops(engine) == [name, "asyncio", name]
    assert engine.complaints == []


def test_each_protocol_is_served_on_uvloop(make_engine: MakeEngine) -> None:
    """A websocket, an answer over HTTP and a stream; then it stops as fast as Salt wants."""
    engine = make_engine({"uvloop": True})
    engine.serve()
    headers = {"X-Auth-Token": engine.token(), "Accept": "application/json"}
    with contextlib.closing(Publisher(engine.sock_dir)) as bus, engine.client("demo") as client:
        client.ask("subscribe", subscription="event", tag="n/")
        root = f"http://127.0.0.1:{engine.port}"
        with urllib.request.urlopen(urllib.request.Request(root, headers=headers), timeout=30) as answer:
            assert json.load(answer)["return"] == "Welcome"
        with urllib.request.urlopen(urllib.request.Request(f"{root}/events", headers=headers), timeout=30) as stream:
            bus.send(("n/1", {"n": 1}))
            assert client.frames(until=lambda frame: frame.get("tag") == "n/1")[-1]["data"]["n"] == 1
            wait_until(lambda: b"n/1" in stream.readline(), "the event in the stream")
    began = time.monotonic()
    engine.stop()
    assert time.monotonic() - began < 5
    assert "Traceback" not in engine.log
