"""From ``start()`` to a running server: checks what the engine needs, and repeats the checks while they fail.

A serving process never ends because of a failed check. It logs the cause and the remedy once, at CRITICAL, and tries
again. If its files are synced meanwhile, it ends, and the supervisor starts another one with the new files.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import importlib.metadata
import logging
import os
import re
import time
from pathlib import Path
from typing import Any

from .errors import CannotRun, NeedsRestart
from .salt_master import configuration, log_handlers, requirements
from .supervisor.serving import Serving

log = logging.getLogger(__name__)

RETRY_SECONDS = 30  # between two attempts
QUIET_SECONDS = 1.0  # without a change until a sync counts as complete
DISTRIBUTION = "saltext-websocket-api"
"""The name under which pip installs the engine."""
_PACKAGE = Path(__file__).parent


def run(options: dict[str, Any], opts: Any, serving: Serving) -> None:
    """Run the server as soon as all checks pass; return when the supervisor stops it.

    :param options: the engine's own options
    :param opts: the master's configuration
    :param serving: the connection to the supervisor
    """
    gc.freeze()  # what Salt has loaded: collections would take time, and copy pages shared with the master
    log_handlers.renew()
    # A supervisor of an earlier release has no options of a reload.
    renewed = getattr(serving, "options", None)
    options = options if renewed is None else renewed
    logged, parent, loaded, version = "", os.getppid(), _files(), _version()
    _log_place(version)
    if serving.last is not None:
        _replace(options, opts, serving, version)
        return
    while True:
        try:
            requirements.check(opts)
            # Imported only now: without jsonschema, or on Salt 3006, the import itself fails. The caches are dropped
            # so that a package installed in the meantime is found.
            importlib.invalidate_caches()
            server = importlib.import_module(".server", __package__)
            server.serve(options, opts, version, serving)
            return
        except CannotRun as error:
            serving.waits()
            if str(error) != logged:
                logged = str(error)
                log.critical("websocket_api cannot run: %s (next attempt in %d s)", logged, RETRY_SECONDS)
        if not _wait(RETRY_SECONDS, parent):
            return
        if _files() not in (loaded, {}):
            log.info("websocket_api has new files: it starts again with them")
            _wait_for_the_last_file(parent)
            return


def _replace(options: dict[str, Any], opts: Any, serving: Serving, version: str) -> None:
    """Replace the process that serves. It stays if this one fails: nothing is tried again."""
    try:
        options, serving.changed = configuration.read_options(opts, options)
        serving.options = options
        importlib.invalidate_caches()
        requirements.check(opts)
        importlib.import_module(".server", __package__).serve(options, opts, version, serving)
    except CannotRun as error:
        log.error("the reload of websocket_api fails: %s", error)
        # A supervisor of an earlier release has no such argument.
        needs_restart = {"restart": True} if isinstance(error, NeedsRestart) and hasattr(serving, "hands_over") else {}
        serving.fails(str(error), **needs_restart)
    except Exception as error:
        serving.fails(f"{type(error).__name__}: {error}")
        raise


def _version() -> str:
    """Return the release on disk. The package in memory may be older: it is the supervisor's."""
    found = re.search(r'^__version__ = "(.+)"$', (_PACKAGE / "__init__.py").read_text(encoding="utf-8"), re.MULTILINE)
    return found[1] if found else "unknown"


def _log_place(version: str) -> None:
    """Log which files run: Salt's loader takes synced ones before those of a Python package."""
    log.info("websocket_api %s is loaded from %s", version, _PACKAGE)
    try:
        installed = importlib.metadata.version(DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError:
        return
    if _PACKAGE.parts[-4:-1] != ("saltext", "websocket_api", "engines"):
        log.warning(
            "the installed package %s %s does not run, but websocket_api %s from %s: uninstall the package, "
            "or delete that folder and restart",
            DISTRIBUTION,
            installed,
            version,
            _PACKAGE,
        )


def _wait(seconds: float, parent: int) -> bool:
    """Wait; return False if the supervisor is gone.

    An engine that outlives it would keep the port from the next one.
    """
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(left, 1.0))
        if os.getppid() != parent:
            return False
    return True


def _files() -> dict[Path, tuple[int, int]]:
    """Return time and size of each module on disk, to see whether `saltutil.sync_engines` has changed it."""
    found = {}
    for path in _PACKAGE.rglob("*.py"):
        with contextlib.suppress(OSError):
            status = path.stat()
            found[path] = (status.st_mtime_ns, status.st_size)
    return found


def _wait_for_the_last_file(parent: int) -> None:
    """Wait until a sync has written all files, so that the next start does not mix two releases."""
    seen: dict[Path, tuple[int, int]] = {}
    while (now := _files()) != seen and _wait(QUIET_SECONDS, parent):
        seen = now
