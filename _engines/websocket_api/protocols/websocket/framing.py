"""Websocket frames as bytes (RFC 6455).

A frame is built once and written to all its clients. tornado's ``write_message`` would cost a task and two futures for
each client.
"""

from __future__ import annotations

import struct

TEXT, BINARY = 0x81, 0x82  # FIN and opcode 1 or 2 (RFC 6455 section 5.2)
CLOSE, PONG = 0x8, 0xA  # opcodes


def text_frame(payload: bytes) -> bytes:
    """Return one unmasked text frame (RFC 6455 section 5.2)."""
    return _frame(TEXT, payload)


def text_frames(payload: bytes) -> bytes:
    """Return a text frame for each line."""
    return b"".join([text_frame(line) for line in payload.split(b"\n")])


def binary_frame(payload: bytes) -> bytes:
    """Return one unmasked binary frame."""
    return _frame(BINARY, payload)


def _frame(first: int, payload: bytes) -> bytes:
    size = len(payload)
    if size < 126:
        return struct.pack("!BB", first, size) + payload
    if size < 65536:
        return struct.pack("!BBH", first, 126, size) + payload
    return struct.pack("!BBQ", first, 127, size) + payload


def valid_close(data: bytes) -> bool:
    """Return whether a peer may send a close frame with this payload (RFC 6455 section 7.4)."""
    if not data:
        return True
    if len(data) < 2:
        return False
    code = int.from_bytes(data[:2], "big")
    try:
        data[2:].decode()
    except UnicodeDecodeError:
        return False
    return code in (1000, 1001, 1002, 1003, *range(1007, 1015)) or 3000 <= code <= 4999
