"""The paths of all protocols: what they serve, which need a login, and that schemas/http.json describes them."""

from __future__ import annotations

import inspect
import re
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("tornado")

from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine
from tornado.routing import Rule
from tornado.web import RequestHandler
from websocket_api.protocols.http.base import BaseHandler
from websocket_api.protocols.http.console import Console
from websocket_api.protocols.routes import Upgrades, routes
from websocket_api.settings import Settings

from tests.support.schemas import SCHEMAS

VALUES = {
    "minion": "web1",
    "jid": "20141103073312975821",
    "path": "myco/disk",
    "batch": "961155434991616",
    "request": "961155434995712",
}
"""Values for the variable parts of paths."""


PUBLIC = {
    *("RootHandler", "RunHandler", "LoginHandler", "TokenHandler", "KeysHandler", "HookHandler", "NativeHandler"),
    *("MetricsHandler", "HealthHandler", "ConsoleHandler", "SchemasHandler", "FilesHandler", "AppHandler"),
}
"""Handlers that may serve clients without a login."""


def all_rules() -> list[Rule]:
    """Return the rules of all protocols."""
    rebar: Any = None
    clients: Any = SimpleNamespace(services=SimpleNamespace(schemas=SCHEMAS))
    settings = Settings(metrics=True, static="/srv/static", app="/srv/app.html")
    return routes(clients, rebar, settings, Console(None))


def rules() -> list[Rule]:
    """Return the rules for requests that are no websocket handshakes, but for the operator's own web app."""
    own = ("FilesHandler", "AppHandler")
    return [
        rule
        for rule in all_rules()
        if not isinstance(rule.matcher, Upgrades) and getattr(rule.target, "__name__", "") not in own
    ]


def test_every_path_needs_a_login_unless_it_is_listed_as_public() -> None:
    """All handlers share one base, which answers 401 without a valid token."""
    handlers: set[Any] = {rule.target for rule in all_rules()}
    assert [handler for handler in handlers if not issubclass(handler, BaseHandler)] == []
    assert {handler.__name__ for handler in handlers if handler.public is not False} == PUBLIC


def test_no_handler_skips_the_login_of_the_base() -> None:
    """Handlers extend the hooks; only the base decides in which order they are called."""
    extended = {"HookHandler", "BatchSocket"}  # both call the base first
    handlers: set[Any] = {rule.target for rule in all_rules()}
    assert {one.__name__ for one in handlers if one.prepare is not BaseHandler.prepare} == extended


def serving(path: str, among: list[Rule]) -> Rule | None:
    """Return the rule that serves a path."""
    sample = re.sub(r"{(\w+)}", lambda part: VALUES[part[1]], path)
    line, headers = RequestStartLine("GET", sample, "HTTP/1.1"), HTTPHeaders({"Host": "master"})
    connection = SimpleNamespace(context=None)
    request = HTTPServerRequest(start_line=line, headers=headers, connection=connection)  # type: ignore[arg-type]
    return next((rule for rule in among if rule.matcher.match(request) is not None), None)


def methods(handler: Any) -> set[str]:
    """Return the methods that a handler serves, without HEAD and OPTIONS."""
    return {
        name
        for name in ("GET", "POST", "PUT", "PATCH", "DELETE")
        if getattr(handler, name.lower()) is not getattr(RequestHandler, name.lower())
    }


def test_every_described_request_is_served() -> None:
    """Its path has a handler with this method."""
    among, missing = rules(), set()
    for name in SCHEMAS.requests:
        method, path = name.split(" ")
        rule = serving(path, among)
        if rule is None or method not in methods(rule.target):
            missing.add(name)
    assert missing == set()


def test_every_served_request_is_described() -> None:
    """Each rule has a described path, and each method of its handler is described on such a path."""
    among = rules()
    unused, undescribed = list(among), {rule.target: methods(rule.target) for rule in among}
    for name in SCHEMAS.requests:
        method, path = name.split(" ")
        rule = serving(path, among)
        if rule is not None:
            unused = [other for other in unused if other is not rule]
            undescribed[rule.target].discard(method)
    assert [getattr(rule.matcher, "regex", rule.matcher) for rule in unused] == []
    assert {handler.__name__: names for handler, names in undescribed.items() if names} == {}


def test_each_method_of_a_handler_accepts_the_parts_of_its_path() -> None:
    """Otherwise a client that tries that method would get an internal error."""
    for rule in rules():
        parts = [""] * rule.matcher.regex.groups  # type: ignore[attr-defined]
        for method in methods(rule.target):
            function = getattr(rule.target, method.lower())
            try:
                inspect.signature(function).bind(None, *parts)
            except TypeError as error:
                raise AssertionError(f"{method} {rule.matcher.regex.pattern}: {error}") from error  # type: ignore[attr-defined]
