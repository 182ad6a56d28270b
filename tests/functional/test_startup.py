"""The start of the engine by Salt's own loader; obstacles are logged once and the engine starts when they are gone."""

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

from tests.functional.running import CHECKOUT, RETRY_SECONDS, Engine
from tests.ports import free_port
from tests.support.handshakes import upgrade_request
from tests.support.processes import ended
from tests.support.waiting import wait_until

pytest.importorskip("salt")

pytestmark = [pytest.mark.both_lines]

MakeEngine = Callable[..., Engine]
LOOKS = 5  # times that an engine has looked again, before "it is not said twice" is believed


def start_and_read_complaint(engine: Engine) -> str:
    """Start an engine that cannot run and return its message, which it logs once only."""
    engine.start()
    line = engine.complaint()
    time.sleep(LOOKS * RETRY_SECONDS)
    assert engine.complaints == [line]
    assert engine.alive
    assert not engine.listens
    return line


def serves(engine: Engine) -> None:
    """Wait until the engine serves; it must have logged its obstacle once only."""
    engine.wait()
    assert len(engine.complaints) == 1
    with engine.client("demo") as client:
        assert client.ask("ping")["version"]


@pytest.mark.parametrize(("role", "loaded"), [("master", True), ("minion", False)])
def test_salts_loader_loads_the_engine_on_a_master_only(tmp_path: Path, role: str, loaded: bool) -> None:
    """``__virtual__`` is true on a master and false on a minion; nothing else prevents loading."""
    import salt.config
    import salt.loader

    (tmp_path / role).write_text(f"root_dir: {tmp_path}\nengines_dirs: ['{CHECKOUT / '_engines'}']\nid: x\n")
    read = {"master": salt.config.master_config, "minion": salt.config.minion_config}[role]
    engines = salt.loader.engines(read(str(tmp_path / role)), {}, {}, {})
    assert ("websocket_api.start" in engines) is loaded


def test_the_log_names_the_address_when_ready(make_engine: MakeEngine) -> None:
    """The line has level INFO; with port 0 it has the port that the system chose."""
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
    """One line at CRITICAL names every wrong option and where to fix it; values could be secrets."""
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
    line = start_and_read_complaint(engine)
    for name in ("port", "adress", "history.events", "limits.threads", "limits.thread ", "allow_from.0", "eauth"):
        assert name in line
    assert "master's configuration" in line
    assert "restart" in line
    assert "canary" not in engine.log


def test_missing_schemas_are_waited_for(make_engine: MakeEngine) -> None:
    """The engine logs where it looks, and serves as soon as the schemas are there."""
    engine = make_engine(schemas=False, constants={"release.FILES_SECONDS": 0.5})
    line = start_and_read_complaint(engine)
    assert "salt://websocket_api/schemas (saltenv base)" in line
    assert "file_roots" in line
    engine.give_schemas()
    serves(engine)


def test_schemas_are_found_where_earlier_releases_had_them(make_engine: MakeEngine) -> None:
    """``salt://schemas`` works like ``salt://websocket_api/schemas``."""
    engine = make_engine(schemas=False)
    (engine.files / "schemas").symlink_to(CHECKOUT / "schemas")
    engine.start()
    engine.wait()
    assert engine.complaints == []


def test_late_schemas_are_not_reported_as_missing(make_engine: MakeEngine) -> None:
    """Within the time that a gitfs remote may take, nothing is logged."""
    engine = make_engine(schemas=False)
    engine.start()
    wait_until(lambda: "waits for salt://websocket_api/schemas" in engine.log, "waiting")
    engine.give_schemas()
    engine.wait()
    assert engine.complaints == []


def test_an_occupied_port_is_used_when_it_is_free(make_engine: MakeEngine) -> None:
    """The message names address and port; the engine listens there when the other program ends."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", free_port()))
        other.listen()
        port = other.getsockname()[1]
        engine = make_engine({"port": port})
        assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in start_and_read_complaint(engine)
    serves(engine)


LOWEST_PORT = int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())
WITHOUT_ITS_RIGHT = ("setpriv", "--bounding-set=-net_bind_service", "--inh-caps=-net_bind_service")


@pytest.mark.skipif(LOWEST_PORT <= 443, reason="every user may listen on port 443 of this machine")
@pytest.mark.skipif(os.geteuid() == 0 and not shutil.which("setpriv"), reason="root needs setpriv to give up a right")
def test_a_port_that_needs_root_is_named_with_the_ways_to_use_it(make_engine: MakeEngine) -> None:
    """No program uses port 443, so "free it" would not help a master that runs as another user."""
    engine = make_engine({"port": 443}, wrapper=WITHOUT_ITS_RIGHT if os.geteuid() == 0 else ())
    line = start_and_read_complaint(engine)
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
    """Otherwise an installation succeeds although no user can log in."""
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
    """Whatever is wrong with the pair, the message names both files; no password is requested."""
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
    line = start_and_read_complaint(engine)
    assert str(crt) in line
    assert str(key) in line
    write_certificate(crt, key)
    serves(engine)


def test_a_missing_package_is_named_with_the_command_that_installs_it(make_engine: MakeEngine) -> None:
    """Salt's packages have no jsonschema: the engine logs how to install it, and then starts."""
    engine = make_engine()
    engine.hide.write_text("jsonschema")
    line = start_and_read_complaint(engine)
    assert "jsonschema" in line
    assert f"{sys.executable} -m pip install 'jsonschema>=4'" in line
    engine.hide.unlink()
    serves(engine)


def test_salt_3006_is_refused(make_engine: MakeEngine) -> None:
    """Salt 3006 replaces tornado by an old copy: the engine logs which Salt it needs."""
    engine = make_engine(constants={"salt_master.requirements.SALT_LINE": 3006})
    line = start_and_read_complaint(engine)
    assert "Salt 3006" in line
    assert "needs Salt 3007 or newer" in line


@pytest.mark.parametrize("state", ["serving", "waiting for the port"])
def test_an_engine_without_its_master_ends(make_engine: MakeEngine, state: str) -> None:
    """It ends when its parent is killed, also while it cannot run: else it would use the port later."""
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
            wait_until(lambda: ended(pid), "the engine's end")
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("connected", [0, 1, 20])
def test_a_stop_is_quick(make_engine: MakeEngine, connected: int) -> None:
    """Salt kills processes 5 s after SIGTERM: the engine ends before and asks every client to reconnect."""
    engine, seconds = make_engine(), list[float]()
    while not seconds or (seconds[-1] >= 5 and len(seconds) < 3):  # another try on a loaded machine
        engine.start()
        engine.wait()
        clients: list[Any] = [engine.client("demo") for _ in range(connected)]
        seconds.append(engine.stop())
        assert {client.closed().code for client in clients} <= {1012}
    assert min(seconds) < 5


def test_a_handshake_during_the_stop_ends_with_1012(make_engine: MakeEngine) -> None:
    """A handshake that is incomplete when the stop begins is closed properly too."""
    engine = make_engine()
    engine.start()
    engine.wait()
    with engine.client("demo") as client, socket.create_connection(("127.0.0.1", engine.port), timeout=30) as late:
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
