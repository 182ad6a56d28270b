"""Which path leads to which door."""

from __future__ import annotations

from typing import Any

from tornado.httputil import HTTPServerRequest
from tornado.routing import Matcher, PathMatches, Rule

from ..settings import Settings
from .clients import Clients
from .metrics import HealthHandler, MetricsHandler
from .salt_api import RootHandler
from .websocket import NativeHandler


class Upgrades(PathMatches):
    """Matches requests for a websocket under a path, which other requests lead elsewhere."""

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        """Return the path's groups, or None."""
        return super().match(request) if request.headers.get("Upgrade", "").lower() == "websocket" else None


def routes(clients: Clients, settings: Settings) -> list[Any]:
    """Return the rules of all doors; the first that matches counts."""
    shared = {"clients": clients}
    rules: list[tuple[str | Matcher, type[Any]]] = [
        (Upgrades(r"/(?:ws)?$"), NativeHandler),
        (r"/(?:ws)?", RootHandler),
        (r"/healthz", HealthHandler),
    ]
    if settings.metrics:
        rules.append((r"/metrics", MetricsHandler))
    return [Rule(PathMatches(f"{path}$") if isinstance(path, str) else path, door, shared) for path, door in rules]
