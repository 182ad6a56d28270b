"""Builds the Python package saltext-websocket-api from the files that the file server serves.

`stage` lays out the sources as packaging/saltext/pyproject.toml expects them; `build` makes a source distribution of
them, and the wheel from that.
"""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import sys
from collections.abc import Iterable

TEMPLATE = "packaging/saltext"
PACKAGE = "src/saltext/websocket_api"
ENGINE = f"{PACKAGE}/engines/websocket_api"
LAYOUT = {
    f"{TEMPLATE}/": "",
    "LICENSE": "LICENSE",
    "_engines/websocket_api/": f"{ENGINE}/",
    # Where the engine looks for its own copies if the file server has none.
    "websocket_api/schemas/": f"{ENGINE}/schemas/",
    "websocket_api/console/": f"{ENGINE}/console/",
    "_modules/websocket_api.py": f"{PACKAGE}/modules/websocket_api.py",
    "_runners/websocket_api.py": f"{PACKAGE}/runners/websocket_api.py",
}
"""Where each folder or file of a checkout goes; the formula and what only it uses stay out."""


def stage(root: pathlib.Path, names: Iterable[str], folder: pathlib.Path) -> None:
    """Copy the sources of the package from a checkout to a folder.

    :param root: the checkout
    :param names: the files in it that git knows; others are left out
    """
    for name in names:
        source = next((one for one in LAYOUT if name == one or (one.endswith("/") and name.startswith(one))), None)
        if source is not None:
            target = folder / (LAYOUT[source] + name.removeprefix(source))
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(root / name, target)


def build(staged: pathlib.Path, target: pathlib.Path, when: int) -> None:
    """Write a source distribution and a wheel, and check that package registries accept them.

    This needs the packages of requirements/release.txt. The build itself fetches nothing.

    :param staged: a folder that `stage` filled
    :param target: the folder for both
    :param when: seconds since 1970, the time of every file in them
    """
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(when)}
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(target), str(staged)]
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    made = sorted(str(path) for path in target.glob("saltext_websocket_api-*"))
    subprocess.run([sys.executable, "-m", "twine", "check", "--strict", *made], check=True)
