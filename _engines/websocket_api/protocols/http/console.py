"""``/console/``: the web page that shows the fleet, served by the engine itself (websocket_api/console/)."""

from __future__ import annotations

import hashlib
import logging
import re
from dataclasses import dataclass
from pathlib import Path

from ...errors import ApiError
from ..connections import Connections
from .base import Base, refuse

log = logging.getLogger(__name__)

WHERE = "/console/"
INDEX = "index.html"

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".txt": "text/plain; charset=utf-8",
}
"""What a console is made of. The system's own table of types is not asked: some call .js text/plain, and no browser
runs that."""

MOST_BYTES = 16 * 1024 * 1024  # of all files: they are kept in memory, and a directory named by mistake may be large

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src {own}; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
"""Content-Security-Policy (CSP level 3): own scripts only, nothing inline, no eval, none from elsewhere, no frame.

No form is sent anywhere by the browser itself (a password would stand in an address), and with Trusted Types no text
ever becomes HTML or script, whatever a module of the page does by mistake.
"""

_HOST = re.compile(r"[A-Za-z0-9.\-]+(:[0-9]+)?|\[[0-9A-Fa-f:.]+\](:[0-9]+)?")


@dataclass(frozen=True)
class File:
    """One file with what its answer says of it."""

    body: bytes
    type: str
    etag: str


class Console:
    """The console's files by their path below ``/console/``.

    They are read once, at the start, like the schemas: no path leads to anything else on this machine, and a page never
    gets one module of this release and another of the next.

    :param directory: where they are; None, or one without ``index.html``: there is no console
    """

    def __init__(self, directory: Path | None) -> None:
        self._files = {} if directory is None else dict(_read(directory))

    def __bool__(self) -> bool:
        """Tell whether there is a console."""
        return INDEX in self._files

    def get(self, path: str) -> File | None:
        """Return a file, or None where there is none; the empty path is the page."""
        return self._files.get(path or INDEX)


def _read(directory: Path) -> list[tuple[str, File]]:
    found, size = [], 0
    for path in sorted(directory.rglob("*")):
        kind = TYPES.get(path.suffix)
        if kind is None or not path.is_file():
            continue
        body = path.read_bytes()
        size += len(body)
        if size > MOST_BYTES:
            log.warning("websocket_api serves no console: %s holds more than %d MiB", directory, MOST_BYTES >> 20)
            return []
        file = File(body, kind, f'"{hashlib.sha256(body).hexdigest()[:32]}"')
        found.append((path.relative_to(directory).as_posix(), file))
    return found


class ConsoleHandler(Base):
    """The console's files, to whomever may connect: the page holds no secrets, what it asks for does."""

    def initialize(self, clients: Connections, console: Console) -> None:
        """Take the files."""
        self.clients = clients
        self.console = console
        self._etag: str | None = None

    def get(self, path: str | None) -> None:
        """Give one, or 304 to who has it already."""
        if path is None:
            self.redirect(WHERE)
            return
        file = self.console.get(path)
        if file is None:
            what = "there is no such file in the console" if self.console else "there is no console on this master"
            refuse(self, 404, ApiError("not_found", what))
            return
        self._etag = file.etag
        self.set_header("Content-Type", file.type)
        # To be kept, but asked about each time: modules of two releases do not go together.
        self.set_header("Cache-Control", "no-cache")
        self.set_header("Content-Security-Policy", POLICY.format(own=self._own_addresses()))
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Referrer-Policy", "no-referrer")
        self.set_header("Cross-Origin-Opener-Policy", "same-origin")
        self.finish(file.body)

    head = get

    def compute_etag(self) -> str | None:
        """Return the file's own entity tag, instead of hashing it at every request."""
        return self._etag

    def _own_addresses(self) -> str:
        # By the letter of CSP 2 'self' is http only; browsers that go by it need to be told of the websocket. What a
        # client sends as Host must not become a directive of its policy.
        host = self.request.host
        return f"'self' ws://{host} wss://{host}" if _HOST.fullmatch(host) else "'self'"
