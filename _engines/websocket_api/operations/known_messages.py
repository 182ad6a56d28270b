"""Decode and check once what many clients send alike: consoles that come back after a reload subscribe to the same."""

from __future__ import annotations

from typing import Any

from ..core.delivery.codecs import Codec

MAX_MESSAGES = 64
MAX_BYTES = 1024  # of a message; a longer one is hardly sent by others too


class KnownMessages:
    """The last valid messages to ``subscribe``, decoded. What is in them must not be changed.

    A message with a token is not kept: it would stay in memory.
    """

    def __init__(self) -> None:
        self._messages: dict[tuple[Codec, str | bytes], dict[str, Any]] = {}

    def get(self, codec: Codec, data: str | bytes) -> dict[str, Any] | None:
        """Return a valid message; None if it must be decoded and checked."""
        return self._messages.get((codec, data))

    def keep(self, codec: Codec, data: str | bytes, message: dict[str, Any]) -> None:
        """Keep a valid message in place of the oldest one."""
        if message["type"] == "subscribe" and "token" not in message and len(data) <= MAX_BYTES:
            self._messages[codec, data] = message
            if len(self._messages) > MAX_MESSAGES:
                del self._messages[next(iter(self._messages))]
