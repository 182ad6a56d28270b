"""TLS 1.2 or newer, with a certificate that is reloaded when it is renewed."""

from __future__ import annotations

import logging
import os
import ssl

from ..errors import CannotRun

log = logging.getLogger(__name__)


class Certificate:
    """A certificate and its key, reloaded when their files change.

    :param crt: path of the certificate chain, PEM
    :param key: path of the private key, PEM; None if it is in the same file
    """

    def __init__(self, crt: str, key: str | None) -> None:
        self._files = (crt, key)
        self._read: list[int] = []
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            self._load()
        except (OSError, ssl.SSLError) as error:
            # With the paths, because Python's error does not name the file that OpenSSL could not read.
            raise CannotRun(f"cannot use ssl_crt {crt} and ssl_key {key} as this user: {error}") from None

    def reload_if_changed(self) -> None:
        """Use changed files for all new connections. Keep the old pair if the new one is unusable."""
        try:
            if self._stamps() != self._read:
                self._load()
                log.info("websocket_api reloaded its certificate")
        except (OSError, ssl.SSLError) as error:
            log.error(
                "cannot use the changed certificate %s: %s; the old one stays in use, replace the files",
                self._files[0],
                error,
            )
            self._read = self._stamps()

    def _load(self) -> None:
        self._read = self._stamps()
        # Try the pair on a separate context, because a mismatched pair must not replace a working one. The empty
        # password keeps OpenSSL from asking for one on a terminal.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(*self._files, password="")
        self.context.load_cert_chain(*self._files, password="")

    def _stamps(self) -> list[int]:
        return [os.stat(name).st_mtime_ns if name and os.path.exists(name) else 0 for name in self._files]
