"""From ``start()`` to a running server: checks what the engine needs, and repeats the checks while they fail.

Salt starts an engine that returns again after 10 s, silently and for ever. So this one never returns because of a
failed check. It logs the cause and the remedy once, at CRITICAL, and tries again.
"""

from __future__ import annotations

import importlib
import logging
import os
import time
from typing import Any

from .errors import CannotRun
from .salt_master import requirements

log = logging.getLogger(__name__)

RETRY_SECONDS = 30  # between two attempts


def run(options: dict[str, Any], opts: Any, version: str) -> None:
    """Run the server as soon as all checks pass; return when the master stops it.

    :param options: the engine's own options
    :param opts: the master's configuration
    :param version: the engine's version, which must equal that of the schemas
    """
    logged, parent = "", os.getppid()
    while True:
        try:
            requirements.check(opts)
            # Imported only now: without jsonschema, or on Salt 3006, the import itself fails. The caches are dropped
            # so that a package installed in the meantime is found.
            importlib.invalidate_caches()
            server = importlib.import_module(".server", __package__)
            server.serve(options, opts, version)
            return
        except CannotRun as error:
            if str(error) != logged:
                logged = str(error)
                log.critical("websocket_api cannot run: %s (next attempt in %d s)", logged, RETRY_SECONDS)
        if not _wait(RETRY_SECONDS, parent):
            return


def _wait(seconds: float, parent: int) -> bool:
    """Wait; return False if the master is gone.

    An engine that outlives its master would keep the port from the next one.
    """
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(left, 1.0))
        if os.getppid() != parent:
            return False
    return True
