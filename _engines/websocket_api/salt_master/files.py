"""Copy directories from the master's file server."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

#: The directory of the copies, below the master's ``cachedir``. It is the engine's own, so that files deleted at the
#: source can be deleted here, too.
CACHE = "websocket_api"
_SCHEME = "salt://"


def fetch(opts: dict[str, Any], source: str, saltenv: str) -> Path | None:
    """Return a local copy of the directory ``source``, or None if it is empty or missing. Blocks.

    A gitfs remote that is not fetched yet looks empty and raises nothing, so call again later.

    :param source: ``salt://path`` on the file server, or a local directory, which is not copied
    :param saltenv: the environment of ``salt://``
    """
    if not source.startswith(_SCHEME):
        local = Path(source)
        return local if local.is_dir() and any(local.iterdir()) else None
    path = source[len(_SCHEME) :].strip("/")
    with _client(opts) as client:
        copied = [Path(name) for name in client.cache_dir(_SCHEME + path, saltenv, cachedir=CACHE) if name]
    target = own_folder(opts) / "files" / saltenv / path
    if not copied or not target.is_dir():
        return None
    _remove_stale(target, set(copied))
    return target


def own_folder(opts: dict[str, Any]) -> Path:
    """Return the engine's own folder in the master's cache."""
    return Path(opts["cachedir"], CACHE)


def below_a_folder(opts: dict[str, Any], source: str, saltenv: str) -> str | None:
    """Return the address of a directory that is missing at ``source``, if it is below another folder there. Blocks.

    So it is if a gitfs remote has a ``mountpoint``. Salt then finds no ``_engines`` there, and syncs nothing.
    """
    if not source.startswith(_SCHEME):
        return None
    inner = f"/{source[len(_SCHEME) :].strip('/')}/"
    with _client(opts) as client:
        found = next((name for name in client.file_list(saltenv) if inner in name), None)
    return found and f"{_SCHEME}{found.partition(inner)[0]}{inner.rstrip('/')}"


def _client(opts: dict[str, Any]) -> Any:
    """Return a client of the file server. To make it, Salt updates what the file server has from remotes."""
    import salt.fileclient  # takes as long as a third of all other imports, and is not always needed

    return salt.fileclient.FSClient(opts)


def _remove_stale(target: Path, wanted: set[Path]) -> None:
    # A schema that was renamed at the source would stay here and count as an operation.
    kept = {os.path.realpath(name) for name in wanted}
    for name in target.rglob("*"):
        if name.is_file() and os.path.realpath(name) not in kept:
            name.unlink(missing_ok=True)
