"""``/schemas/``: the engine describes itself, to anybody, for no secret is in it (docs/protocol.md)."""

from __future__ import annotations

from ...contract.published import Published
from ...errors import ApiError
from ..connections import Connections
from .api import ApiHandler


class SchemasHandler(ApiHandler):
    """The schema files and the documents made from them."""

    public = True

    def initialize(self, clients: Connections, published: Published) -> None:  # type: ignore[override]
        """Take what there is to be read."""
        super().initialize(clients)
        self._published = published
        self._etag: str | None = None

    def get(self, path: str) -> None:
        """Give one, or 304 to who has it already."""
        document = self._published.get(path)
        if document is None:
            raise ApiError("not_found", "there is no such schema; /schemas/ lists them all")
        self._etag = document.etag
        self.set_header("Content-Type", document.type)
        # To be kept, but asked about each time: the next release must not be read with this one's files.
        self.set_header("Cache-Control", "no-cache")
        self.finish(document.body)

    head = get

    def compute_etag(self) -> str | None:
        """Return the document's own entity tag, instead of hashing it at every request."""
        return self._etag
