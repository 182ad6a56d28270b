"""The websocket handshake (RFC 6455, section 4.1) for tests that send HTTP themselves."""

from __future__ import annotations

UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",  # the RFC's own example
}
UPGRADE_LINES = [f"{name}: {value}" for name, value in UPGRADE.items()]


def upgrade_request(path: str, *lines: str) -> bytes:
    """Return a complete request.

    :param lines: more lines of the head
    """
    head = [f"GET {path} HTTP/1.1", "Host: 127.0.0.1", *UPGRADE_LINES, *lines]
    return ("\r\n".join(head) + "\r\n\r\n").encode()
