"""Write dist/websocket_api-VERSION.tar.gz: what a master's file server needs, without tests, tools and documents.

Two runs on the same commit write the same bytes. The file with the ending .sha256 is for `sha256sum --check`.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import pathlib
import re
import subprocess
import sys
import tarfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
if str(ROOT / "_engines") not in sys.path:
    sys.path.insert(0, str(ROOT / "_engines"))

from websocket_api import __version__  # noqa: E402
from websocket_api.contract import digest  # noqa: E402

SERVED = ("_engines", "_modules", "_runners", "_states", "websocket_api")
CONTENT = (*SERVED, "FORMULA", "LICENSE", "CHANGELOG.md", "pillar.example")
"""What is in the archive. A minion can read all of it from the file server."""


class ReleaseError(Exception):
    """The checkout is no release; the message says why."""


def check(root: pathlib.Path) -> None:
    """Check that a checkout is one release.

    :raises ReleaseError: versions differ, or schemas are not those of the engine
    """
    formula = (root / "FORMULA").read_text(encoding="utf-8")
    versions = {
        "the engine": __version__,
        "schemas/VERSION": (root / "schemas" / "VERSION").read_text(encoding="utf-8").strip(),
        "FORMULA": "".join(re.findall(r"^version: (.+)$", formula, re.MULTILINE)),
    }
    if len(set(versions.values())) != 1:
        raise ReleaseError(f"the versions differ: {versions}; set them to one")
    if digest.changed(root / "schemas"):
        raise ReleaseError(f"the folder schemas {digest.describe(root / 'schemas', __version__)}: run make docs")


def archive(root: pathlib.Path, folder: pathlib.Path) -> pathlib.Path:
    """Write the archive into a folder and return its path.

    :param root: a checkout; files that git does not know are left out
    """
    check(root)
    listed = _git(root, "ls-files", "-z", "--", *CONTENT).split("\0")
    names = sorted(name for name in listed if name and (root / name).is_file())
    when = int(os.environ.get("SOURCE_DATE_EPOCH") or _git(root, "log", "-1", "--format=%ct"))
    top = f"websocket_api-{__version__}"
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name in names:
            body = (root / name).read_bytes()
            entry = tarfile.TarInfo(f"{top}/{name}")
            entry.size, entry.mtime, entry.mode = len(body), when, 0o644
            tar.addfile(entry, io.BytesIO(body))
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{top}.tar.gz"
    target.write_bytes(gzip.compress(content.getvalue(), mtime=when))
    sums = f"{hashlib.sha256(target.read_bytes()).hexdigest()}  {target.name}\n"
    target.with_name(f"{target.name}.sha256").write_text(sums, encoding="ascii")
    return target


def _git(root: pathlib.Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True, text=True).stdout.strip()


def main() -> int:
    """Write the archive of this checkout."""
    try:
        print(f"wrote {archive(ROOT, ROOT / 'dist').relative_to(ROOT)}")
    except ReleaseError as error:
        print(f"release: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
