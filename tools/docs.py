"""Write docs/protocol.md, docs/configuration.md, pillar.example and the API documents in schemas/.

    python tools/docs.py            writes them
    python tools/docs.py --check    writes nothing, and fails if a file is not up to date

All of them are made from the schemas, the tables of errors and the prose in tools/templates/, where names in
{{double braces}} are replaced.
"""

from __future__ import annotations

import json
import pathlib
import re
import sys
import textwrap
from collections.abc import Mapping
from typing import Any

ROOT = pathlib.Path(__file__).resolve().parent.parent
for folder in ("_engines", "tools"):
    if str(ROOT / folder) not in sys.path:
        sys.path.insert(0, str(ROOT / folder))

import docs_asyncapi as asyncapi  # noqa: E402
import docs_markdown as markdown  # noqa: E402
import docs_openapi as openapi  # noqa: E402
from websocket_api.contract.schemas import ASYNCAPI, OPENAPI, Schemas  # noqa: E402
from websocket_api.errors import CLOSE_CODES, ERRORS, ApiError  # noqa: E402
from websocket_api.operations.describe import SUBPROTOCOLS  # noqa: E402

NOTE = "<!-- Made by `make docs` from schemas/ and tools/templates/: change those. -->\n\n"

PILLAR_WIDTH = 119  # of a line of pillar.example

OPERATIONS = {
    "Logging in": ("auth", "logout", "whoami", "ping", "describe"),
    "Running things": ("cmd", "runner", "wheel", "cancel"),
    "Jobs": ("get_job", "list_jobs"),
    "Batches": ("batch", "get_batch", "list_batches", "cancel_batch"),
    "Events and subscriptions": ("subscribe", "unsubscribe", "get_event", "event"),
    "Minions and functions": ("list_minions", "match", "functions", "signature"),
}
"""The order of reading; an operation that is missing here comes at the end."""

OBJECTS = {
    "job": "The job object",
    "job_summary": "The job object without minions",
    "job_minion": "A minion's part of a job",
    "minion": "The minion object",
    "batch": "The batch object",
    "batch_summary": "The batch object without requests",
    "request": "A request of a batch",
    "error": "The error object",
}
"""Definitions of common.json that are described once."""

FRAMES = {
    "salt.v1.json": "text frames that hold JSON",
    "salt.v1.msgpack": "binary frames that hold msgpack",
}


def protocol(schemas: Schemas) -> str:
    """Return docs/protocol.md."""
    links = markdown.Links({name: (title, schemas.common[name]) for name, title in OBJECTS.items()})
    limits = schemas.defaults()["limits"]
    listed = [name for names in OPERATIONS.values() for name in names]
    chapters = {**OPERATIONS, "More": tuple(name for name in schemas.operations if name not in listed)}
    operations = [
        f"### {chapter}\n\n"
        + "\n\n".join(markdown.operation(name, schemas.operations[name], schemas.common, links) for name in names)
        for chapter, names in chapters.items()
        if names
    ]
    return _filled(
        "protocol.md",
        {
            "subprotocols": _subprotocols(),
            "auth_seconds": str(limits["auth_seconds"]),
            "message_bytes_before_auth": f"{limits['message_bytes_before_auth']:,}",
            "auth_example": markdown.lines(schemas.operations["auth"]["examples"]),
            "fault_example": _fault_example(schemas),
            "common_fields": markdown.fields({name: schemas.common[name] for name in ("id", "token")}, (), links),
            "operations": "\n\n".join(operations),
            "objects": "\n\n".join(
                markdown.described(title, schemas.common[name], links) for name, title in OBJECTS.items()
            ),
            "replies": _frames(schemas, links, replies=True),
            "frames": _frames(schemas, links, replies=False),
            "errors": markdown.table(
                ("code", "retry", "meaning"),
                [(f"`{kind.code}`", "yes" if kind.retryable else "no", kind.meaning) for kind in ERRORS.values()],
            ),
            "close_codes": markdown.table(
                ("code", "name", "reconnect", "what happened"),
                [(str(kind.code), kind.name, kind.reconnect, kind.meaning) for kind in CLOSE_CODES.values()],
            ),
            "limits": markdown.options(schemas.settings["properties"]["limits"]["properties"], links),
        },
    )


def options(schemas: Schemas) -> str:
    """Return docs/configuration.md."""
    links = markdown.Links({})
    known = schemas.settings["properties"]
    plain = {name: option for name, option in known.items() if "properties" not in option}
    return _filled(
        "configuration.md",
        {
            "examples": "\n\n# or\n\n".join(_yaml(example) for example in schemas.settings["examples"]),
            "options": markdown.options(plain, links),
            **{
                name: f"{known[name]['description']}\n\n{markdown.options(known[name]['properties'], links)}"
                for name in ("history", "limits")
            },
        },
    )


def pillar(schemas: Schemas) -> str:
    """Return pillar.example."""
    return _filled("pillar.yaml.in", {"options": _commented(schemas.settings["properties"], 4)}, note="")


def _commented(known: Mapping[str, Any], indent: int) -> str:
    """Return options as YAML with their defaults, each below a comment that says what it is."""
    margin, parts = " " * indent, []
    for name, option in known.items():
        unit = option.get("x-unit", "").split(" ")[0]
        unit = f" In {unit}." if unit and unit not in name.split("_") and unit not in option["description"] else ""
        comment = textwrap.wrap(f"{option['description']}{unit}", PILLAR_WIDTH - indent - 2)
        nested = "properties" in option
        parts.append(
            "".join(f"{margin}# {line}\n" for line in comment)
            + (
                f"{margin}{name}:\n{_commented(option['properties'], indent + 2)}"
                if nested
                else f"{margin}{name}: {_scalar(option['default'])}"
            )
        )
    return "\n".join(parts)


def _scalar(value: Any) -> str:
    """Return a default as YAML, plain where it can be."""
    plain = (
        isinstance(value, str) and re.fullmatch(r"[A-Za-z][\w.:/-]*", value) and value not in ("true", "false", "null")
    )
    return value if plain else json.dumps(value)


def _frames(schemas: Schemas, links: markdown.Links, *, replies: bool) -> str:
    wanted = [(name, frame) for name, frame in schemas.frames.items() if ("reply" in frame["title"].lower()) is replies]
    return "\n\n".join(markdown.frame(name, frame, links) for name, frame in wanted)


def _subprotocols() -> str:
    spoken = " and the subprotocol ".join(f"`{name}` ({FRAMES[name]})" for name in SUBPROTOCOLS)
    return (
        f"The engine speaks the subprotocol {spoken}.\n"
        f"A client that offers none gets `{SUBPROTOCOLS[0]}`; one that offers only others is closed with code 4406."
    )


def _fault_example(schemas: Schemas) -> str:
    message = {"type": "cmd", "id": 6, "method": "test.ping", "kwargs": 3}
    try:
        schemas.validate("cmd", message)
    except ApiError as error:
        told = {"code": error.code, "message": error.message, "details": error.details, "retryable": error.retryable}
        return markdown.lines([message]) + "\n" + markdown.block({"id": 6, "type": "error", "error": told})
    raise AssertionError("the example of a bad message is a good one")


def _yaml(given: Mapping[str, Any]) -> str:
    """Return options as they stand in the master's configuration."""
    written = ["engines:", "  - websocket_api:"]
    for name, value in given.items():
        if isinstance(value, dict):
            written.append(f"      {name}:")
            written.extend(f"        {key}: {json.dumps(item)}" for key, item in value.items())
        else:
            written.append(
                f"      {name}: {value if isinstance(value, str) and '::' not in value else json.dumps(value)}"
            )
    return "\n".join(written)


def _json(document: Mapping[str, Any]) -> str:
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _filled(template: str, parts: Mapping[str, str], note: str = NOTE) -> str:
    text = (ROOT / "tools" / "templates" / template).read_text(encoding="utf-8")
    return note + re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], text)


def main(arguments: list[str]) -> int:
    """Write the pages, or with ``--check`` tell whether they are up to date."""
    schemas = Schemas(ROOT / "schemas")
    pages = {
        ROOT / "docs" / "protocol.md": protocol(schemas),
        ROOT / "docs" / "configuration.md": options(schemas),
        ROOT / "pillar.example": pillar(schemas),
        ROOT / "schemas" / ASYNCAPI: _json(asyncapi.document(schemas)),
        ROOT / "schemas" / OPENAPI: _json(openapi.document(schemas)),
    }
    stale = [path for path, text in pages.items() if not path.is_file() or path.read_text(encoding="utf-8") != text]
    if "--check" in arguments:
        for path in stale:
            print(f"{path.relative_to(ROOT)} is not up to date: run make docs")
        return 1 if stale else 0
    for path in stale:
        path.parent.mkdir(exist_ok=True)
        path.write_text(pages[path], encoding="utf-8")
        print(f"wrote {path.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
