"""Check the Salt line and the packages without which the engine cannot run."""

from __future__ import annotations

import importlib.metadata
import importlib.util
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


def _need(package: str, major: int) -> None:
    fix = f"install it where Salt runs (salt-pip install '{package}>={major}') and restart the master"
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
