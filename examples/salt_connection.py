"""Shared by the Python examples: the address of the server, and a websocket with a login."""

from __future__ import annotations

import json
import os
from typing import Any

from websocket import WebSocket, create_connection

URL = os.environ.get("SALT_URL", "http://127.0.0.1:8000")


def connect() -> WebSocket:
    """Open a websocket and log in with the account from the environment."""
    connection = create_connection(URL.replace("http", "ws", 1) + "/ws", timeout=60)
    account = {"username": os.environ.get("SALT_USER", "demo"), "password": os.environ.get("SALT_PASSWORD", "demo")}
    if eauth := os.environ.get("SALT_EAUTH"):
        account["eauth"] = eauth
    ask(connection, {"type": "auth", **account})
    return connection


def ask(connection: WebSocket, message: dict[str, Any]) -> Any:
    """Send one request and return its result. No other request may be in flight on this connection."""
    connection.send(json.dumps({"id": 1, **message}))
    while True:
        reply = json.loads(connection.recv())
        if reply.get("id") != 1:
            continue  # a frame of a subscription
        if reply["type"] == "error":
            raise SystemExit(f"{reply['error']['code']}: {reply['error']['message']}")
        return reply["result"]
