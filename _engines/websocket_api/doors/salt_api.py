"""salt-api's clients, unmodified (docs/salt-api.md)."""

from __future__ import annotations

from ..live.encoding import encode
from .requests import ApiHandler


class RootHandler(ApiHandler):
    """``/``."""

    public = True

    def get(self) -> None:
        """Say who is here."""
        self.set_header("Content-Type", "application/json")
        self.finish(encode({"clients": list(self.settings_.clients), "return": "Welcome"}))
