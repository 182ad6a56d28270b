"""TLS 1.2 or newer, with certificates that may be renewed while the engine runs."""

from __future__ import annotations

import logging
import os
import ssl

from ..errors import CannotRun

log = logging.getLogger(__name__)


class Certificate:
    """A certificate and its key, read again when their files change.

    :param crt: path of the certificate chain, PEM
    :param key: path of the private key, PEM; None where it stands in the same file
    """

    def __init__(self, crt: str, key: str | None) -> None:
        self._files = (crt, key)
        self._read: list[int] = []
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            self._load()
        except (OSError, ssl.SSLError) as error:
            # Not str(error) alone: Python names no file for what OpenSSL could not read.
            raise CannotRun(f"ssl_crt {crt} or ssl_key {key} cannot be used by this user: {error}") from None

    def look_again(self) -> None:
        """Take changed files for all further connections; a broken pair leaves the old one in use."""
        try:
            if self._stamps() != self._read:
                self._load()
                log.info("websocket_api has read its certificate again")
        except (OSError, ssl.SSLError) as error:
            log.error("the changed certificate %s cannot be used, the old one stays: %s", self._files[0], error)
            self._read = self._stamps()

    def _load(self) -> None:
        self._read = self._stamps()
        # A pair that does not fit together must not replace one that does, so it is tried on a context of its own.
        # The empty password keeps OpenSSL from asking a terminal for that of a locked key.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(*self._files, password="")
        self.context.load_cert_chain(*self._files, password="")

    def _stamps(self) -> list[int]:
        return [os.stat(name).st_mtime_ns if name and os.path.exists(name) else 0 for name in self._files]
