"""Behind Debian's nginx, configured by docs/nginx.conf: websockets, streams of events, the client's own address."""

from __future__ import annotations

import contextlib
import http.client
import shutil
import socket
import ssl
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import websocket

pytest.importorskip("salt")

from tests.client import Client
from tests.functional.running import CHECKOUT, Engine
from tests.ports import free_port
from tests.support.waiting import wait_until

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin")

pytestmark = [pytest.mark.skipif(NGINX is None, reason="`make test` as root installs nginx")]

# What nginx needs around the documented part, and what keeps it in its own folder.
AROUND = """\
daemon off;
pid {folder}/pid;
error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
    access_log {folder}/access.log;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/documented.conf;
}}
"""


class Proxied(NamedTuple):
    """An engine, and where nginx serves it."""

    engine: Engine
    port: int

    @property
    def url(self) -> str:
        return f"wss://127.0.0.1:{self.port}/"

    def request(self, path: str, source: str = "127.0.0.1", **headers: str) -> http.client.HTTPResponse:
        """Ask for a page from an address of this machine."""
        context = ssl._create_unverified_context()
        connection = http.client.HTTPSConnection(
            "127.0.0.1", self.port, timeout=20, context=context, source_address=(source, 0)
        )
        connection.request("GET", path, headers=headers)
        return connection.getresponse()


@pytest.fixture(scope="module")
def proxied(run_engine: Callable[..., Engine]) -> Iterator[Proxied]:
    """The engine as docs/nginx.conf wants it, behind an nginx of its own."""
    engine = run_engine({"disable_ssl": True, "trusted_proxies": ["127.0.0.1/32"], "allow_from": ["127.0.0.0/29"]})
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="wsn-", dir="/tmp") as name:
        folder = Path(name)
        key, crt = folder / "key.pem", folder / "crt.pem"
        made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        subprocess.run([*made, "-subj", "/CN=x", "-keyout", key, "-out", crt], check=True, capture_output=True)
        text = (CHECKOUT / "docs" / "nginx.conf").read_text()
        for documented, ours in (
            ("listen 443 ssl", f"listen 127.0.0.1:{port} ssl"),
            ("/etc/ssl/certs/salt.example.com.pem", str(crt)),
            ("/etc/ssl/private/salt.example.com.key", str(key)),
            ("http://127.0.0.1:8000", f"http://127.0.0.1:{engine.port}"),
        ):
            assert text.count(documented) == 1
            text = text.replace(documented, ours)
        (folder / "documented.conf").write_text(text)
        (folder / "nginx.conf").write_text(AROUND.format(folder=folder))
        command = [str(NGINX), "-e", f"{folder}/error.log", "-p", name, "-c", f"{folder}/nginx.conf"]
        nginx = subprocess.Popen(command, stderr=subprocess.PIPE)
        try:

            def listens() -> bool:
                assert nginx.poll() is None, nginx.stderr.read() if nginx.stderr else ""
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                    return True
                return False

            wait_until(listens, "nginx listening")
            yield Proxied(engine, port)
        finally:
            nginx.terminate()
            nginx.wait()


def test_the_documents_show_the_configuration_that_is_tested() -> None:
    """docs/operating.md has docs/nginx.conf word for word."""
    assert (CHECKOUT / "docs" / "nginx.conf").read_text() in (CHECKOUT / "docs" / "operating.md").read_text()


def test_a_websocket_passes(proxied: Proxied) -> None:
    """A client logs in over TLS, and asks and is answered, in JSON and with the subprotocol that it offered."""
    with Client(proxied.url, subprotocols=["salt.v1.json"]) as client:
        assert client.subprotocol == "salt.v1.json"
        assert client.login("demo")["user"] == "demo"
        assert client.ask("ping")["version"]


def test_a_browser_comes_from_its_own_page_only(proxied: Proxied) -> None:
    """The name that nginx is called by is the own Origin; another page's is refused."""
    with Client(proxied.url, origin=f"https://127.0.0.1:{proxied.port}") as client:
        assert client.login("demo")["user"] == "demo"
    with pytest.raises(websocket.WebSocketBadStatusException, match="403"):
        Client(proxied.url, origin="https://elsewhere.example.com")


def test_the_engine_sees_the_clients_own_address(proxied: Proxied) -> None:
    """allow_from and the audit log count the address that nginx saw, and not what a client claims to be."""
    assert proxied.request("/healthz", source="127.0.0.3").status != 403
    assert proxied.request("/healthz", source="127.0.0.9").status == 403
    claimed = {"X-Forwarded-For": "127.0.0.3"}
    assert proxied.request("/healthz", source="127.0.0.9", **claimed).status == 403
    secure: dict[str, Any] = {"cert_reqs": ssl.CERT_NONE, "check_hostname": False}
    plain = socket.create_connection(("127.0.0.1", proxied.port), timeout=20, source_address=("127.0.0.5", 0))
    context = ssl._create_unverified_context()
    with contextlib.closing(websocket.create_connection(
        proxied.url, timeout=20, socket=context.wrap_socket(plain), sslopt=secure, suppress_origin=True
    )) as connection:  # fmt: skip
        connection.send('{"type": "auth", "username": "demo", "password": "demo"}')
        assert '"user"' in connection.recv()
    wait_until(lambda: "address=127.0.0.5" in proxied.engine.log, "the audit line with the client's address")


def test_a_stream_of_events_comes_as_it_happens(proxied: Proxied) -> None:
    """The first bytes of /events reach the client while the answer is still open: nginx keeps nothing back."""
    with Client(proxied.url) as client:
        token = client.login("demo")["token"]
    answer = proxied.request("/events", **{"X-Auth-Token": token})
    with contextlib.closing(answer):
        assert answer.status == 200
        assert answer.getheader("Content-Type", "").startswith("text/event-stream")
        assert answer.read1(200)
