"""A web app made for salt-api, served by the same option names as rest_cherrypy has for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tornado.web import HTTPError, StaticFileHandler

from ..connections import Connections
from .base import Base


class FilesHandler(Base, StaticFileHandler):
    """Files of one directory, to whomever may connect: pages hold no secrets, what they ask for does.

    tornado's handler refuses what lies outside of the directory, whatever the path looks like.
    """

    def initialize(self, clients: Connections, path: str, default_filename: str | None = None) -> None:  # type: ignore[override]
        """Take the directory, and the file that stands for it."""
        self.clients = clients
        super().initialize(path, default_filename)

    def validate_absolute_path(self, root: str, absolute_path: str) -> str | None:
        """Return the path of a file that there is."""
        if "\0" in absolute_path:  # which tornado asks the system about, and trips over its answer
            raise HTTPError(404)
        return super().validate_absolute_path(root, absolute_path)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Tell nothing of what lies where: what may not be had is not there."""
        if status_code == 403:
            self.set_status(404)
            status_code = 404
        super().write_error(status_code, **kwargs)


class AppHandler(FilesHandler):
    """One HTML file, under whatever path below its own: apps make up paths for their views."""

    def initialize(self, clients: Connections, path: str) -> None:  # type: ignore[override]
        """Take the file."""
        self.file = Path(path)
        super().initialize(clients, str(self.file.parent))

    async def get(self, path: str = "", include_body: bool = True) -> None:
        """Serve the file."""
        await super().get(self.file.name, include_body)

    async def head(self, path: str = "") -> None:
        """Tell what there is of the file."""
        await self.get(path, include_body=False)
