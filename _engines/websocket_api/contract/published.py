"""What can be read below ``/schemas/``: the schema files as they are, and what is made from them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..core.events.encoding import encode
from . import asyncapi, openapi
from .schemas import Schemas

JSON = "application/json"
SCHEMA = "application/schema+json"
ASYNCAPI = "asyncapi.json"
OPENAPI = "openapi.json"


@dataclass(frozen=True)
class Document:
    """Bytes, their media type, and the entity tag (RFC 9110) that changes with them."""

    body: bytes
    type: str
    etag: str


class Published:
    """Documents by their path below ``/schemas/``; the empty path is the index.

    Nothing is read from disk for a request: what was read at the start is what there is, so no path leads elsewhere,
    and a client is never told another release's schemas than those that the engine checks by.
    """

    def __init__(self, schemas: Schemas) -> None:
        self._made: dict[str, Document] = {}
        """What has been asked for once: making the two large documents takes some milliseconds."""
        self._makers: dict[str, Callable[[], Document]] = {
            name: lambda text=text: document(text, SCHEMA)  # type: ignore[misc]
            for name, text in schemas.files.items()
        }
        self._makers[ASYNCAPI] = lambda: document(encode(asyncapi.document(schemas)), JSON)
        self._makers[OPENAPI] = lambda: document(encode(openapi.document(schemas)), JSON)
        self._makers[""] = lambda: document(encode(_index(schemas)), JSON)

    def get(self, path: str) -> Document | None:
        """Return a document, or None where there is none."""
        if path not in self._made:
            if path not in self._makers:
                return None
            self._made[path] = self._makers[path]()
        return self._made[path]


def document(body: bytes, kind: str) -> Document:
    """Return a document with its entity tag.

    :param kind: its media type
    """
    return Document(body, kind, f'"{hashlib.sha256(body).hexdigest()[:32]}"')


def _index(schemas: Schemas) -> dict[str, Any]:
    return {
        "version": schemas.version,
        "files": {name: json.loads(text).get("title", "") for name, text in schemas.files.items()},
        "asyncapi": ASYNCAPI,
        "openapi": OPENAPI,
    }
