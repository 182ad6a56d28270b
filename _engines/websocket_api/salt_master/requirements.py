"""What the engine stands on: the Salt line and the packages without which it cannot run."""

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
    """Nothing when the engine can run here.

    Tornado is looked for, not imported: this part of the engine must load where it is missing.

    :raises CannotRun: naming the first cause and its mend
    """
    del opts
    if SALT_LINE < OLDEST_SALT:
        # Salt 3006 puts its own tornado 4.5 in tornado's place; under asyncio that never accepts a connection.
        raise CannotRun(f"This master is Salt {SALT_LINE}; the websocket_api engine needs Salt {OLDEST_SALT} or newer.")
    _need("tornado", TORNADO_MAJOR)
    _need("jsonschema", JSONSCHEMA_MAJOR)


def _need(package: str, major: int) -> None:
    mend = f"install it where Salt runs (salt-pip install '{package}>={major}') and restart the master"
    try:
        version = importlib.metadata.version(package) if importlib.util.find_spec(package) else None
    except (importlib.metadata.PackageNotFoundError, ValueError):
        version = None
    if version is None:
        raise CannotRun(f"The Python package {package} is missing: {mend}.")
    try:
        found = int(version.split(".")[0])
    except ValueError:
        return
    if found < major:
        raise CannotRun(f"The Python package {package} is {version}, {major} or newer is needed: {mend}.")
