"""From ``start()`` to a running server: what forbids running is said once and watched, never returned from.

Salt starts an engine that returns again every 10 s, for ever and in silence; so this one stays, says at
CRITICAL what is wrong and how to mend it, and looks again.
"""

from __future__ import annotations

import importlib
import logging
import os
import time
from typing import Any

from .errors import CannotRun
from .salt_master import requirements as ground

log = logging.getLogger(__name__)

RETRY_SECONDS = 30  # how soon a mended cause is noticed


def run(options: dict[str, Any], opts: Any, version: str) -> None:
    """Run the server, now or as soon as what forbids it is gone; return when the master stops it.

    :param options: the engine's own options
    :param opts: the master's configuration
    :param version: the engine's version, which the schemas must share
    """
    said, parent = "", os.getppid()
    while True:
        try:
            ground.check(opts)
            # Not at module level: on ground that cannot carry it (no jsonschema, Salt 3006's hidden tornado)
            # the import itself fails, and what is installed meanwhile must be found.
            importlib.invalidate_caches()
            server = importlib.import_module(".server", __package__)
            server.serve(options, opts, version)
            return
        except CannotRun as fault:
            if str(fault) != said:
                said = str(fault)
                log.critical("websocket_api cannot run: %s (looking again every %d s)", said, RETRY_SECONDS)
        if not _stay(RETRY_SECONDS, parent):
            return


def _stay(seconds: float, parent: int) -> bool:
    """Wait; return False when the master is gone, for an engine that outlived it would take the port of the next."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(left, 1.0))
        if os.getppid() != parent:
            return False
    return True
