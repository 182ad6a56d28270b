"""Which file system has a path, by the table of mounts."""

from __future__ import annotations

from pathlib import Path

import pytest
from websocket_api.salt_master.file_systems import network_type

MOUNTS = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
23 22 0:5 / /proc rw - proc proc rw
30 22 0:40 / /srv/share rw,relatime shared:9 - nfs4 server:/share rw,vers=4.2
31 30 8:2 / /srv/share/local rw - xfs /dev/sdb1 rw
32 22 0:41 / /srv/with\\040space rw - fuse.sshfs host: rw
33 22 8:3 / /srv/covered rw - ext4 /dev/sdc1 rw
34 33 0:42 / /srv/covered rw - cifs //host/share rw
35 22 0:43 / /mnt rw - overlay overlay rw
a line of another form
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/cache/salt", None),
        ("/srv/share", "nfs4"),
        ("/srv/share/salt/not/there", "nfs4"),
        ("/srv/shared", None),
        ("/srv/share/local/salt", None),
        ("/srv/with space/x", "fuse.sshfs"),
        ("/srv/covered/x", "cifs"),
        ("/mnt/x", None),
    ],
)
def test_the_innermost_mount_counts(tmp_path: Path, path: str, kind: str | None) -> None:
    """The last one at a place covers others; names may have spaces."""
    table = tmp_path / "mountinfo"
    table.write_text(MOUNTS, encoding="utf-8")
    assert network_type(path, str(table)) == kind


def test_a_local_folder_of_this_machine_is_local(tmp_path: Path) -> None:
    """By the real table; without one nothing is known, and nothing refused."""
    assert network_type(tmp_path) is None
    assert network_type("/srv/share", str(tmp_path / "gone")) is None
