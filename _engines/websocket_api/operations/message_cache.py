"""Cache messages that many clients send, decoded and checked: consoles that return after a reload send the same."""

from __future__ import annotations

from typing import Any

from ..core.delivery.codecs import Codec

MAX_MESSAGES = 64
MAX_BYTES = 1024  # of a message: two clients rarely send the same longer one


class MessageCache:
    """The last valid messages to ``subscribe``, decoded. They must not be changed.

    A message with a token is not kept, because a secret would stay in memory.
    """

    def __init__(self) -> None:
        self._messages: dict[tuple[Codec, str | bytes], dict[str, Any]] = {}

    def get(self, codec: Codec, data: str | bytes) -> dict[str, Any] | None:
        """Return the valid message; None if it must be decoded and checked."""
        return self._messages.get((codec, data))

    def put(self, codec: Codec, data: str | bytes, message: dict[str, Any]) -> None:
        """Keep a valid message; drop the oldest one if there are too many."""
        if message["type"] == "subscribe" and "token" not in message and len(data) <= MAX_BYTES:
            self._messages[codec, data] = message
            if len(self._messages) > MAX_MESSAGES:
                del self._messages[next(iter(self._messages))]
