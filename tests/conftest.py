"""What all tests share: imports that work with pytest and Salt, ports, limits of time, and the order of files."""

from __future__ import annotations

import contextlib
import gc
import importlib.util
import logging
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.ports import free_port
from tests.support.scheduling import scheduler

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell lets what it starts in the background ignore Ctrl-C, and so everything that the tests start.
    signal.signal(signal.SIGINT, signal.default_int_handler)

pytest_plugins = ["tests.support.limits"]

# Its listener runs in a thread of each test process, and logs at any time into what a test reads of its own log.
logging.getLogger("saltfactories").setLevel(logging.WARNING)

HERE = Path(__file__).parent
SLOWEST = (
    *("integration/test_batches_two_masters.py", "integration/test_demo.py", "integration/test_cli_like_salt.py"),
    *("integration/formula/test_apply.py", "integration/test_goldens.py", "integration/test_syndics.py"),
    *("integration/test_loader.py", "integration/test_batches.py", "integration/test_life.py"),
    *("functional/test_release.py", "integration/test_salt_api.py", "functional/test_startup.py"),
    *("browser/test_console_jobs.py", "integration/test_batches_killed.py", "integration/test_busy_minion.py"),
    *("integration/test_faults.py", "integration/test_hostile_minion.py", "integration/test_bad_input.py"),
    *("integration/test_expanded_matching.py", "integration/test_changed_rights.py", "browser/test_console_looks.py"),
    *("functional/test_native.py", "functional/test_salt_api.py", "functional/test_tokens.py"),
    *("browser/test_console_hostile.py", "browser/test_console_recovery.py", "integration/test_real_clients.py"),
    *("functional/test_stopped_client.py", "functional/test_snapshots.py", "functional/test_environments.py"),
)
"""Files that take longest, the longest first: started last, one of them would hold up the run on its own."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort the slowest files to the front; pytest-xdist hands out files in this order."""
    order = {HERE / name: place for place, name in enumerate(SLOWEST)}
    items.sort(key=lambda item: order.get(item.path, len(order)))


def pytest_collection_finish() -> None:
    """Freeze all modules and tests: each collection of garbage would look at them, which takes a third of a second."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Let pytest-xdist start few shared masters."""
    return scheduler(config, log) if config.getvalue("dist") == "loadfile" else None


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
