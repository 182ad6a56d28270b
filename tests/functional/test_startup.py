"""How the engine comes to run: Salt's own loader loads it, and what forbids it is said once, watched, and mended."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.functional.running import CHECKOUT, RETRY_SECONDS, Engine, ended
from tests.ports import free_port
from tests.support.handshakes import upgrade_request
from tests.support.waiting import wait_until

pytest.importorskip("salt")

pytestmark = [pytest.mark.both_lines]

MakeEngine = Callable[..., Engine]
LOOKS = 5  # times that an engine has looked again, before "it is not said twice" is believed


def start_and_hear(engine: Engine) -> str:
    """Start an engine that cannot run, and return what it says: once, however often it looks again."""
    engine.start()
    line = engine.complaint()
    time.sleep(LOOKS * RETRY_SECONDS)
    assert engine.complaints == [line]
    assert engine.alive
    assert not engine.listens
    return line


def serves(engine: Engine) -> None:
    """The engine comes to serve by itself, and has complained but once."""
    engine.wait()
    assert len(engine.complaints) == 1
    with engine.client("demo") as client:
        assert client.ask("ping")["version"]


@pytest.mark.parametrize(("role", "loaded"), [("master", True), ("minion", False)])
def test_salts_loader_loads_the_engine_on_a_master_only(tmp_path: Path, role: str, loaded: bool) -> None:
    """``__virtual__`` is true on a master and false on a minion; nothing else keeps the engine from loading."""
    import salt.config
    import salt.loader

    (tmp_path / role).write_text(f"root_dir: {tmp_path}\nengines_dirs: ['{CHECKOUT / '_engines'}']\nid: x\n")
    read = {"master": salt.config.master_config, "minion": salt.config.minion_config}[role]
    engines = salt.loader.engines(read(str(tmp_path / role)), {}, {}, {})
    assert ("websocket_api.start" in engines) is loaded


def test_the_line_that_says_ready_names_the_address(make_engine: MakeEngine) -> None:
    """At INFO stands where the engine listens; with port 0 that is the port which the system chose."""
    engine = make_engine({"port": 0})
    engine.start()
    engine.wait()
    lines = [line for line in engine.log.splitlines() if " listens on ws://127.0.0.1:" in line]
    assert len(lines) == 1
    assert lines[0].startswith("INFO ")
    engine.port = int(lines[0].rpartition(":")[2])
    with engine.client("demo") as client:
        assert client.ask("ping")


def test_all_wrong_options_are_named_in_one_line_and_no_value(make_engine: MakeEngine) -> None:
    """One line at CRITICAL names every wrong option and where to mend it; values could be secrets."""
    engine = make_engine(
        {
            "port": 70000,
            "adress": "canary-1",
            "history": {"events": "canary-2"},
            "limits": {"threads": 0, "thread": 1},
            "allow_from": ["10.0.0.1/8"],
            "eauth": 5,
        }
    )
    line = start_and_hear(engine)
    for name in ("port", "adress", "history.events", "limits.threads", "limits.thread ", "allow_from.0", "eauth"):
        assert name in line
    assert "master's configuration" in line
    assert "restart" in line
    assert "canary" not in engine.log


def test_schemas_that_are_not_there_are_waited_for(make_engine: MakeEngine) -> None:
    """Without schemas on the file server the engine says where it looks; it serves as soon as they come."""
    engine = make_engine(schemas=False, constants={"release.FILES_SECONDS": 0.5})
    line = start_and_hear(engine)
    assert "salt://websocket_api/schemas (saltenv base)" in line
    assert "file_roots" in line
    engine.give_schemas()
    serves(engine)


def test_schemas_are_found_where_earlier_releases_had_them(make_engine: MakeEngine) -> None:
    """A file server with ``salt://schemas`` only is as good as one with ``salt://websocket_api/schemas``."""
    engine = make_engine(schemas=False)
    (engine.files / "schemas").symlink_to(CHECKOUT / "schemas")
    engine.start()
    engine.wait()
    assert engine.complaints == []


def test_schemas_that_come_late_are_no_complaint(make_engine: MakeEngine) -> None:
    """What arrives within the time that a gitfs remote may take is waited for in silence."""
    engine = make_engine(schemas=False)
    engine.start()
    wait_until(lambda: "waits for salt://websocket_api/schemas" in engine.log, "waiting")
    engine.give_schemas()
    engine.wait()
    assert engine.complaints == []


def test_a_taken_port_is_taken_over_when_it_is_free(make_engine: MakeEngine) -> None:
    """A port that somebody else holds is named with its address; the engine gets it when the other leaves."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", free_port()))
        other.listen()
        port = other.getsockname()[1]
        engine = make_engine({"port": port})
        assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in start_and_hear(engine)
    serves(engine)


LOWEST_PORT = int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())
WITHOUT_ITS_RIGHT = ("setpriv", "--bounding-set=-net_bind_service", "--inh-caps=-net_bind_service")


@pytest.mark.skipif(LOWEST_PORT <= 443, reason="every user may listen on port 443 of this machine")
@pytest.mark.skipif(os.geteuid() == 0 and not shutil.which("setpriv"), reason="root needs setpriv to give up a right")
def test_a_port_that_needs_root_is_named_with_the_ways_to_use_it(make_engine: MakeEngine) -> None:
    """Nobody holds port 443, so "free it" would not help a master that runs as another user."""
    engine = make_engine({"port": 443}, wrapper=WITHOUT_ITS_RIGHT if os.geteuid() == 0 else ())
    line = start_and_hear(engine)
    assert "cannot listen on 127.0.0.1:443: Permission denied; ports below 1024 need nginx" in line
    assert "net.ipv4.ip_unprivileged_port_start" in line


@pytest.mark.parametrize(
    ("external_auth", "eauth", "says"),
    [
        ({}, "pam", ["nobody can log in: external_auth is empty"]),
        ({"sharedsecret": {"demo": [".*"]}}, "sharedsecret", []),
        (
            {"sharedsecret": {"demo": [".*"]}},
            "pam",
            ["logins that name no eauth fail: the option eauth is pam, and external_auth has sharedsecret"],
        ),
        (
            {"sharedsecret": {"demo": [".*"]}, "pamm": {"demo": [".*"]}},
            "sharedsecret",
            ["logins with pamm fail: Salt cannot load this backend"],
        ),
    ],
)
def test_logins_that_cannot_work_are_named_at_start(
    make_engine: MakeEngine, external_auth: dict[str, Any], eauth: str, says: list[str]
) -> None:
    """Without this an installation ends in success, and nobody can log in."""
    engine = make_engine({"eauth": eauth}, master={"external_auth": external_auth})
    engine.start()
    engine.wait()
    about_logins = re.compile(r"^WARNING .*(logins |nobody can log in)")
    found = [line for line in engine.log.splitlines() if about_logins.match(line)]
    assert len(found) == len(says)
    for line, start in zip(found, says, strict=True):
        assert start in line


@pytest.mark.parametrize("fault", ["missing", "garbage", "other key", "no key", "locked key"])
def test_a_broken_certificate_is_named(
    make_engine: MakeEngine, write_certificate: Callable[..., int], tmp_path: Path, fault: str
) -> None:
    """Whatever is wrong with the pair, both files are named, and nobody is asked for a password."""
    crt, key = tmp_path / "server.crt", tmp_path / "server.key"
    write_certificate(crt, key, b"secret" if fault == "locked key" else None)
    if fault == "missing":
        crt.unlink()
    elif fault == "garbage":
        crt.write_text("no certificate")
    elif fault == "other key":
        write_certificate(crt)
    elif fault == "no key":
        key.unlink()
    engine = make_engine({"ssl_crt": str(crt), "ssl_key": str(key)})
    line = start_and_hear(engine)
    assert str(crt) in line
    assert str(key) in line
    write_certificate(crt, key)
    serves(engine)


def test_a_missing_package_is_named_with_the_command_that_installs_it(make_engine: MakeEngine) -> None:
    """Salt's packages bring no jsonschema: the engine says how to install it, and runs once it is there."""
    engine = make_engine()
    engine.hide.write_text("jsonschema")
    line = start_and_hear(engine)
    assert "jsonschema" in line
    assert f"{sys.executable} -m pip install 'jsonschema>=4'" in line
    engine.hide.unlink()
    serves(engine)


def test_salt_3006_is_refused(make_engine: MakeEngine) -> None:
    """Salt 3006 hides tornado behind an old copy: the engine says which Salt it needs."""
    engine = make_engine(constants={"salt_master.requirements.SALT_LINE": 3006})
    line = start_and_hear(engine)
    assert "Salt 3006" in line
    assert "needs Salt 3007 or newer" in line


@pytest.mark.parametrize("state", ["serving", "waiting for the port"])
def test_an_engine_without_its_master_ends(make_engine: MakeEngine, state: str) -> None:
    """When the process above is killed the engine ends, also while it cannot run: else it would take the port later."""
    with socket.socket() as other:
        port = free_port()
        if state == "waiting for the port":
            other.bind(("127.0.0.1", port))
            other.listen()
        engine = make_engine({"port": port})
        sign = {"serving": " listens on ", "waiting for the port": "CRITICAL "}
        noted = engine.root / "pid"
        code = f"import subprocess; child = subprocess.Popen({engine.command!r}); "
        code += f"open({str(noted)!r}, 'w').write(f'{{child.pid}}.'); child.wait()"
        with engine.log_file.open("wb") as log:
            parent = subprocess.Popen([sys.executable, "-c", code], stdout=log, stderr=log)
        try:
            wait_until(lambda: sign[state] in engine.log, state)
        finally:
            parent.kill()
            parent.wait()
        pid = int(noted.read_text().rstrip("."))
        try:
            wait_until(lambda: ended(pid), "the engine's end", timeout=10)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("connected", [0, 1, 20])
def test_a_stop_is_quick(make_engine: MakeEngine, connected: int) -> None:
    """Salt kills what is not gone 5 s after SIGTERM: the engine is before, and every client is told to come again."""
    engine = make_engine()
    engine.start()
    engine.wait()
    clients: list[Any] = [engine.client("demo") for _ in range(connected)]
    assert engine.stop() < 5
    assert {client.closed().code for client in clients} <= {1012}


def test_who_comes_while_the_engine_stops_is_sent_away(make_engine: MakeEngine) -> None:
    """A handshake that was under way when the stop began ends with 1012 too, not with a broken connection."""
    engine = make_engine()
    engine.start()
    engine.wait()
    with engine.client("demo") as client, socket.create_connection(("127.0.0.1", engine.port), timeout=5) as late:
        request = upgrade_request("/")
        late.sendall(request[:60])
        client.ask("ping")
        stopping = threading.Thread(target=engine.stop)
        stopping.start()
        assert client.closed().code == 1012
        late.sendall(request[60:])
        answer = b""
        while part := late.recv(4096):
            answer += part
        stopping.join()
    assert answer.startswith(b"HTTP/1.1 101 ")
    assert b"\x03\xf4the engine stops" in answer
