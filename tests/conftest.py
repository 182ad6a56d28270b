"""What every test needs: an import system that pytest and Salt can share, and ports that stay free."""

from __future__ import annotations

import contextlib
import importlib.util
from typing import Any

from tests.ports import free_port

with contextlib.suppress(ImportError):
    from pytestshellutils.utils import ports

    # pytest-salt-factories takes its daemons' ports from here.
    ports.get_unused_localhost_port = free_port

with contextlib.suppress(ImportError):
    import salt
    import salt._logging

    def find_spec(self: Any, name: str, path: Any = None, target: Any = None) -> Any:
        """Do what Python before 3.12 does with a finder that only has ``find_module``."""
        return importlib.util.spec_from_loader(name, self) if self.find_module(name, path) else None

    # Salt puts an importer of the old kind on sys.meta_path. Python passes over it, but pytest's importlib mode asks
    # each importer itself and fails on the missing method, for every test file that it reads after salt is imported.
    if not hasattr(salt.NaclImporter, "find_spec"):
        salt.NaclImporter.find_spec = find_spec

    # Salt keeps what is logged before its logging is set up, and prints it at exit. Here pytest does the logging.
    salt._logging.shutdown_temp_handler()
