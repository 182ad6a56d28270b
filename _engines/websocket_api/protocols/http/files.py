"""Files over HTTP: documents from memory with entity tags, ``/schemas/``, and a web app made for salt-api."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tornado.web import HTTPError, StaticFileHandler

from ...contract.published import Document, Published
from ...errors import ApiError
from ..connections import Connections
from .base import OpenHandler
from .content import accepts_gzip


class DocumentHandler(OpenHandler):
    """Serves documents from memory."""

    _etag: str | None = None

    def send(self, document: Document, caching: str = "no-cache") -> None:
        """Answer with a document, or with 304 if the client has it already.

        By default clients keep it, but ask each time: files of two releases do not fit together.
        """
        body, self._etag = document.body, document.etag
        if document.compressed is not None:
            self.add_header("Vary", "Accept-Encoding")
            if accepts_gzip(self.request.headers.get("Accept-Encoding", "")):
                body, self._etag = document.compressed, document.compressed_etag
                self.set_header("Content-Encoding", "gzip")
        self.set_header("Content-Type", document.type)
        self.set_header("Cache-Control", caching)
        self.finish(body)

    def compute_etag(self) -> str | None:
        """Return the document's own entity tag, instead of hashing the document at every request."""
        return self._etag


class SchemasHandler(DocumentHandler):
    """``/schemas/``: the schema files and the documents made from them, which hold no secret (docs/protocol.md)."""

    def initialize(self, clients: Connections, published: Published) -> None:  # type: ignore[override]
        """Keep the documents."""
        super().initialize(clients)
        self._published = published

    def get(self, path: str) -> None:
        """Answer with one document."""
        document = self._published.get(path)
        if document is None:
            raise ApiError("not_found", "there is no such schema; /schemas/ lists them all")
        self.send(document)

    head = get


class FilesHandler(OpenHandler, StaticFileHandler):
    """Files of one directory, for every client that may connect: the pages hold no secrets.

    tornado's handler refuses paths that lead out of the directory. The option names are those of rest_cherrypy.
    """

    def initialize(self, clients: Connections, path: str, default_filename: str | None = None) -> None:  # type: ignore[override]
        """Keep the directory, and the file that stands for it."""
        OpenHandler.initialize(self, clients)
        StaticFileHandler.initialize(self, path, default_filename)

    def validate_absolute_path(self, root: str, absolute_path: str) -> str | None:
        """Return the path of an existing file."""
        if "\0" in absolute_path:  # the operating system refuses it, with an error that tornado does not expect
            raise HTTPError(404)
        return super().validate_absolute_path(root, absolute_path)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer 404 for forbidden paths too, so that nobody learns which files exist."""
        if status_code == 403:
            self.set_status(404)
            status_code = 404
        super().write_error(status_code, **kwargs)


class AppHandler(FilesHandler):
    """One HTML file for every path below its own, since apps make up paths for their views."""

    def initialize(self, clients: Connections, path: str) -> None:  # type: ignore[override]
        """Keep the file."""
        self.file = Path(path)
        super().initialize(clients, str(self.file.parent))

    async def get(self, path: str = "", include_body: bool = True) -> None:
        """Serve the file."""
        await super().get(self.file.name, include_body)

    async def head(self, path: str = "") -> None:
        """Serve the file's headers."""
        await self.get(path, include_body=False)
