"""Run the engine as Salt does, in a process of its own and by Salt's own loader, but without a master around it.

Started with the path of a JSON file: ``{"master": path of its configuration, "options": {...}, "constants":
{"module.NAME": value}, "hide": path}``. While the file ``hide`` exists, each package that it names counts as not
installed. SIGUSR2 has the serving process log how many objects are garbage that only Python's collector of cycles
finds.

Started without arguments it imports Salt, as a master has it, and forks an engine for each line of JSON: ``{"config":
path of that file, "log": path}``. It answers with the process id.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import importlib.util
import json
import logging
import os
import signal
import sys
import traceback
from typing import Any


def hide_packages(path: str) -> None:
    """Make the import system not find what the file names."""
    find_spec = importlib.util.find_spec

    def find(name: str, package: str | None = None) -> Any:
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                if name in file.read().split():
                    return None
        return find_spec(name, package)

    importlib.util.find_spec = find


def count_garbage(*_: object) -> None:
    """Look at everything, also at what the engine has set aside."""
    gc.unfreeze()
    logging.getLogger(__name__).info("objects in cycles: %d", gc.collect())


def main(config: dict[str, Any]) -> None:
    """Load the engine and start it."""
    import salt.config
    import salt.loader

    # What Salt logs goes the same way as what the engine logs: nothing of either may hold a secret.
    logging.basicConfig(stream=sys.stderr, level=logging.DEBUG, force=True, format="%(levelname)s %(name)s %(message)s")
    opts = salt.config.master_config(config["master"])
    for name in ("token_dir", "sock_dir"):
        os.makedirs(opts[name], mode=0o700, exist_ok=True)  # as a master does at its start
    hide_packages(config["hide"])
    signal.signal(signal.SIGUSR2, count_garbage)
    start = salt.loader.engines(opts, {}, {}, {})["websocket_api.start"]

    def set_constants() -> None:
        for path, value in config["constants"].items():
            module, _, name = path.rpartition(".")
            setattr(importlib.import_module(f"{start.__module__}.{module}"), name, value)

    # In the serving process only: the supervisor loads none of these modules.
    os.register_at_fork(after_in_child=set_constants)
    start(**config["options"])


def read(path: str) -> dict[str, Any]:
    """Read the file that describes an engine."""
    with open(path, encoding="utf-8") as file:
        given: dict[str, Any] = json.load(file)
        return given


IMPORTED = (
    *("salt.auth", "salt.cache", "salt.channel.client", "salt.fileclient", "salt.key", "salt.master", "salt.runner"),
    *("jsonschema", "msgpack", "orjson", "prometheus_client", "re2", "redis", "referencing.jsonschema", "sqlite3"),
    *("tornado.httpserver", "tornado.web", "tornado.websocket"),
)
"""What an engine and its Salt import. An engine that is forked from here has it already, but runs its own code."""


def fork_engines() -> None:
    """Fork an engine for each line of standard input."""
    for name in IMPORTED:
        with contextlib.suppress(ImportError):  # some packages are optional
            importlib.import_module(name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the engines
    gc.collect()
    gc.freeze()  # so that the engines share these pages
    for line in sys.stdin:
        asked = json.loads(line)
        child = os.fork()
        if not child:
            become(asked["config"], asked["log"])
        print(child, flush=True)


def become(config: str, log: str) -> None:
    """Run an engine in this child, and end it."""
    code = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.chdir(os.path.dirname(log))
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        output = os.open(log, os.O_WRONLY)
        for number in (1, 2):
            os.dup2(output, number)
        main(read(config))
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:  # noqa: BLE001 - as the interpreter does
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(read(sys.argv[1]))
    else:
        fork_engines()
