"""Decide whether changes need a reload of the engine or a restart of its master, and reload the engine.

The formula's states record what a change needs before they make it, so that the run after an interrupted one does the
rest. ``needs`` is always ``{"reload": [reason, ...], "restart": [reason, ...]}``, without empty lists. ``settings`` is
the formula's pillar merged over its defaults, as in ``websocket_api/map.jinja``.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import salt.utils.yaml
from salt.exceptions import CommandExecutionError

# The loader fills these in.
__opts__: dict[str, Any]
__salt__: dict[str, Any]

NAME = "websocket_api"
KINDS = ("reload", "restart")

# The work of `salt-run websocket_api.reload`, as the master's user. salt-run itself waits for the bus of a stopped
# master, and its output does not say which kind of error prevented the reload.
RELOAD = """
import json, sys
import salt.config, salt.loader, salt.utils.verify
opts = salt.config.master_config(sys.argv[1])
if not salt.utils.verify.check_user(opts["user"]):
    sys.exit(f"cannot become the master's user {opts['user']}")
try:
    answer = salt.loader.runner(opts)["websocket_api.reload"]()
except Exception as error:
    answer = {"error": str(error), "runs": type(error).__name__ != "NotRunning"}
print(json.dumps(answer))
"""

# Seconds for RELOAD: the runner itself gives up after 100.
RELOAD_SECONDS = 130

Needs = dict[str, list[str]]


def record(settings: dict[str, Any], needs: Needs) -> None:
    """Record what a change needs, before it is made.

    The size of the master's log is recorded with the first one, so that older errors do not look new.
    """
    if needs:
        kept = _read() or {"log": __salt__["websocket_api_master.log_size"](settings)}
        _write({**kept, **merged([kept, needs])})


def recorded() -> Needs:
    """Return what is still to be done."""
    return merged([_read()])


def settle(*kinds: str) -> None:
    """Forget what is done; keep the size of the log."""
    if kept := _read():
        _write({name: value for name, value in kept.items() if name not in kinds})


def finish() -> int:
    """Forget everything, and return the size of the master's log at the first change, or 0."""
    size = int(_read().get("log", 0))
    _file().unlink(missing_ok=True)
    return size


def merged(several: Iterable[Any]) -> Needs:
    """Return all needs as one, each reason once."""
    found: dict[str, dict[str, None]] = {kind: {} for kind in KINDS}
    for needs in several:
        for kind in KINDS:
            found[kind].update(dict.fromkeys(needs.get(kind) or ()))
    return {kind: list(reasons) for kind, reasons in found.items() if reasons}


def configuration(settings: dict[str, Any]) -> Needs:
    """Return what the pillar's difference to the configuration file needs.

    The engine reads its own options at a reload. The master reads everything else at its start.
    """
    path = Path(__salt__["websocket_api_config.path"](settings))
    before = _load(path.read_text(encoding="utf-8")) if path.is_file() else None
    if before is None:
        return {"restart": [f"{path.name} is new"]}
    after = _load(__salt__["websocket_api_config.text"](settings)) or {}
    (own, others), (wanted, other_wanted) = (_engines(one.pop("engines", None)) for one in (before, after))
    if own is None:
        return {"restart": [f"{path.name} had no engine {NAME}"]}
    needs: Needs = {}
    if options := _different(own, wanted or {}):
        needs["reload"] = [f"options {', '.join(options)}"]
    names = [*_different(before, after), *(["engines"] if others != other_wanted else [])]
    if names:
        needs["restart"] = [f"settings {', '.join(names)}"]
    return needs


def runs(settings: dict[str, Any]) -> bool:
    """Return whether an engine runs that can be reloaded."""
    for path in Path(__salt__["websocket_api_config.master"](settings)["sock_dir"]).glob(f"{NAME}-*.ipc"):
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
            connection.connect(str(path))
            return True
    return False


def reload(settings: dict[str, Any]) -> dict[str, Any]:
    """Reload the engine, and return the answer of the runner ``websocket_api.reload``.

    :return: ``version`` and ``restart``; or ``error`` and ``runs``: whether an engine runs that could be reloaded

    CLI Example:

    .. code-block:: bash

        salt-call --local websocket_api_reload.reload '{config_dir: /etc/salt}'
    """
    command = [sys.executable, "-c", RELOAD, os.path.join(settings["config_dir"], "master")]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=RELOAD_SECONDS, check=False)
        return dict(json.loads(answer.stdout.splitlines()[-1]))
    except subprocess.TimeoutExpired:
        raise CommandExecutionError(f"no answer to the reload within {RELOAD_SECONDS} s") from None
    except (IndexError, ValueError):
        raise CommandExecutionError(f"the reload cannot be requested: {answer.stderr.strip()[-500:]}") from None


def _load(text: str) -> dict[str, Any] | None:
    try:
        content = salt.utils.yaml.safe_load(text)
    except salt.utils.yaml.YAMLError:
        return None
    return content if isinstance(content, dict) else None


def _engines(engines: Any) -> tuple[dict[str, Any] | None, list[Any]]:
    """Return the options of the engine, or None, and the other engines."""
    listed = engines if isinstance(engines, list) else []
    own = [one[NAME] or {} for one in listed if isinstance(one, dict) and NAME in one]
    return own[0] if own else None, [one for one in listed if not (isinstance(one, dict) and NAME in one)]


def _different(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    missing = object()
    return sorted(name for name in {*one, *other} if one.get(name, missing) != other.get(name, missing))


def _file() -> Path:
    return Path(__opts__["cachedir"], NAME, "due.json")


def _read() -> dict[str, Any]:
    try:
        return dict(json.loads(_file().read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}


def _write(content: dict[str, Any]) -> None:
    __salt__["websocket_api_previous.write"](str(_file()), json.dumps(content), 0o600)
