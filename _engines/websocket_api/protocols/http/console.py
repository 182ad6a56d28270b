"""``/console/``: the web console, served by the engine itself (websocket_api/console/)."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Container
from pathlib import Path

from ...contract.published import Document, compressed, document
from ...errors import ApiError
from ..connections import Connections
from .files import DocumentHandler

log = logging.getLogger(__name__)

WHERE = "/console/"
INDEX = "index.html"
FOREVER = "public, max-age=31536000, immutable"  # RFC 8246

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".txt": "text/plain; charset=utf-8",
}
"""The media types of a console's files. The system's own table is not used: some call .js text/plain, which no browser
runs."""

MAX_BYTES = 16 * 1024 * 1024  # of all files: they are kept in memory, and a directory named by mistake may be large

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src {own}; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
"""Content-Security-Policy (CSP level 3): the page's own scripts only, nothing inline, no eval, no frame.

The browser itself submits no form, which could put a password into an address. With Trusted Types no text becomes HTML
or script, even if a module of the page makes a mistake.
"""

_ADDRESS = re.compile(rb'\b(href|src)="([\w./-]+)"')
"""An address in the page."""

_HOST = re.compile(r"[A-Za-z0-9.\-]+(:[0-9]+)?|\[[0-9A-Fa-f:.]+\](:[0-9]+)?")


class Console:
    """The console's files by their path below ``/console/``.

    They are read and compressed once, at the start. So no path leads to anything else on this machine. The page names
    its files below a folder that changes with any of them. So browsers request each only once, and a page never mixes
    modules of two releases.

    :param directory: of the files; None, or one without ``index.html``, means that there is no console
    """

    def __init__(self, directory: Path | None) -> None:
        found = {} if directory is None else dict(_read(directory))
        tags = "".join(f"{name} {file.etag}" for name, file in found.items())
        self.release = hashlib.sha256(tags.encode()).hexdigest()[:16]
        """The name of the folder."""
        if INDEX in found:
            found[INDEX] = compressed(document(_with_folder(found[INDEX].body, self.release, found), TYPES[".html"]))
        self.files = found

    def replace(self, other: Console) -> None:
        """Serve the files of another one from now on, unless it has none: the file server may fail now."""
        if other:
            self.files, self.release = other.files, other.release

    def __bool__(self) -> bool:
        """Return whether there is a console."""
        return INDEX in self.files

    def get(self, path: str) -> Document | None:
        """Return a file, or None if it is missing; the empty path is the page."""
        if self.is_of_release(path):
            path = path.partition("/")[2]
            return None if path == INDEX else self.files.get(path)
        return self.files.get(path or INDEX)

    def is_of_release(self, path: str) -> bool:
        """Return whether a path is below the folder of this release: what is there never changes."""
        return path.startswith(f"{self.release}/")


def _with_folder(page: bytes, folder: str, files: Container[str]) -> bytes:
    """Return the page with the addresses of its files below a folder."""

    def address(found: re.Match[bytes]) -> bytes:
        name, path = found[1], found[2]
        return b'%b="%b/%b"' % (name, folder.encode(), path) if path.decode() in files else found[0]

    return _ADDRESS.sub(address, page)


def _read(directory: Path) -> list[tuple[str, Document]]:
    found, size = [], 0
    for path in sorted(directory.rglob("*")):
        kind = TYPES.get(path.suffix)
        if kind is None or not path.is_file():
            continue
        body = path.read_bytes()
        size += len(body)
        if size > MAX_BYTES:
            log.warning("websocket_api serves no console: %s holds more than %d MiB", directory, MAX_BYTES >> 20)
            return []
        found.append((path.relative_to(directory).as_posix(), compressed(document(body, kind))))
    return found


class ConsoleHandler(DocumentHandler):
    """The console's files, for every client that may connect: the page holds no secrets."""

    def initialize(self, clients: Connections, console: Console) -> None:  # type: ignore[override]
        """Keep the files."""
        super().initialize(clients)
        self.console = console

    def get(self, path: str | None) -> None:
        """Answer with one file."""
        if path is None:
            self.redirect(WHERE)
            return
        file = self.console.get(path)
        if file is None:
            missing = "there is no such file in the console" if self.console else "there is no console on this master"
            raise ApiError("not_found", missing)
        self.set_header("Content-Security-Policy", POLICY.format(own=self._own_addresses()))
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Referrer-Policy", "no-referrer")
        self.set_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send(file, FOREVER if self.console.is_of_release(path) else "no-cache")

    head = get

    def _own_addresses(self) -> str:
        """Return the sources that the page may connect to.

        In CSP 2 'self' is http only, and browsers that follow it need the websocket named. ``Host`` comes from the
        client, and must not become a directive of its own.
        """
        host = self.request.host
        return f"'self' ws://{host} wss://{host}" if _HOST.fullmatch(host) else "'self'"
