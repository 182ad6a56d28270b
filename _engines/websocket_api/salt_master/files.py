"""Directories from the master's own file server."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import salt.fileclient

#: Where copies go, below the master's ``cachedir``: a tree of our own, so that what was deleted at the source can be
#: deleted here without touching what others cached.
CACHE = "websocket_api"
_SCHEME = "salt://"


def fetch(opts: dict[str, Any], source: str, saltenv: str) -> Path | None:
    """The directory ``source`` on this machine, or None when nothing is there yet. Blocks; for start-up.

    :param source: ``salt://path``, copied from the file server, or a local directory, used as it is
    :param saltenv: the environment that ``salt://`` is looked up in

    A gitfs remote that was not fetched yet gives an empty list and no error: call again later.
    """
    if not source.startswith(_SCHEME):
        local = Path(source)
        return local if local.is_dir() and any(local.iterdir()) else None
    path = source[len(_SCHEME) :].strip("/")
    with salt.fileclient.FSClient(opts) as client:
        copied = [Path(name) for name in client.cache_dir(_SCHEME + path, saltenv, cachedir=CACHE) if name]
    target = Path(opts["cachedir"], CACHE, "files", saltenv, path)
    if not copied or not target.is_dir():
        return None
    _remove_stale(target, set(copied))
    return target


def _remove_stale(target: Path, wanted: set[Path]) -> None:
    # A schema that was renamed at the source would otherwise stay here for ever and count as an operation.
    kept = {os.path.realpath(name) for name in wanted}
    for name in target.rglob("*"):
        if name.is_file() and os.path.realpath(name) not in kept:
            name.unlink(missing_ok=True)
