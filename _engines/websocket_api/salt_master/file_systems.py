"""Finds network file systems, on which SQLite's write-ahead log and locks are not safe."""

from __future__ import annotations

import os
import re
from pathlib import Path

MOUNTS = "/proc/self/mountinfo"
NETWORK = frozenset(
    (
        *("nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ceph", "glusterfs", "lustre", "gfs2", "ocfs2", "beegfs"),
        *("fuse.sshfs", "fuse.glusterfs", "fuse.ceph", "fuse.s3fs", "fuse.rclone", "fuse.juicefs"),
    )
)
"""Types of file systems that several machines can use at once, as proc(5) names them."""
_ESCAPED = re.compile(r"\\([0-7]{3})")


def network_type(path: str | os.PathLike[str], mounts: str = MOUNTS) -> str | None:
    """Return the type of the network file system that has a path; None for a local one, or if that is unknown.

    :param path: need not exist
    :param mounts: a file in the form of ``/proc/self/mountinfo``
    """
    try:
        lines = Path(mounts).read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:  # other systems than Linux
        return None
    real, best, found = os.path.realpath(path), "", None
    for line in lines:
        before, _, after = line.partition(" - ")
        fields = before.split(" ")
        if len(fields) < 5 or not after:
            continue
        folder = _ESCAPED.sub(lambda match: chr(int(match[1], 8)), fields[4])
        # Of two file systems at the same place the later one is on top.
        if len(folder) >= len(best) and (real + "/").startswith(folder.rstrip("/") + "/"):
            best, found = folder, after.split(" ")[0]
    return found if found in NETWORK else None
