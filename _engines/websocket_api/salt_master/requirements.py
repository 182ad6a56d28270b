"""Check the Salt line and the packages without which the engine cannot run."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import sys
from pathlib import Path
from typing import Any

from ..errors import CannotRun
from .salt_compat import SALT_LINE

OLDEST_SALT = 3007
TORNADO_MAJOR = 6
JSONSCHEMA_MAJOR = 4


def check(opts: dict[str, Any]) -> None:
    """Check that the engine can run here.

    Tornado is looked up but not imported, because this part of the engine must load where tornado is missing.

    :raises CannotRun: naming the first cause and its fix
    """
    del opts
    if SALT_LINE < OLDEST_SALT:
        # Salt 3006 puts its own tornado 4.5 in tornado's place; under asyncio that never accepts a connection.
        needed = f"the websocket_api engine needs Salt {OLDEST_SALT} or newer; upgrade Salt"
        raise CannotRun(f"this master is Salt {SALT_LINE}, but {needed}")
    _need("tornado", TORNADO_MAJOR)
    _need("jsonschema", JSONSCHEMA_MAJOR)


def install_command(requirement: str) -> str:
    """Return the command that installs a package where this master's Python finds it.

    Salt's hardened packages give each daemon a folder of its own; without ``SALT_EXTRAS_DIR`` salt-pip takes another.
    """
    root = getattr(sys, "RELENV", None)
    if root is None:
        return f"{sys.executable} -m pip install '{requirement}'"
    own = Path(root, "extras-{}.{}".format(*sys.version_info))
    folder = os.environ.get("SALT_EXTRAS_DIR") or next(
        (name for name in sys.path if Path(name).name == own.name and Path(name) != own), None
    )
    salt_pip = f"salt-pip install '{requirement}'"
    return f"SALT_EXTRAS_DIR={folder} {salt_pip}" if folder else salt_pip


def _need(package: str, major: int) -> None:
    fix = f"install it where Salt runs ({install_command(f'{package}>={major}')})"
    try:
        version = importlib.metadata.version(package) if importlib.util.find_spec(package) else None
    except (importlib.metadata.PackageNotFoundError, ValueError):
        version = None
    if version is None:
        raise CannotRun(f"the Python package {package} is missing; {fix}")
    try:
        found = int(version.split(".")[0])
    except ValueError:
        return
    if found < major:
        raise CannotRun(f"the Python package {package} is {version}, but {major} or newer is needed; {fix}")
