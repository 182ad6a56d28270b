"""Unmodified clients of other projects: pepper, curl, websocket-client and websockets."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import websocket

pytest.importorskip("pepper")

from tests.integration.web import Web

pytestmark = pytest.mark.slow

PEPPER = Path(sys.executable).with_name("pepper")


@pytest.fixture
def printed_by_pepper(engine_url: str, engine_port: int, tmp_path: Path) -> Any:
    """Run salt-pepper, the command-line client of salt-api, and return the text that it prints."""
    login = {"URL": f"http://127.0.0.1:{engine_port}", "USER": "demo", "PASS": "demo", "EAUTH": "sharedsecret"}
    environment = os.environ | {f"SALTAPI_{name}": value for name, value in login.items()} | {"HOME": str(tmp_path)}

    def run(*arguments: str, status: int = 0) -> str:
        command = [str(PEPPER), *arguments]
        ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=90, check=False)
        assert ran.returncode == status, ran
        return ran.stdout

    return run


@pytest.fixture
def pepper(printed_by_pepper: Any) -> Any:
    """Run salt-pepper and return the documents that it prints as JSON."""
    return lambda *arguments, **wanted: documents(printed_by_pepper("--out=json", *arguments, **wanted))


def documents(text: str) -> Any:
    """Return what pepper printed: one JSON document, or several objects (one for each minion), merged."""
    found, rest = [], text.strip()
    while rest:
        document, end = json.JSONDecoder().raw_decode(rest)
        found.append(document)
        rest = rest[end:].strip()
    if len(found) <= 1:
        return found[0] if found else None
    return {name: value for document in found for name, value in document.items()}


def test_pepper_runs_functions_on_minions(pepper: Any) -> None:
    """Targets are globs, lists, grains or compounds, and arguments are parsed as on Salt's command line."""
    both = {"minion-1": True, "minion-2": True}
    assert pepper("*", "test.ping") == both
    assert pepper("-L", "minion-1,minion-2", "test.ping") == both
    assert pepper("-G", "kernel:Linux", "test.ping") == both
    assert pepper("-C", "minion-1 or minion-2", "test.ping") == both
    received = pepper("minion-1", "test.arg", "1", "two", "a=b", "c=[3]")["minion-1"]
    assert received["args"] == ["1", "two"]
    assert (received["kwargs"]["a"], received["kwargs"]["c"]) == ("b", [3])
    assert pepper("nobody", "test.ping") in (None, {})


def test_pepper_prints_states_as_states(printed_by_pepper: Any) -> None:
    """pepper uses the outputter that the minion sends; without it pepper would print a dictionary."""
    printed = printed_by_pepper("minion-1", "state.single", "test.nop", "name=nothing")
    assert "Summary for minion-1" in printed
    assert "Succeeded: 1" in printed


def test_pepper_follows_an_asynchronous_job(pepper: Any) -> None:
    """pepper calls the runner jobs until all minions have returned."""
    assert pepper("--fail-if-incomplete", "minion-*", "test.ping") is not None
    assert set(pepper("--client=local_async", "*", "test.ping")) == {"jid", "minions"}


def test_pepper_runs_runners_and_wheels(pepper: Any) -> None:
    """With `--run-uri` it uses /run."""
    assert sorted(pepper("--client=runner", "manage.up")) == ["minion-1", "minion-2"]
    assert {"minion-1", "minion-2"} <= set(pepper("--client=wheel", "key.list_all")["minions"])
    assert pepper("--run-uri", "*", "test.ping") == {"minion-1": True, "minion-2": True}


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl_logs_in_as_the_document_prints_it(engine_url: str, engine_port: int) -> None:
    """The answer has the documented fields, and its token is valid."""
    command = ["curl", "-si", f"localhost:{engine_port}/login", "-H", "Accept: application/json"]
    command += ["-d", "username=demo", "-d", "password=demo", "-d", "eauth=sharedsecret"]
    # The engine listens on 127.0.0.1, but localhost may be another address.
    command += ["--resolve", f"localhost:{engine_port}:127.0.0.1"]
    printed = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    head, _, body = printed.partition("\n\n") if "\r\n" not in printed else printed.partition("\r\n\r\n")
    assert head.startswith("HTTP/1.1 200")
    (login,) = json.loads(body)["return"]
    assert {"perms", "start", "token", "expire", "user", "eauth"} <= set(login)
    assert Web(engine_port, login["token"]).get("/stats").status == 200


@pytest.mark.parametrize("path", ["/all_events/{token}", "/formatted_events/{token}"])
def test_websocket_client_gets_the_streams_of_salt_api(engine_url: str, engine_port: int, path: str) -> None:
    """The Python example of docs/salt-api.md works."""
    web = Web(engine_port).login("demo")
    url = f"ws://127.0.0.1:{engine_port}{path.format(token=web.token)}"
    ws = websocket.create_connection(url, timeout=30)
    try:
        ws.send("websocket client ready")
        if path.startswith("/formatted"):
            assert set(json.loads(ws.recv())) == {"minions"}
            assert set(json.loads(ws.recv())) == {"jobs"}
        ping = web.low(client="local_async", tgt="*", fun="test.ping")
        while ping["jid"] not in (text := ws.recv()):
            pass
        assert set(json.loads(text)) in ({"tag", "data"}, {"jobs"})
    finally:
        ws.close()


def test_websockets_speaks_the_native_protocol(engine_url: str) -> None:
    """With its own keepalive and closing handshake."""
    client = pytest.importorskip("websockets.asyncio.client")

    async def talk() -> Any:
        async with client.connect(engine_url, subprotocols=["salt.v1.json"]) as ws:
            await ws.send(json.dumps({"type": "auth", "username": "demo", "password": "demo"}))
            await ws.recv()
            await ws.ping()
            await ws.send(json.dumps({"type": "cmd", "method": "test.ping", "pattern": "*", "mode": "sync"}))
            return json.loads(await ws.recv())

    assert asyncio.run(talk())["state"] == "complete"
