"""Checks options before a master is restarted with them.

The formula runs this from the files that it is about to install, with Salt's own Python::

    PYTHONPATH=_engines python -m websocket_api.check_options schemas < options.json

It prints the faults as JSON, such as ``[{"path": "/port", "message": "must be an integer"}]``, and exits with 0.
"""

from __future__ import annotations

import json
import pathlib
import sys
from typing import IO, Any

from . import __version__
from .contract import digest
from .contract.schemas import Schemas
from .errors import CannotRun
from .settings import Fault, Settings


def faults(options: Any, directory: pathlib.Path) -> list[Fault]:
    """Return all faults that would keep the engine from starting, as far as files can show.

    :param options: the engine's own options
    :param directory: the directory of the schemas
    """
    if not isinstance(options, dict):
        return [{"path": "", "message": "must be a mapping of options"}]
    if digest.changed(directory):
        found = digest.describe(directory, __version__)
        return [{"path": "", "message": f"cannot be checked: the folder schemas {found}; serve one whole release"}]
    try:
        schemas = Schemas(directory)
    except CannotRun as error:
        return [{"path": "", "message": str(error)}]
    return Settings.faults(options, schemas)


def main(arguments: list[str], source: IO[str]) -> int:
    """Check the options on standard input and print the faults.

    :param arguments: the directory of the schemas
    :param source: the options as JSON
    """
    json.dump(faults(json.load(source), pathlib.Path(arguments[0])), sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], sys.stdin))
