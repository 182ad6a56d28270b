"""Check the websocket API from the master's command line.

Synced with ``salt-run saltutil.sync_runners``.
"""

from __future__ import annotations

import asyncio
import base64
import http.client
import json
import os
import re
import socket
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import salt.loader
from salt.exceptions import CommandExecutionError, NotImplemented

# Salt's loader fills this in.
__opts__: dict[str, Any]

# Seconds to wait for a connection and for each answer. The engine is on this machine.
TIMEOUT = 5

# Seconds that an engine may need to listen after a restart of the master, on a busy machine, and between two looks.
START_SECONDS = 20
LOOK_SECONDS = 0.5

# Seconds for a reload. The engine itself gives up after 90.
RELOAD_SECONDS = 100

# Maximum size of the answer to a reload.
ANSWER_BYTES = 65_536

# Seconds for each step of a login. PAM takes up to five for a wrong password.
LOGIN_SECONDS = 20

# Only this engine answers a websocket handshake with this subprotocol.
SUBPROTOCOL = "salt.v1.json"

# The local address of an engine that listens on all addresses.
LOOPBACK = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}  # noqa: S104 - looked up, not listened on

# Printable for Python, but invisible: fillers, variation selectors and joiners.
FILLERS = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]")


class Failed(CommandExecutionError, NotImplemented):  # type: ignore[misc]
    """An error with a text for people. Salt prints only this kind of a runner's errors without a traceback."""


class NotRunning(Failed):
    """No engine runs that could be reloaded: a restart of the master starts one."""


def status(wait: float = START_SECONDS) -> dict[str, Any]:
    """Report whether this master's engine listens on its configured address.

    The engine listens some seconds after the master's start, so this function waits for it.

    :param wait: maximum seconds to wait until something listens; 0 reports at once
    :return: ``address``, ``port`` and ``tls`` from the options; ``listening``: whether something accepts connections
        there; ``engine``: whether it is this engine, and not another program; ``error``: why one of these is false,
        else None; ``health``: what works and what fails, as ``/healthz`` reports it, or None; ``version``: the version
        of the engine's files that the master loads at its start, or None
    :raises Failed: the master's configuration has no such engine

    CLI Example:

    .. code-block:: bash

        salt-run websocket_api.status
        salt-run websocket_api.status wait=0
    """
    deadline = time.monotonic() + wait
    options = _options()
    address, port = str(options.get("address", "127.0.0.1")), int(options.get("port", 8000))
    tls = bool(options.get("ssl_crt")) and not options.get("disable_ssl")
    host = LOOPBACK.get(address, address)
    found = _probe(host, port, tls)
    while not found["listening"] and (left := deadline - time.monotonic()) > 0:
        time.sleep(min(LOOK_SECONDS, left))
        found = _probe(host, port, tls)
    if not found["listening"]:
        waited = f" after {wait:g} s" if wait else ""
        found["error"] = f"nothing listens{waited} ({found['error']}): look for websocket_api in the master's log"
    health = _health(host, port, tls) if found["engine"] else None
    return {"address": address, "port": port, "tls": tls, **found, "health": health, "version": _version()}


def serves(
    url: str,
    verify: bool = True,
    seconds: float = 60,
    username: str | None = None,
    password_file: str | None = None,
    eauth: str = "pam",
) -> str:
    """Wait until the engine at an address is healthy, and accepts a user's login if one is given.

    ``websocket_api.rollout`` runs this for each master before it continues with the next.

    :param url: where clients reach that master, such as ``https://master1:8000/``
    :param verify: whether this host must trust its certificate
    :param seconds: maximum time to wait
    :param password_file: a file on this master whose first line is the password, so that it is not on the event bus
    :raises Failed: the engine is not healthy in time, or refuses the login, with the reason

    CLI Example:

    .. code-block:: bash

        salt-run websocket_api.serves https://master1:8000/
    """
    password = "" if username is None else _password(password_file)
    deadline, fault = time.monotonic() + seconds, "it was not asked"
    while time.monotonic() < deadline:
        try:
            _healthy(url, verify)
            if username is None:
                return f"{url} is healthy"
            # In another thread, because this one may run a loop of Salt.
            with ThreadPoolExecutor(1) as pool:
                pool.submit(asyncio.run, _login(url, verify, username, password, eauth)).result()
            return f"{url} is healthy and takes the login of {username}"
        except _LoginRefused as refused:
            # Do not retry: the answer would be the same, and wrong passwords may lock the account.
            raise Failed(f"{url} does not serve: {_visible(str(refused))}") from None
        except (OSError, http.client.HTTPException, asyncio.TimeoutError, Failed) as error:
            fault = str(error) or type(error).__name__
        time.sleep(1)
    raise Failed(f"{url} does not serve: {_visible(fault)}")


class _LoginRefused(Exception):
    """The engine refused a login for a permanent reason."""


def _password(file: str | None) -> str:
    try:
        return Path(file or os.devnull).read_text(encoding="utf-8").partition("\n")[0]
    except (OSError, UnicodeDecodeError) as error:
        raise Failed(f"the password cannot be read: {error}") from None


def _context(verify: bool) -> ssl.SSLContext:
    return ssl.create_default_context() if verify else ssl._create_unverified_context()  # noqa: S323 - as asked


def _healthy(url: str, verify: bool) -> None:
    place = urlsplit(url)
    host, port = place.hostname or "", place.port
    connection: http.client.HTTPConnection
    if place.scheme == "https":
        connection = http.client.HTTPSConnection(host, port, timeout=TIMEOUT, context=_context(verify))
    else:
        connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT)
    try:
        connection.request("GET", place.path.rstrip("/") + "/healthz")
        status = connection.getresponse().status
    finally:
        connection.close()
    if status != 200:
        raise Failed(f"/healthz answers {status}")


async def _login(url: str, verify: bool, username: str, password: str, eauth: str) -> None:
    from tornado.httpclient import HTTPClientError, HTTPRequest
    from tornado.websocket import WebSocketClosedError, websocket_connect

    request = HTTPRequest(
        url.replace("http", "ws", 1),
        connect_timeout=TIMEOUT,
        ssl_options=_context(verify) if url.startswith("https:") else None,
    )
    try:
        socket = await asyncio.wait_for(websocket_connect(request, subprotocols=[SUBPROTOCOL]), LOGIN_SECONDS)
    except HTTPClientError as error:
        raise Failed(f"no websocket there: {error}") from None
    try:
        message = {"type": "auth", "id": 1, "username": username, "password": password, "eauth": eauth}
        await socket.write_message(json.dumps(message))
        received = await asyncio.wait_for(asyncio.ensure_future(socket.read_message()), LOGIN_SECONDS)
        answer = json.loads(received or "{}")
        if answer.get("type") != "result":
            fault = answer.get("error", {"code": "no answer", "retryable": True})
            kind = Failed if fault.get("retryable") else _LoginRefused
            raise kind(f"the login is refused: {fault.get('code')}")
        await socket.write_message(json.dumps({"type": "logout", "id": 2}))
        await asyncio.wait_for(socket.read_message(), LOGIN_SECONDS)
    except WebSocketClosedError:
        raise Failed("the websocket was closed") from None
    finally:
        socket.close()


def reload(seconds: float = RELOAD_SECONDS) -> dict[str, Any]:
    """Replace the engine by the files on disk, without a restart of the master and without a lost event.

    Sync them before, with ``salt-run saltutil.sync_engines``. The engine reads its own options again. Clients are asked
    to reconnect, and resume where they were. If the new files or options do not work, the running engine stays.

    :param seconds: maximum time to wait
    :return: ``version`` that serves now; ``restart``: what only a restart of the master changes
    :raises Failed: why the running engine stays
    :raises NotRunning: none runs, or one of a release that cannot be reloaded

    CLI Example:

    .. code-block:: bash

        salt-run saltutil.sync_engines
        salt-run websocket_api.reload
    """
    path = _control_socket()
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
        connection.settimeout(seconds)
        try:
            connection.connect(path)
            connection.sendall(b"reload")
            answer = connection.recv(ANSWER_BYTES)
        except TimeoutError:
            raise Failed(f"no answer within {seconds:.0f} s: look at the master's log") from None
        except OSError as error:
            raise NotRunning(f"cannot reach the engine at {path}: {error}; is the master running?") from None
    found = json.loads(answer or b'{"error": "the engine has ended: look at the master\'s log"}')
    if found.get("serves") is False:
        raise NotRunning(_visible(found["error"]))
    if found.get("stays") is False:
        raise Failed(_visible(found["error"]))
    if "error" in found:
        raise Failed(f"the running engine stays: {_visible(found['error'])}")
    return dict(found)


def _control_socket() -> str:
    """Return the path of the engine's socket; the port in its name may be that of another configuration on disk."""
    wanted = Path(__opts__["sock_dir"], f"websocket_api-{_options().get('port', 8000)}.ipc")
    found = sorted(Path(__opts__["sock_dir"]).glob("websocket_api-*.ipc"))
    return str(found[0] if len(found) == 1 else wanted)


def _options() -> dict[str, Any]:
    for entry in __opts__.get("engines") or []:
        for name, options in entry.items() if isinstance(entry, dict) else [(entry, None)]:
            if "websocket_api" in (name, (options or {}).get("engine_module")):
                return dict(options or {})
    raise Failed("the master's configuration has no engine websocket_api: add it under engines, and restart the master")


def _connection(host: str, port: int, tls: bool) -> http.client.HTTPConnection:
    if not tls:
        return http.client.HTTPConnection(host, port, timeout=TIMEOUT)
    # The certificate is made for the name that clients use, not for the loopback address; nothing secret is sent.
    context = ssl._create_unverified_context()  # noqa: S323
    return http.client.HTTPSConnection(host, port, timeout=TIMEOUT, context=context)


def _health(host: str, port: int, tls: bool) -> dict[str, Any] | None:
    connection = _connection(host, port, tls)
    try:
        connection.request("GET", "/healthz", headers={"Accept": "application/json"})
        found: dict[str, Any] = json.loads(connection.getresponse().read())
    except (OSError, http.client.HTTPException, ValueError):
        return None  # it stopped in between, or is of a release without this answer
    finally:
        connection.close()
    return found


def _probe(host: str, port: int, tls: bool) -> dict[str, Any]:
    connection = _connection(host, port, tls)
    headers = {
        "Accept": "application/json",
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
        "Sec-WebSocket-Protocol": SUBPROTOCOL,
    }
    try:
        connection.request("GET", "/", headers=headers)
        response = connection.getresponse()
    except ssl.SSLError as error:
        return {"listening": True, "engine": False, "error": f"no TLS there: {error.reason or error}"}
    except ConnectionResetError as error:
        return {"listening": True, "engine": False, "error": str(error)}
    except OSError as error:
        return {"listening": False, "engine": False, "error": str(error)}
    except http.client.HTTPException as error:
        return {"listening": True, "engine": False, "error": f"no HTTP there: {error!r}"}
    finally:
        connection.close()
    if response.status == 101 and response.getheader("Sec-WebSocket-Protocol") == SUBPROTOCOL:
        return {"listening": True, "engine": True, "error": None}
    return {"listening": True, "engine": False, "error": f"it answered {response.status} {_visible(response.reason)}"}


def _visible(text: str) -> str:
    """Return text from another machine with control and invisible characters escaped."""
    return "".join(c if c in "\n\t" or (c.isprintable() and not FILLERS.match(c)) else ascii(c)[1:-1] for c in text)


def _version() -> str | None:
    for folder in salt.loader.engines(__opts__, {}, {}, {}).module_dirs:  # in the loader's own order
        package = Path(folder) / "websocket_api" / "__init__.py"
        if package.is_file():
            match = re.search(r'^__version__ = "(.+)"$', package.read_text(encoding="utf-8"), re.MULTILINE)
            return match.group(1) if match else None
    return None
