"""Private attributes of tornado, Salt and the standard library that the engine uses.

A new release of one of them may remove such an attribute without notice. Each has a row here, and a test that says
what breaks without it.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
import textwrap
from types import ModuleType
from typing import Any, NamedTuple

import pytest
import websocket_api


class Private(NamedTuple):
    """One private attribute.

    ``owner`` is a class or module, ``users`` the engine's modules that use the attribute, ``purpose`` what breaks.
    """

    owner: str
    attribute: str
    users: tuple[str, ...]
    purpose: str


HANDLER = "tornado.web:RequestHandler"
CHECK = "salt.utils.minions:CkMinions"
PROTOCOL = "tornado.websocket:WebSocketProtocol13"
TABLE = (
    Private(
        HANDLER, "_break_cycles", ("protocols.http.responder", "protocols.salt_api.streams"), "handlers leak memory"
    ),
    Private(
        HANDLER, "_handle_request_exception", ("protocols.http.responder",), "errors keep request bodies in memory"
    ),
    Private(HANDLER, "_reason", ("protocols.http.responder",), "error bodies lose their message"),
    Private(
        HANDLER,
        "_finished",
        ("protocols.http.base", "protocols.puppetmaster.handlers"),
        "refused sockets are answered twice",
    ),
    Private(HANDLER, "_log", ("protocols.salt_api.streams",), "streams are missing in the access log"),
    Private(
        HANDLER, "_headers", ("protocols.salt_api.streams", "protocols.websocket.handler"), "streams lose their headers"
    ),
    Private(HANDLER, "_stream_request_body", ("protocols.websocket.handler",), "each handshake takes two more turns"),
    Private(
        "tornado.websocket:WebSocketHandler",
        "_on_close_called",
        ("protocols.websocket.handler",),
        "clients that leave during their login are never removed",
    ),
    Private(
        "tornado.httputil:HTTPServerRequest",
        "_body_future",
        ("protocols.http.responder",),
        "requests that clients leave leak memory",
    ),
    Private(
        "tornado.http1connection:HTTP1Connection",
        "_parse_headers",
        ("protocols.http.head", "protocols.http_server"),
        "the number of header lines has no bound",
    ),
    Private(PROTOCOL, "_abort", ("protocols.websocket.tornado_protocol",), "protocol errors close without a code"),
    Private(
        PROTOCOL, "_fragmented_message_buffer", ("protocols.websocket.tornado_protocol",), "fragments have no bound"
    ),
    Private(PROTOCOL, "_handle_message", ("protocols.websocket.tornado_protocol",), "frames are not checked"),
    Private(
        PROTOCOL, "_read_bytes", ("protocols.websocket.tornado_protocol",), "unfinished messages do not count as memory"
    ),
    Private(PROTOCOL, "_wire_bytes_in", ("protocols.websocket.tornado_protocol",), "a client can hold the event loop"),
    Private(PROTOCOL, "_receive_frame", ("protocols.websocket.tornado_protocol",), "frames are not bounded"),
    Private(
        "salt.runner:RunnerClient",
        "_reformat_low",
        ("salt_master.arguments",),
        "runners get other arguments than in Salt",
    ),
    Private(CHECK, "_pki_minions", ("salt_master.below",), "minions below syndics match no target"),
    Private(CHECK, "_check_glob_minions", ("salt_master.below",), "minions below syndics match no glob"),
    Private(CHECK, "_check_list_minions", ("salt_master.below",), "minions below syndics match no list"),
    Private(CHECK, "_check_compound_minions", ("salt_master.below",), "minions below syndics match no expression"),
    Private(
        "asyncio.base_events:BaseEventLoop",
        "_thread_id",
        ("salt_master.channels",),
        "with uvloop, Salt blocks the event loop for seconds at the end of each channel",
    ),
    Private(
        "salt.channel.client:AsyncReqChannel", "_closing", ("salt_master.channels",), "closed channels log warnings"
    ),
)
FOREIGN = ("tornado", "salt")


def load(path: str) -> Any:
    """Return a class by ``module:name``; skip the test if the package is not installed."""
    module, _, name = path.partition(":")
    pytest.importorskip(module.partition(".")[0])
    return getattr(importlib.import_module(module), name)


def source(cls: type) -> str:
    """Return the source of a class, empty if it has none."""
    try:
        return textwrap.dedent(inspect.getsource(cls))
    except (OSError, TypeError):
        return ""


def has(cls: type, name: str) -> bool:
    """Return whether a class has or declares an attribute, or sets it on its instances."""
    return (
        hasattr(cls, name)
        or name in inspect.get_annotations(cls)
        or re.search(rf"\bself\.{name}\b", source(cls)) is not None
    )


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def is_own(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id in ("self", "cls")


def used_in(module: ModuleType) -> set[str]:
    """Return the private attributes of others that a module of the engine uses, overrides or sets."""
    tree = ast.parse(inspect.getsource(module))
    attributes = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute) and is_private(node.attr)]
    found = {node.attr for node in attributes if not is_own(node.value)}
    for cls in vars(module).values():
        if not inspect.isclass(cls) or cls.__module__ != module.__name__:
            continue
        bases = [base for base in cls.__mro__ if base.__module__.partition(".")[0] in FOREIGN]
        nodes = list(ast.walk(ast.parse(source(cls))))
        names = {node.attr for node in nodes if isinstance(node, ast.Attribute) and is_own(node.value)}
        names |= {node.name for node in nodes if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))}
        names |= {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
        found |= {name for name in names if is_private(name) and any(has(base, name) for base in bases)}
    return found


@pytest.mark.with_salt
@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.attribute)
def test_the_attribute_is_still_there(row: Private) -> None:
    """If not, the message names what breaks and where to look."""
    assert has(load(row.owner), row.attribute), (
        f"{row.owner} has no {row.attribute} any more: {row.purpose}; change {', '.join(row.users)}"
    )


@pytest.mark.with_salt
def test_salts_function_reads_nothing_else_of_its_client() -> None:
    """``_reformat_low`` gets a stand-in for the client, which has ``functions`` only."""
    text = source(load("salt.runner:RunnerClient"))
    body = text.partition("def _reformat_low")[2].partition("\n    def ")[0]
    assert set(re.findall(r"\bself\.(\w+)", body)) == {"functions"}


def test_the_standard_librarys_parser_is_still_there() -> None:
    """``salt_master/patterns.py`` counts the steps of an expression by its parse tree."""
    tree = importlib.import_module("re._parser" if hasattr(re, "_parser") else "sre_parse").parse("(?i)a|b")
    assert tree.state.flags & re.IGNORECASE
    assert [str(kind) for kind, _ in tree]


@pytest.mark.with_salt
def test_every_private_attribute_has_a_row() -> None:
    """A new use of one needs a row, and so a test that names it when it is gone."""
    pytest.importorskip("salt")
    found = set()
    for module in pkgutil.walk_packages(websocket_api.__path__, "websocket_api."):
        name = module.name.removeprefix("websocket_api.")
        found |= {(name, attribute) for attribute in used_in(importlib.import_module(module.name))}
    assert found == {(user, row.attribute) for row in TABLE for user in row.users}
