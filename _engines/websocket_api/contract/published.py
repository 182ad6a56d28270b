"""What clients can read below ``/schemas/``: the schema files, and the documents that describe the whole API."""

from __future__ import annotations

import gzip
import hashlib
import json
from dataclasses import dataclass, replace
from typing import Any

from ..core.events.encoding import encode
from .schemas import ASYNCAPI, OPENAPI, Schemas

JSON = "application/json"
SCHEMA = "application/schema+json"


@dataclass(frozen=True)
class Document:
    """Bytes, their media type, and the entity tag (RFC 9110) that changes with them.

    ``compressed`` is the body in gzip for clients that accept it. Its entity tag differs, because its bytes do.
    """

    body: bytes
    type: str
    etag: str
    compressed: bytes | None = None

    @property
    def compressed_etag(self) -> str:
        """Return the entity tag of the compressed body."""
        return f'{self.etag[:-1]}-gzip"'


class Published:
    """Documents by their path below ``/schemas/``; the empty path is the index.

    A request reads nothing from disk, so no path leads to another file. Clients always get the schemas that the engine
    checks messages by.
    """

    def __init__(self, schemas: Schemas) -> None:
        self._documents = {name: document(text, SCHEMA) for name, text in schemas.files.items()}
        self._documents |= {name: document(text, JSON) for name, text in schemas.documents.items()}
        self._documents[""] = document(encode(_index(schemas)), JSON)

    def get(self, path: str) -> Document | None:
        """Return a document, or None if there is none at this path."""
        return self._documents.get(path)


def document(body: bytes, kind: str) -> Document:
    """Return a document with its entity tag.

    :param kind: its media type
    """
    return Document(body, kind, f'"{hashlib.sha256(body).hexdigest()[:32]}"')


def compressed(plain: Document) -> Document:
    """Return a document with its compressed body, if that is smaller.

    Only for public documents: the length of a compressed answer tells about its content (the BREACH attack).
    """
    body = gzip.compress(plain.body, mtime=0)
    return replace(plain, compressed=body) if len(body) < len(plain.body) else plain


def _index(schemas: Schemas) -> dict[str, Any]:
    return {
        "version": schemas.version,
        "files": {name: json.loads(text).get("title", "") for name, text in schemas.files.items()},
        "asyncapi": ASYNCAPI,
        "openapi": OPENAPI,
    }
