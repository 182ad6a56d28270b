"""Write docs/protocol.md, docs/configuration.md, pillar.example, API documents, types for clients, digests of schemas/.

    python tools/docs.py            writes them
    python tools/docs.py --check    writes nothing, and fails if a file is out of date

The sources are the schemas, the tables of errors and the texts in tools/templates/. A name in {{double braces}} there
is replaced by a generated part.
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
import docs_python as python  # noqa: E402
import docs_types as types  # noqa: E402
from websocket_api.contract import digest  # noqa: E402
from websocket_api.contract.schemas import ASYNCAPI, OPENAPI, Schemas  # noqa: E402
from websocket_api.errors import CLOSE_CODES, ERRORS, ApiError  # noqa: E402
from websocket_api.operations.describe import SUBPROTOCOLS  # noqa: E402

PYTHON = ROOT / "clients" / "python" / "src" / "salt_live"

NOTE = "<!-- Made by `make docs` from schemas/ and tools/templates/: change those. -->\n\n"

PILLAR_WIDTH = 119  # characters in a line of pillar.example

OPERATIONS = {
    "Log in and out": ("auth", "logout", "whoami", "ping", "describe"),
    "Run commands": ("cmd", "runner", "wheel", "cancel"),
    "Read jobs": ("get_job", "list_jobs"),
    "Run batches": ("batch", "get_batch", "list_batches", "cancel_batch"),
    "Follow and fire events": ("subscribe", "unsubscribe", "get_event", "event"),
    "Find minions and functions": ("list_minions", "match", "functions", "signature"),
}
"""Chapters of the page in order; operations that are missing here come last."""

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
"""Definitions of common.json with a section of their own."""

FRAMES = {
    "salt.v1.json": "text frames with JSON",
    "salt.v1.msgpack": "binary frames with msgpack",
}


def protocol(schemas: Schemas) -> str:
    """Return docs/protocol.md."""
    links = markdown.Links({name: (title, schemas.common[name]) for name, title in OBJECTS.items()})
    limits = schemas.defaults()["limits"]
    listed = [name for names in OPERATIONS.values() for name in names]
    chapters = {**OPERATIONS, "Other operations": tuple(name for name in schemas.operations if name not in listed)}
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
    """Return options as YAML with their defaults, each below a comment that describes it."""
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
    known = " and ".join(f"`{name}` ({FRAMES[name]})" for name in SUBPROTOCOLS)
    return (
        f"The engine knows the subprotocols {known}.\n"
        f"A client that offers none gets `{SUBPROTOCOLS[0]}`. "
        f"If it offers only unknown ones, the connection is closed with code 4406."
    )


def _fault_example(schemas: Schemas) -> str:
    message = {"type": "cmd", "id": 6, "method": "test.ping", "kwargs": 3}
    try:
        schemas.validate("cmd", message)
    except ApiError as error:
        sent = {"code": error.code, "message": error.message, "details": error.details, "retryable": error.retryable}
        return markdown.lines([message]) + "\n" + markdown.block({"id": 6, "type": "error", "error": sent})
    raise AssertionError("the example of an invalid message is valid")


def _yaml(given: Mapping[str, Any]) -> str:
    """Return options as the master's configuration has them."""
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


def _manifest(contents: Mapping[str, bytes]) -> str:
    """Return the engine's module with the digests of the schemas.

    :param contents: the content of each file in ``schemas/`` by its path there
    """
    lines = (f'    "{name}": "{digest.digest(content)}",' for name, content in sorted(contents.items()))
    docstring = '"""The files of schemas/ and their digests. Made by `make docs`: do not edit."""'
    return "\n".join([docstring, "", "FILES = {", *lines, "}", ""])


def _filled(template: str, parts: Mapping[str, str], note: str = NOTE) -> str:
    text = (ROOT / "tools" / "templates" / template).read_text(encoding="utf-8")
    return note + re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], text)


def main(arguments: list[str]) -> int:
    """Write the pages, or with ``--check`` report those that are out of date."""
    schemas = Schemas(ROOT / "schemas")
    documents = {ASYNCAPI: _json(asyncapi.document(schemas)), OPENAPI: _json(openapi.document(schemas))}
    contents = {**schemas.files, "VERSION": (ROOT / "schemas" / "VERSION").read_bytes()}
    contents |= {name: text.encode() for name, text in documents.items()}
    pages = {
        ROOT / "docs" / "protocol.md": protocol(schemas),
        ROOT / "docs" / "configuration.md": options(schemas),
        ROOT / "pillar.example": pillar(schemas),
        ROOT / "websocket_api" / "console" / "client" / "types.d.ts": types.declarations(schemas),
        PYTHON / "messages.py": python.messages(schemas),
        PYTHON / "error_codes.py": python.errors(ERRORS.values()),
        PYTHON / "close_codes.py": python.closes(CLOSE_CODES.values()),
        **{ROOT / "schemas" / name: text for name, text in documents.items()},
        ROOT / "_engines" / "websocket_api" / "contract" / "manifest.py": _manifest(contents),
    }
    stale = [path for path, text in pages.items() if not path.is_file() or path.read_text(encoding="utf-8") != text]
    if "--check" in arguments:
        for path in stale:
            print(f"{path.relative_to(ROOT)} is not up to date: run make docs")
        return 1 if stale else 0
    for path in stale:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(pages[path], encoding="utf-8")
        print(f"wrote {path.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
