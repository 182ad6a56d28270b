"""The identity of this master among those that share a store of batches."""

from __future__ import annotations

import contextlib
import hashlib
import os
import uuid

FILE = "websocket_api_identity"
"""In the master's cache directory."""


def identity(cachedir: str, master: str) -> str:
    """Return this master's identity, which lasts as long as its cache directory.

    The id alone is not enough, because two masters with a common Redis may have the same one. The directory alone is
    not enough, because the masters of a cluster may share it; their ids differ. The host's name tells nothing: two
    masters may run on one host, and containers on two hosts may have one name.

    :param master: the master's ``id``
    :raises OSError: the cache directory cannot be read or written
    """
    return hashlib.sha256(f"{_of_directory(cachedir)} {master}".encode()).hexdigest()[:24]


def _of_directory(cachedir: str) -> str:
    path = os.path.join(cachedir, FILE)
    if not os.path.exists(path):
        # Written elsewhere and linked: of two masters that start at once, one creates the file, and both read it.
        own = f"{path}.{uuid.uuid4().hex}"
        try:
            with open(own, "x", encoding="ascii") as file:
                file.write(uuid.uuid4().hex)
            try:
                os.link(own, path)
            except FileExistsError:
                pass
            except OSError:  # a file system without hard links: of two that start at once, the last one counts
                os.replace(own, path)
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(own)
    with open(path, encoding="ascii") as file:
        return file.read().strip()
