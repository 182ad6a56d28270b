"""The formula's view of the master on this host: its copy of the engine, and whether the engine answers.

``settings`` is always the formula's pillar merged over its defaults, as in ``websocket_api/map.jinja``.
"""

from __future__ import annotations

import filecmp
import http.client
import json
import os
import pwd
import re
import shutil
import ssl
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from salt.exceptions import CommandExecutionError

# The loader fills these in.
__opts__: dict[str, Any]
__salt__: dict[str, Any]

# What the master copies from its file server: the folder there, and the path in extension_modules.
PARTS = (("_engines", "engines/websocket_api"), ("_runners", "runners/websocket_api.py"))

ENGINE = "_engines/websocket_api"

# The console on the file server, and the engine's copy of what it serves, below the master's cachedir.
CONSOLE = "websocket_api/console"
CONSOLE_COPY = "websocket_api/release/console"

# The work of `salt-run fileserver.update` and `salt-run saltutil.sync_engines`, as the master's user. salt-run itself
# waits 5 s for the bus of a stopped master, and fails without a folder that the master's first start creates.
SYNC = """
import json, sys
import salt.config, salt.fileclient, salt.fileserver, salt.utils.extmods, salt.utils.verify
config, saltenv, update, *forms = sys.argv[1:]
opts = salt.config.master_config(config)
opts["clean_dynamic_modules"] = False  # keep modules of other environments
if not salt.utils.verify.check_user(opts["user"]):
    sys.exit(f"cannot become the master's user {opts['user']}")
if update == "update":
    salt.fileserver.Fileserver(opts).update()
for form in forms:
    salt.utils.extmods.sync(opts, form, saltenv=saltenv)
with salt.fileclient.FSClient(opts) as client:
    json.dump(client.file_list(saltenv), sys.stdout)
"""

# Maximum seconds for SYNC, which may have to fetch a gitfs remote first.
SYNC_SECONDS = 300

# Seconds between two checks whether the engine answers.
POLL_SECONDS = 0.5

# Bytes at the end of the master's log that are searched for the engine's last error.
LOG_BYTES = 256 * 1024
COMPLAINT = "websocket_api cannot run: "

# The local address of an engine that listens on all addresses.
LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - looked up, not listened on

# Printable for Python, but invisible: fillers, variation selectors and joiners.
FILLERS = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]")


def user(settings: dict[str, Any]) -> pwd.struct_passwd:
    """Return the account that the master runs as.

    :raises CommandExecutionError: there is no such account
    """
    name = __salt__["websocket_api_config.master"](settings)["user"]
    try:
        return pwd.getpwnam(name)
    except KeyError:
        raise CommandExecutionError(f"the master's user {name} does not exist on this host") from None


def missing(folder: str, saltenv: str, files: list[str] | None = None) -> str:
    """Return an error text for a folder that the file server lacks, with its actual place if it is elsewhere.

    :param files: all files of the file server; listed by default
    """
    sentence, inner = f"salt://{folder} is not in the environment {saltenv}", f"/{folder}/"
    names = __salt__["cp.list_master"](saltenv) if files is None else files
    if elsewhere := next((name.partition(inner)[0] for name in names if inner in name), None):
        place = f"salt://{elsewhere}{inner.rstrip('/')}"
        return (
            f"{sentence}, but at {place}: Salt syncs nothing from a folder; "
            "remove `mountpoint` from the gitfs remote, or name the repository itself in file_roots"
        )
    return f"{sentence}: add this repository to it"


def stale(settings: dict[str, Any]) -> list[str]:
    """Return the paths of files that differ between the master's copy and the file server.

    CLI Example:

    .. code-block:: bash

        salt-call --local websocket_api_master.stale '{config_dir: /etc/salt, saltenv: base}'
    """
    found: list[str] = []
    for source, place in PARTS:
        wanted, copy = _served(source, place, settings["saltenv"]), _extension_modules(settings) / place
        found.extend(
            str(Path(source, Path(place).name, name))
            for name in sorted({*wanted, *_copied(copy)})
            if name not in wanted or not (copy / name).is_file() or not filecmp.cmp(wanted[name], copy / name, False)
        )
    return found


def sync(settings: dict[str, Any]) -> list[str]:
    """Make the master copy the engine and the runner from its file server, as its own user.

    :return: the files that still differ, as in :func:`stale`
    :raises CommandExecutionError: the sync failed, with the end of its output
    """
    _run_sync(settings, "as it is")
    for source, place in PARTS:
        wanted, copy = _served(source, place, settings["saltenv"]), _extension_modules(settings) / place
        for name in _copied(copy) - wanted.keys():  # files of an earlier release
            (copy / name).unlink()
    if left := stale(settings):
        names = _run_sync(settings, "update")  # otherwise a gitfs remote is fetched once a minute
        left = stale(settings)
        if left and not any(name.startswith(f"{ENGINE}/") for name in names):
            sentence = missing(ENGINE, settings["saltenv"], names)
            raise CommandExecutionError(f"the master's own file server lacks the engine: {sentence}")
    return left


def stale_console(settings: dict[str, Any]) -> list[str]:
    """Return the files of the console that differ between the file server and what the engine serves.

    The list is empty if the pillar names another console, or if the engine has kept no copy.
    """
    copy = Path(__salt__["websocket_api_config.master"](settings)["cachedir"], CONSOLE_COPY)
    if settings["options"].get("console") or not copy.is_dir():
        return []
    wanted = _cached(CONSOLE, settings["saltenv"])
    names = {path.relative_to(copy) for path in copy.rglob("*") if path.is_file()}
    return [
        f"{CONSOLE}/{name}"
        for name in sorted({*wanted, *names})
        if name not in wanted or name not in names or not filecmp.cmp(wanted[name], copy / name, False)
    ]


def unsync(settings: dict[str, Any], test: bool = False) -> list[str]:
    """Remove the master's copies, and return the removed files.

    :param test: remove nothing, and return the files that would be removed
    """
    copies = [_extension_modules(settings) / place for _, place in PARTS]
    # Salt's loader runs compiled modules whose source is gone.
    copies += [pyc for copy in copies if copy.suffix for pyc in (copy.parent / "__pycache__").glob(f"{copy.stem}.*pyc")]
    there = [copy for copy in copies if copy.exists()]
    for copy in there if not test else []:
        if copy.is_dir():
            shutil.rmtree(copy)
        else:
            copy.unlink()
    return [str(copy) for copy in there]


def answers(settings: dict[str, Any], seconds: float) -> str | None:
    """Wait until the engine is healthy, and return None. Return the problem after ``seconds``."""
    deadline = time.monotonic() + seconds
    while True:
        fault = _probe(__salt__["websocket_api_config.options"](settings))
        if fault is None or time.monotonic() > deadline:
            return fault
        time.sleep(POLL_SECONDS)


def log_size(settings: dict[str, Any]) -> int:
    """Return the size of the master's log in bytes, to recognize later lines."""
    log = Path(__salt__["websocket_api_config.master"](settings)["log_file"])
    return log.stat().st_size if log.is_file() else 0


def complaint(settings: dict[str, Any], since: int = 0) -> str | None:
    """Return the last reason in the master's log why the engine cannot run, or None.

    :param since: the size of the log before the relevant lines; a shorter log was rotated
    """
    log = Path(__salt__["websocket_api_config.master"](settings)["log_file"])
    try:
        with log.open("rb") as file:
            size = log.stat().st_size
            file.seek(max(0, size - LOG_BYTES, since if since <= size else 0))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return None
    reasons = [line.partition(COMPLAINT)[2] for line in lines if COMPLAINT in line]
    return _visible(reasons[-1]) if reasons else None


def _visible(text: str) -> str:
    """Return text from another machine with control and invisible characters escaped."""
    return "".join(c if c in "\n\t" or (c.isprintable() and not FILLERS.match(c)) else ascii(c)[1:-1] for c in text)


def _extension_modules(settings: dict[str, Any]) -> Path:
    return Path(__salt__["websocket_api_config.master"](settings)["extension_modules"])


def _copied(copy: Path) -> set[Path]:
    """Return the paths of the master's files of one part, relative to it."""
    return {name.relative_to(copy) for name in copy.rglob("*.py")} if copy.is_dir() else set()


def _served(source: str, place: str, saltenv: str) -> dict[Path, str]:
    """Return the file server's files of one part: path relative to it -> path of a cached copy."""
    folder = f"{source}/{Path(place).name}"
    served = _cached(folder, saltenv, ".py")
    if not served:
        raise CommandExecutionError(missing(folder, saltenv))
    return served


def _cached(folder: str, saltenv: str, suffix: str = "") -> dict[Path, str]:
    """Return the file server's files of a folder, or the one with this name: relative path -> path of a cached copy."""
    served = {}
    for name in __salt__["cp.list_master"](saltenv, folder):
        if not name.endswith(suffix):
            continue
        cached = __salt__["cp.cache_file"](f"salt://{name}", saltenv)
        if not cached:
            raise CommandExecutionError(f"salt://{name} cannot be read")
        served[Path(os.path.relpath(name, folder))] = cached
    return served


def _run_sync(settings: dict[str, Any], update: str) -> list[str]:
    """Sync, and return all files of the master's file server."""
    forms = [place.partition("/")[0] for _, place in PARTS]
    config = os.path.join(settings["config_dir"], "master")
    command = [sys.executable, "-c", SYNC, config, settings["saltenv"], update, *forms]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=SYNC_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise CommandExecutionError(f"the master's files took more than {SYNC_SECONDS} s to sync") from None
    if answer.returncode != 0:
        raise CommandExecutionError(f"the master's files cannot be synced: {answer.stderr.strip()[-500:]}")
    return list(json.loads(answer.stdout.splitlines()[-1]))


def _probe(options: dict[str, Any]) -> str | None:
    address, port = str(options.get("address", "127.0.0.1")), int(options.get("port", 8000))
    host = LOOPBACK.get(address, address)
    connection: http.client.HTTPConnection
    if options.get("ssl_crt") and not options.get("disable_ssl"):
        # The certificate is made for the names that clients use; nothing secret is sent.
        context = ssl._create_unverified_context()  # noqa: S323
        connection = http.client.HTTPSConnection(host, port, timeout=5, context=context)
    else:
        connection = http.client.HTTPConnection(host, port, timeout=5)
    try:
        connection.request("GET", "/healthz")
        status = connection.getresponse().status
        # `allow_from` may exclude this host, but a refusal is an answer of the engine too.
        sound = status == 200 or (status == 403 and options.get("allow_from"))
        return None if sound else f"/healthz on {host}:{port} answers {status}"
    except (OSError, http.client.HTTPException) as error:
        return f"nothing healthy on {host}:{port}: {_visible(str(error))}"
    finally:
        connection.close()
