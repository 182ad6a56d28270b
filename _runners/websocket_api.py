"""A look at the websocket API from the master's command line.

Synced with ``salt-run saltutil.sync_runners``.
"""

from __future__ import annotations

import base64
import http.client
import os
import re
import ssl
from pathlib import Path
from typing import Any

from salt.exceptions import CommandExecutionError

# Salt's loader fills this in.
__opts__: dict[str, Any]

# Seconds to wait for a connection and for each answer: the engine is on this machine.
TIMEOUT = 5

# What only this engine answers to a websocket handshake.
SUBPROTOCOL = "salt.v1.json"

# What an engine that says to listen everywhere is reached by from here.
LOOPBACK = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}  # noqa: S104 - looked up, not listened on


def status() -> dict[str, Any]:
    """Say whether the engine of this master listens, as it is configured in the master config.

    :return: ``address``, ``port`` and ``tls`` from the options; ``listening``: whether something accepts connections
        there; ``engine``: whether it is this engine, false when it is another program; ``error``: why one of these is
        false, else None; ``version``: that of the engine's files which the master loads when it starts, or None
    :raises CommandExecutionError: when the master config has no such engine

    CLI Example:

    .. code-block:: bash

        salt-run websocket_api.status
    """
    options = _options()
    address, port = str(options.get("address", "127.0.0.1")), int(options.get("port", 8000))
    tls = bool(options.get("ssl_crt")) and not options.get("disable_ssl")
    found = _look(LOOPBACK.get(address, address), port, tls)
    return {"address": address, "port": port, "tls": tls, **found, "version": _version()}


def _options() -> dict[str, Any]:
    for entry in __opts__.get("engines") or []:
        for name, options in entry.items() if isinstance(entry, dict) else [(entry, None)]:
            if "websocket_api" in (name, (options or {}).get("engine_module")):
                return dict(options or {})
    raise CommandExecutionError("The master config has no engine websocket_api under `engines`")


def _look(host: str, port: int, tls: bool) -> dict[str, Any]:
    connection: http.client.HTTPConnection
    if tls:
        # The certificate is made for the name that clients use, not for the loopback address; nothing secret is sent.
        context = ssl._create_unverified_context()  # noqa: S323
        connection = http.client.HTTPSConnection(host, port, timeout=TIMEOUT, context=context)
    else:
        connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT)
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
    return {"listening": True, "engine": False, "error": f"it answered {response.status} {response.reason}"}


def _version() -> str | None:
    folders = [*(__opts__.get("engines_dirs") or []), Path(__opts__["extension_modules"]) / "engines"]
    for folder in folders:
        package = Path(folder) / "websocket_api" / "__init__.py"
        if package.is_file():
            match = re.search(r'^__version__ = "(.+)"$', package.read_text(encoding="utf-8"), re.MULTILINE)
            return match.group(1) if match else None
    return None
