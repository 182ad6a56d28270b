"""The engine and its schemas are one release: which files it takes, and what it says if the file server has others."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.functional.running import CHECKOUT, VERSION, Engine
from tests.support.reloading import copy_of_engine
from tests.support.waiting import wait_until

pytest.importorskip("salt")

pytestmark = [pytest.mark.both_lines]

MakeEngine = Callable[..., Engine]
FILES = Path("websocket_api")  # the folder on the file server


def give(engine: Engine) -> Path:
    """Put a copy of the schemas and a console of one page on the file server; return the folder of both."""
    folder = engine.files / FILES
    shutil.copytree(CHECKOUT / "schemas", folder / "schemas")
    (folder / "console").mkdir()
    (folder / "console" / "index.html").write_text("the console of this release")
    return folder


def change_version(folder: Path) -> None:
    """Pull another release."""
    (folder / "schemas" / "VERSION").write_text("9.9.9\n")


def change_a_schema(folder: Path) -> None:
    """Pull a commit that changes a schema under the same version."""
    path = folder / "schemas" / "operations" / "ping.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "title": "other"}))


def lose_a_schema(folder: Path) -> None:
    """Lose a file."""
    (folder / "schemas" / "common.json").unlink()


def break_a_schema(folder: Path) -> None:
    """Edit a file badly."""
    (folder / "schemas" / "settings.json").write_text("{")


OTHERS = pytest.mark.parametrize(
    ("change", "said"),
    [
        (change_version, f"is release 9.9.9, the engine {VERSION}"),
        (change_a_schema, f"is not release {VERSION} of the engine: operations/ping.json changed or missing"),
        (lose_a_schema, f"is not release {VERSION} of the engine: common.json changed or missing"),
        (break_a_schema, f"is not release {VERSION} of the engine: settings.json changed or missing"),
    ],
)


def page(engine: Engine) -> bytes:
    """Return the page of the console."""
    connection = http.client.HTTPConnection("127.0.0.1", engine.port, timeout=30)
    connection.request("GET", "/console/")
    body = connection.getresponse().read()
    connection.close()
    return body


def serve(engine: Engine) -> str:
    """Start an engine, ask it something, and return its warnings about schemas."""
    return "\n".join(line for line in engine.serve().splitlines() if line.startswith("WARNING") and "schemas" in line)


@OTHERS
def test_another_release_on_the_file_server_does_not_keep_the_engine_from_starting(
    make_engine: MakeEngine, change: Callable[[Path], None], said: str
) -> None:
    """It takes the schemas and the console of its last start, and says which release lies where and what to do."""
    engine = make_engine(schemas=False)
    folder = give(engine)
    assert serve(engine) == ""
    engine.stop()
    change(folder)
    (folder / "console" / "index.html").write_text("the console of another release")
    warning = serve(engine)
    assert f"salt://websocket_api/schemas {said}" in warning
    assert str(engine.root / "var/cache/salt/master/websocket_api/release") in warning
    assert "salt-run saltutil.sync_engines" in warning
    assert page(engine) == b"the console of this release"


@OTHERS
def test_without_a_copy_another_release_is_refused_until_it_fits(
    make_engine: MakeEngine, change: Callable[[Path], None], said: str
) -> None:
    """The sentence names both releases, or the changed files, and the command that fixes it."""
    engine = make_engine(schemas=False)
    folder = give(engine)
    change(folder)
    engine.start()
    line = engine.complaint()
    assert f"salt://websocket_api/schemas {said}: run salt-run saltutil.sync_engines" in line
    shutil.rmtree(folder)
    give(engine)
    engine.wait()
    # While the files are replaced, the engine may find only some of them, and say so.
    assert [one for one in engine.complaints if said in one] == [line]


def test_an_empty_file_server_is_not_waited_for_if_there_is_a_copy(make_engine: MakeEngine) -> None:
    """After a reboot a gitfs remote is empty for a while: clients need not wait for it."""
    engine = make_engine(schemas=False, constants={"release.FILES_SECONDS": 3600})
    folder = give(engine)
    serve(engine)
    engine.stop()
    shutil.rmtree(folder)
    assert serve(engine) == ""
    assert page(engine) == b"the console of this release"
    assert "nothing is at salt://websocket_api/schemas" in engine.log


def test_schemas_of_others_in_the_old_place_do_not_matter(make_engine: MakeEngine) -> None:
    """``salt://schemas`` may also be the name of a folder of the site's own."""
    engine = make_engine(schemas=False)
    shutil.copytree(CHECKOUT / "schemas", engine.files / "schemas")
    (engine.files / "schemas" / "customer.json").write_text("no JSON")
    assert serve(engine) == ""


def test_a_mountpoint_is_named(make_engine: MakeEngine) -> None:
    """Salt syncs nothing from below a folder and says nothing; the engine says where its files are and what to do."""
    engine = make_engine(schemas=False, constants={"release.FILES_SECONDS": 0.5})
    shutil.copytree(CHECKOUT / "schemas", engine.files / "mounted" / FILES / "schemas")
    engine.start()
    line = engine.complaint()
    assert "but at salt://mounted/websocket_api/schemas:" in line
    assert "remove `mountpoint`" in line


def test_an_engine_that_cannot_run_starts_with_new_files(make_engine: MakeEngine, tmp_path: Path) -> None:
    """``saltutil.sync_engines`` alone ends an outage: the supervisor starts a serving process with the new files."""
    package = copy_of_engine(tmp_path)
    manifest = package / "contract" / "manifest.py"
    right = manifest.read_text()
    manifest.write_text(right.replace('"VERSION": "', '"VERSION": "0'))
    engine: Any = make_engine(schemas=False, master={"engines_dirs": [str(package.parent)]})
    give(engine)
    engine.start()
    assert "VERSION changed or missing" in engine.complaint()
    assert engine.alive
    manifest.write_text(right)
    engine.wait()
    assert "websocket_api has new files" in engine.log
    assert len(engine.complaints) == 1
    with engine.client("demo") as client:
        assert client.ask("ping")["version"] == VERSION


def kill(engine: Engine) -> None:
    """Kill the serving process, and wait until another one listens."""
    before = engine.log.count(" listens on ")
    os.kill(engine.pid, signal.SIGKILL)
    wait_until(lambda: engine.log.count(" listens on ") > before, "the next process")


def test_a_killed_process_is_replaced_without_the_file_server(make_engine: MakeEngine) -> None:
    """Clients wait for it, and the file server may ask remotes first."""
    engine = make_engine(schemas=False, constants={"server.LOOK_SECONDS": 3600})
    folder = give(engine)
    serve(engine)
    shutil.rmtree(folder)
    kill(engine)
    assert page(engine) == b"the console of this release"
    with engine.client("demo") as client:
        assert client.ask("ping")["version"] == VERSION
    assert "nothing is at" not in engine.log


def test_the_replacement_of_a_killed_process_takes_newer_files_soon(make_engine: MakeEngine) -> None:
    """As each other start: the console of the file server, and a line about schemas that do not fit."""
    engine = make_engine(schemas=False, constants={"server.LOOK_SECONDS": 0.1})
    folder = give(engine)
    serve(engine)
    (folder / "console" / "index.html").write_text("a newer console")
    kill(engine)
    wait_until(lambda: page(engine) == b"a newer console", "the newer console")
    change_a_schema(folder)
    kill(engine)
    wait_until(lambda: "is not release" in engine.log, "the line about the schemas")
    assert page(engine) == b"a newer console"


def test_a_console_of_the_operators_own_is_read_at_each_start(make_engine: MakeEngine, tmp_path: Path) -> None:
    """There is no copy of it."""
    own = tmp_path / "console"
    own.mkdir()
    (own / "index.html").write_text("my console")
    engine = make_engine({"console": str(own)}, schemas=False)
    give(engine)
    serve(engine)
    (own / "index.html").write_text("my newer console")
    kill(engine)
    assert page(engine) == b"my newer console"
