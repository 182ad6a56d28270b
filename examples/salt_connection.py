"""What the Python examples share: where the server is, and a websocket that is logged in."""

from __future__ import annotations

import json
import os
from typing import Any

from websocket import WebSocket, create_connection

URL = os.environ.get("SALT_URL", "http://127.0.0.1:8000")


def connect() -> WebSocket:
    """Open a websocket and log in with the account of the environment."""
    connection = create_connection(URL.replace("http", "ws", 1) + "/ws", timeout=60)
    account = {"username": os.environ.get("SALT_USER", "demo"), "password": os.environ.get("SALT_PASSWORD", "demo")}
    if eauth := os.environ.get("SALT_EAUTH"):
        account["eauth"] = eauth
    ask(connection, {"type": "auth", **account})
    return connection


def ask(connection: WebSocket, message: dict[str, Any]) -> Any:
    """Send one request and return its result. Nothing else may be on its way on this connection."""
    connection.send(json.dumps({"id": 1, **message}))
    while True:
        reply = json.loads(connection.recv())
        if reply.get("id") != 1:
            continue  # a frame of a subscription
        if reply["type"] == "error":
            raise SystemExit(f"{reply['error']['code']}: {reply['error']['message']}")
        return reply["result"]
