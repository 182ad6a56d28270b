"""Say what is wrong with options before a master is restarted with them.

The formula asks this of the files that it is about to install, with Salt's own Python::

    PYTHONPATH=_engines python -m websocket_api.check schemas < options.json

It prints the faults as JSON, such as ``[{"path": "/port", "message": "must be an integer"}]``, and ends with 0.
"""

from __future__ import annotations

import json
import pathlib
import sys
from typing import IO, Any

from . import __version__
from .contract.schemas import Schemas
from .errors import CannotRun
from .settings import Fault, Settings


def faults(options: Any, directory: pathlib.Path) -> list[Fault]:
    """Return all that would keep an engine with these options from starting, as far as files can tell.

    :param options: the engine's own options
    :param directory: where the schemas are
    """
    if not isinstance(options, dict):
        return [{"path": "", "message": "must be a mapping of options"}]
    try:
        schemas = Schemas(directory)
        schemas.check_version(__version__)
    except CannotRun as fault:
        return [{"path": "", "message": str(fault)}]
    return Settings.faults(options, schemas)


def main(arguments: list[str], given: IO[str]) -> int:
    """Read options as JSON from ``given``; ``arguments`` is the one directory of the schemas."""
    json.dump(faults(json.load(given), pathlib.Path(arguments[0])), sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], sys.stdin))
