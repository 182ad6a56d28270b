"""Tells whether files are the schemas of this engine's release.

``make docs`` writes the SHA-256 digest of each file in ``schemas/`` to ``manifest.py``. So changed schemas are noticed
even if their ``VERSION`` stays the same.
"""

from __future__ import annotations

import hashlib
import pathlib

from .manifest import FILES

MAX_NAMES = 5
"""Maximum number of file names in a message."""


def digest(content: bytes) -> str:
    """Return the digest of a file, as ``manifest.py`` has it."""
    return hashlib.sha256(content).hexdigest()


def changed(directory: pathlib.Path) -> list[str]:
    """Return the files of the release that a directory lacks, or has with other content. Other files do not matter."""
    return [name for name, expected in FILES.items() if _digest_of(directory / name) != expected]


def describe(directory: pathlib.Path, version: str) -> str:
    """Return a phrase that says which release a directory holds, such as ``is release 2.0.0, the engine 1.9.0``.

    :param directory: a directory that is not of this release
    :param version: the engine's version
    """
    try:
        there = (directory / "VERSION").read_text(encoding="utf-8", errors="replace").strip()[:64]
    except OSError:
        there = version
    if there != version:
        return f"is release {there}, the engine {version}"
    names = changed(directory)
    more = ", ..." if len(names) > MAX_NAMES else ""
    return f"is not release {version} of the engine: {', '.join(names[:MAX_NAMES])}{more} changed or missing"


def _digest_of(path: pathlib.Path) -> str | None:
    try:
        return digest(path.read_bytes())
    except OSError:
        return None
