"""Finds the schemas and the console of this engine's release.

They are one release with the engine, but come from the master's file server, which may be ahead of the engine: a pulled
clone, a moved tag. So each start at which they fit leaves a copy in the master's cache, and the next start uses this
copy if the file server has another release. An engine that pip installed has both in its own folder.

A process that replaces a killed one takes the copy at once, and looks at the file server once it serves: that takes
longer than the rest of its start, and with gitfs it waits for the remotes.
"""

from __future__ import annotations

import filecmp
import logging
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .contract import digest, manifest
from .contract.schemas import Schemas
from .errors import CannotRun
from .protocols.http.console import Console
from .salt_master import files
from .settings import Settings

log = logging.getLogger(__name__)

FILES_SECONDS = 45.0  # to wait for the schemas: at the start a gitfs remote may take 20 s (measured)
POLL_SECONDS = 1.0  # between two looks at the file server
OLD_SCHEMAS = "salt://schemas"  # where releases before 0.2 have the schemas
SYNC = "run salt-run saltutil.sync_engines"
UPGRADE = "upgrade the engine by pip, or the files there"
_PACKAGE = Path(__file__).parent


@dataclass(frozen=True)
class Release:
    """The schemas that fit this engine, and what is known of their console."""

    schemas: Schemas
    """Checked and ready."""
    directory: Path
    """Where a console of the same release may be, in the folder ``console``."""
    fits: bool
    """Whether the file server has this release."""


def find(options: dict[str, Any], opts: Any, version: str) -> Release:
    """Return this engine's release; wait while the file server is still empty and there is no copy.

    :param options: the engine's own options
    :param opts: the master's configuration
    :param version: the engine's version
    :raises CannotRun: no place has this release
    """
    source, saltenv = options.get("schemas", Settings.schemas), options.get("saltenv", Settings.saltenv)
    if not isinstance(source, str) or not isinstance(saltenv, str):
        raise CannotRun("the options schemas and saltenv must be strings")
    kept = files.own_folder(opts) / "release"
    deadline = time.monotonic() + FILES_SECONDS
    while True:
        place, served = _served(opts, source, saltenv)
        if served and not digest.changed(served):
            return Release(Schemas(_keep(served, kept)), kept, fits=True)
        copy = next((one for one in (_PACKAGE, kept) if not digest.changed(one / "schemas")), None)
        if copy:
            _log_copy(copy, f"{place} {digest.describe(served, version)}" if served else f"nothing is at {place}")
            return Release(Schemas(copy / "schemas"), copy, fits=False)
        if served:
            raise CannotRun(f"{place} {digest.describe(served, version)}: {SYNC}; the engine then starts by itself")
        if time.monotonic() > deadline:
            raise CannotRun(_nothing(opts, source, saltenv))
        log.info("websocket_api waits for %s", source)
        time.sleep(POLL_SECONDS)


def find_copy(options: dict[str, Any], opts: Any) -> Release | None:
    """Return this engine's release from the copy that the last start left, or from the engine's own folder.

    :param options: the engine's own options
    :param opts: the master's configuration
    :return: None if there is neither, or if the operator chose the console
    """
    if options.get("console", Settings.console) != Settings.console:
        return None
    for place in (files.own_folder(opts) / "release", _PACKAGE):
        if (place / "console").is_dir() and not digest.changed(place / "schemas"):
            return Release(Schemas(place / "schemas"), place, fits=False)
    return None


def console(release: Release, settings: Settings, opts: Any) -> Console:
    """Return the web console, or an empty one: the engine also runs without it.

    This does not wait. The console comes from the same file server as the schemas, which are there already.
    """
    try:
        # Only the default address follows the release; another one is the operator's own choice.
        if not release.fits and settings.console == Settings.console and (release.directory / "console").is_dir():
            return Console(release.directory / "console")
        served = files.fetch(opts, settings.console, settings.saltenv)
        found = Console(served)
    except OSError as error:
        log.warning("websocket_api serves no console: cannot read %s: %s", settings.console, error.strerror)
        return Console(None)
    if not found:
        log.warning("websocket_api serves no console: nothing at %s (saltenv %s)", settings.console, settings.saltenv)
    elif release.fits and served and settings.console == Settings.console:
        _replace(served, release.directory / "console")
    return found


def _served(opts: Any, source: str, saltenv: str) -> tuple[str, Path | None]:
    """Return where the schemas are looked for, and a directory with them, or None if nothing is there."""
    for place in (source, OLD_SCHEMAS) if source == Settings.schemas else (source,):
        if found := files.fetch(opts, place, saltenv):
            return place, found
    return source, None


def _log_copy(copy: Path, cause: str) -> None:
    if cause.startswith("nothing"):
        # The engine came by pip, or a gitfs remote is not fetched yet after a reboot; the copy has the same content.
        log.info("websocket_api takes the schemas from %s: %s", copy, cause)
    else:
        fix = UPGRADE if copy == _PACKAGE else SYNC
        log.warning(
            "%s; the schemas of the engine's release are taken from %s: %s, then salt-run websocket_api.reload",
            cause,
            copy,
            fix,
        )


def _nothing(opts: Any, source: str, saltenv: str) -> str:
    elsewhere = files.below_a_folder(opts, source, saltenv)
    if elsewhere:
        return (
            f"no schemas at {source} (saltenv {saltenv}), but at {elsewhere}: Salt syncs nothing from a folder; "
            "remove `mountpoint` from the gitfs remote, or name the repository itself in file_roots"
        )
    return (
        f"no schemas at {source} (saltenv {saltenv}): "
        "add this repository to file_roots or gitfs_remotes, or set the option schemas to their directory"
    )


def _keep(served: Path, kept: Path) -> Path:
    """Copy the release's own files from a directory to the cache and return the copy, or the directory if it fails."""
    target = kept / "schemas"
    if digest.changed(target) and not _replace(served, target, names=list(manifest.FILES)):
        return served
    return target


def _replace(source: Path, target: Path, names: list[str] | None = None) -> bool:
    """Make a directory a copy of another one and return whether it is; the previous content is replaced as a whole."""
    names = names or sorted(path.relative_to(source).as_posix() for path in source.rglob("*") if path.is_file())
    draft = target.with_name(f"{target.name}.draft")
    try:
        there = {path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file()}
        if there == set(names) and not any(filecmp.cmpfiles(source, target, names, shallow=False)[1:]):
            return True
        shutil.rmtree(draft, ignore_errors=True)
        for name in names:
            (draft / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / name, draft / name)
        shutil.rmtree(target, ignore_errors=True)
        draft.rename(target)
    except OSError as error:
        log.warning(
            "cannot keep a copy of the release in %s: %s; free space there",
            target,
            error.strerror,
        )
        return False
    return True
