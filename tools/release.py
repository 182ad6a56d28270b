"""Write a release to dist/ or another folder: tools/release.py [FOLDER]

* websocket_api-VERSION.tar.gz: what a master's file server needs, without tests, tools and documents
* saltext_websocket_api-VERSION.tar.gz and .whl: the Python package saltext-websocket-api

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
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
for path in ("_engines", "tools"):
    if str(ROOT / path) not in sys.path:
        sys.path.insert(0, str(ROOT / path))

import release_wheel  # noqa: E402
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
    names, when = _files(root, *CONTENT), _moment(root)
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


def package(root: pathlib.Path, folder: pathlib.Path) -> None:
    """Write the source distribution and the wheel of saltext-websocket-api into a folder."""
    check(root)
    with tempfile.TemporaryDirectory() as staged:
        stage(root, pathlib.Path(staged))
        release_wheel.build(pathlib.Path(staged), folder, _moment(root))


def stage(root: pathlib.Path, folder: pathlib.Path) -> None:
    """Copy the sources of saltext-websocket-api to a folder."""
    release_wheel.stage(root, _files(root, *CONTENT, release_wheel.TEMPLATE), folder)


def _files(root: pathlib.Path, *content: str) -> list[str]:
    """Return the files below folders of a checkout that git knows."""
    listed = _git(root, "ls-files", "-z", "--", *content).split("\0")
    return sorted(name for name in listed if name and (root / name).is_file())


def _moment(root: pathlib.Path) -> int:
    """Return the time of a release in seconds since 1970: that of the commit."""
    return int(os.environ.get("SOURCE_DATE_EPOCH") or _git(root, "log", "-1", "--format=%ct"))


def _git(root: pathlib.Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True, text=True).stdout.strip()


def main() -> int:
    """Write the release of this checkout."""
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "dist"
    try:
        archive(ROOT, folder)
        package(ROOT, folder)
        print("\n".join(f"wrote {path}" for path in sorted(folder.glob(f"*websocket_api-{__version__}*"))))
    except ReleaseError as error:
        print(f"release: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
