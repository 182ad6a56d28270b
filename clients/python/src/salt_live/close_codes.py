"""The close codes of the engine.

Made by `make docs` from schemas/ and the engine's tables of errors: change those.
"""

from __future__ import annotations

MEANINGS: dict[int, tuple[str, str]] = {
    1002: ("protocol error", "The client violated the websocket protocol (RFC 6455)."),
    1007: ("invalid text", "A text message was not UTF-8."),
    1009: ("too big", "A message was larger than the limit."),
    1011: ("internal", "An error of this server. The master's log has the traceback."),
    1012: ("restart", "The engine stops, restarts or reloads."),
    4400: ("broken protocol", "The client violated the subprotocol."),
    4401: ("token ended", "The token expired or was revoked."),
    4403: ("forbidden", "The address or the Origin may not connect, or you may no longer see what you subscribed to."),
    4406: ("subprotocol", "The server knows none of the offered subprotocols."),
    4408: ("auth too late", "There was no login within the deadline."),
    4410: ("fell behind", "The client read too slowly, or did not answer a ping."),
    4429: ("too many", "A limit on connections is reached, or on messages without a login."),
}
"""The name and the meaning of each code."""

FINAL = frozenset({1002, 1007, 1009, 4400, 4403, 4406})
"""Codes after which a new attempt would end the same way."""
