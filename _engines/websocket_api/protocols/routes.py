"""The paths of all protocols."""

from __future__ import annotations

import re
from typing import Any

from tornado.httputil import HTTPServerRequest
from tornado.routing import Matcher, PathMatches, Rule

from ..contract.published import Published
from ..jids import JID
from ..settings import Settings
from .connections import Connections
from .digital_rebar.clients import RebarClients
from .digital_rebar.handler import DigitalRebarHandler
from .http.console import Console, ConsoleHandler
from .http.files import AppHandler, FilesHandler, SchemasHandler
from .metrics import HealthHandler, MetricsHandler
from .puppetmaster.handlers import (
    BatchesHandler,
    BatchSocket,
    JobsOrBatchesHandler,
    OneBatchHandler,
    RequestHandler,
)
from .salt_api.handlers import LoginHandler, LogoutHandler, RootHandler, RunHandler, TokenHandler
from .salt_api.resources import HookHandler, JobsHandler, KeysHandler, MinionsHandler, StatsHandler
from .salt_api.streams import AllEventsHandler, CherryPyHandler, EventsHandler, FormattedEventsHandler
from .websocket.native import NativeHandler


class Upgrades(PathMatches):
    """Matches websocket requests on a path. Other requests on this path go to another handler."""

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        """Return the path's groups, or None."""
        return super().match(request) if request.headers.get("Upgrade", "").lower() == "websocket" else None


class FormatsEvents(Upgrades):
    """Matches rest_cherrypy's websocket, which shares its path with the native protocol."""

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        """Return the path's groups, or None."""
        return super().match(request) if "format_events" in request.query_arguments else None


def routes(clients: Connections, rebar: RebarClients, settings: Settings, console: Console) -> list[Any]:
    """Return the rules of all protocols; the first match counts."""
    shared, published = {"clients": clients}, Published(clients.services.schemas)
    rules: list[tuple[str | Matcher, type[Any]]] = [
        (FormatsEvents(r"/ws$"), CherryPyHandler),
        (Upgrades(r"/ws/([^/]*)$"), CherryPyHandler),
        (Upgrades(r"/(?:ws)?$"), NativeHandler),
        (r"/login/?", LoginHandler),
        (r"/logout/?", LogoutHandler),
        (r"/token/?", TokenHandler),
        (r"/run/?", RunHandler),
        (r"/minions/?", MinionsHandler),
        (r"/minions/([^/]+)/?", MinionsHandler),
        (r"/jobs/?", JobsOrBatchesHandler),
        (Upgrades(r"/(?:jobs|batches)/ws(?:/([^/]+))?/?$"), BatchSocket),
        (Upgrades(r"/(?:jobs|batches)/([^/]+)/ws/?$"), BatchSocket),
        (rf"/jobs/({JID})/?", JobsHandler),
        (r"/(?:jobs|batches)/([^/]+)/?", OneBatchHandler),
        (r"/batches/?", BatchesHandler),
        (r"/requests?/([^/]+)/?", RequestHandler),
        (r"/keys/?", KeysHandler),
        (r"/keys/([^/]+)/?", KeysHandler),
        (r"/hook/?", HookHandler),
        (r"/hook/(.+)", HookHandler),
        (r"/stats/?", StatsHandler),
        (r"/events/?", EventsHandler),
        (Upgrades(r"/all_events(?:/([^/]*))?$"), AllEventsHandler),
        (Upgrades(r"/formatted_events(?:/([^/]*))?$"), FormattedEventsHandler),
        (r"/healthz", HealthHandler),
    ]
    if settings.metrics:
        rules.append((r"/metrics", MetricsHandler))
    made = [
        Rule(PathMatches(f"{path}$") if isinstance(path, str) else path, handler, shared) for path, handler in rules
    ]
    with_console = {**shared, "console": console}
    pages = [
        Rule(Upgrades(r"/api/v3/ws$"), DigitalRebarHandler, {**shared, "rebar": rebar}),
        Rule(PathMatches(r"/(?:ws)?$"), RootHandler, with_console),
        Rule(PathMatches(r"/console(?:/(.*))?$"), ConsoleHandler, with_console),
        Rule(PathMatches(r"/schemas/(.*)$"), SchemasHandler, {**shared, "published": published}),
    ]
    return [*made, *pages, *_web_app(shared, settings)]


def _web_app(shared: dict[str, Any], settings: Settings) -> list[Rule]:
    rules = []
    if settings.static:
        where = re.escape((settings.static_path or "/static").rstrip("/"))
        rules.append(Rule(PathMatches(f"{where}/(.+)$"), FilesHandler, {**shared, "path": settings.static}))
    if settings.app:
        where = re.escape((settings.app_path or "/app").rstrip("/"))
        rules.append(Rule(PathMatches(f"{where}(?:/.*)?$"), AppHandler, {**shared, "path": settings.app}))
    return rules
