"""Whether the master can write to the disk of its caches, where tokens, jobs, batches and the journal are."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
from collections.abc import Mapping
from typing import Any

from .pool import Pool

log = logging.getLogger(__name__)

LOW_BYTES = 64 << 20
"""Free space below which the disk counts as full soon: a few minutes of job returns of a busy master."""
PROBE = bytes(64 << 10)
"""Written and removed at each check: quotas, read-only mounts and missing inodes show only when one writes."""
PROBE_FILE = ".websocket_api_probe"
ANSWER_SECONDS = 5.0
"""Time for a check; a network file system whose server is gone answers never."""
FAULTS = {
    errno.ENOSPC: "the disk of the master's caches is full",
    errno.EDQUOT: "the disk quota of the master's user is used up",
    errno.EROFS: "the disk of the master's caches is read-only",
}
"""What a failed write means. Everybody can read it, so it names no path."""


class Disk:
    """Checks the file system of the master's ``cachedir``.

    :param opts: the master's configuration
    """

    def __init__(self, opts: Mapping[str, Any], pool: Pool) -> None:
        self._folder = str(opts["cachedir"])
        self._pool = pool
        self._checking: asyncio.Future[str | None] | None = None

    async def fault(self) -> str | None:
        """Return what is wrong with the disk, or None.

        A check that hangs is not started again until it ends.
        """
        if self._checking is None or self._checking.done():
            self._checking = asyncio.ensure_future(self._pool.run(find_fault, self._folder))
        done, _ = await asyncio.wait({self._checking}, timeout=ANSWER_SECONDS)
        return self._checking.result() if done else "the disk of the master's caches does not answer"


def find_fault(folder: str) -> str | None:
    """Return what keeps the master from writing into a folder, or None."""
    try:
        _probe(folder)
        found = os.statvfs(folder)
    except OSError as error:
        log.debug("the check of the disk of %s: %s", folder, error)
        return FAULTS.get(error.errno or 0, "the master cannot write into its cache directory")
    free = found.f_frsize * (found.f_bfree if os.geteuid() == 0 else found.f_bavail)
    return f"the disk of the master's caches has less than {LOW_BYTES >> 20} MiB free" if free < LOW_BYTES else None


def _probe(folder: str) -> None:
    """Write a small file, and remove it. Its name is fixed, so that a killed engine leaves one file at most."""
    path = os.path.join(folder, PROBE_FILE)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    try:
        with open(handle, "wb") as file:  # closing it reports errors that a network file system delays
            file.write(PROBE)
    finally:
        with contextlib.suppress(FileNotFoundError):  # of another master that shares the directory
            os.unlink(path)
