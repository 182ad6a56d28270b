"""Find where the master's Python packages belong, for the formula ``websocket_api``.

Salt's hardened packages give each daemon a folder of its own, such as ``/var/lib/salt/master/extras-3.14``, and name it
in ``SALT_EXTRAS_DIR``. The formula runs in the minion, whose folder the master does not read.

``settings`` is always the formula's pillar merged over its defaults, as in ``websocket_api/map.jinja``.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

# The loader fills these in.
__opts__: dict[str, Any]
__salt__: dict[str, Any]

VARIABLE = "SALT_EXTRAS_DIR"

# The folder in which Salt's hardened packages create it.
DAEMON_FOLDER = Path("/var/lib/salt/master")

# Maximum seconds for systemctl, which answers at once or never.
SYSTEMCTL_SECONDS = 10


def extras(settings: dict[str, Any]) -> str | None:
    """Return the folder of the master's own extra packages, or None if the minion's own Python has the same.

    It is the pillar's ``extras_dir``, else ``SALT_EXTRAS_DIR`` of the master's unit, else the folder of Salt's hardened
    packages. The environment of the running master cannot be read, because its process title overwrites it.

    CLI Example:

    .. code-block:: bash

        salt-call --local websocket_api_packages.extras '{service: {name: salt-master}}'
    """
    if chosen := settings.get("extras_dir"):
        return str(chosen)
    if not hasattr(sys, "RELENV"):
        return None  # pip installed Salt: all daemons have one Python
    folder = DAEMON_FOLDER / f"extras-{sys.version_info[0]}.{sys.version_info[1]}"
    return _of_unit(settings["service"]["name"]) or (str(folder) if folder.is_dir() else None)


def environment(settings: dict[str, Any]) -> dict[str, str]:
    """Return the environment variables that make Salt's own Python use the master's packages."""
    folder = extras(settings)
    return {VARIABLE: folder} if folder else {}


def wanted(settings: dict[str, Any]) -> Any:
    """Return the packages of the pillar, and the one that the option ``history.share`` needs."""
    listed, history = settings["packages"], settings["options"].get("history")
    shares = isinstance(history, dict) and bool(history.get("share"))
    if not shares or not isinstance(listed, list) or any(_name(one) == "redis" for one in listed):
        return listed
    return [*listed, "redis"]


def has(settings: dict[str, Any], package: str) -> bool:
    """Return whether the master's Python finds a package."""
    folder = extras(settings)
    return Path(folder, package).is_dir() if folder else importlib.util.find_spec(package) is not None


def unit(service: str, *properties: str) -> list[str]:
    """Return properties of a systemd unit as lines such as ``Environment=A=1``; an empty list without systemd.

    CLI Example:

    .. code-block:: bash

        salt-call --local websocket_api_packages.unit salt-master AmbientCapabilities
    """
    if not shutil.which("systemctl"):
        return []
    command = ["systemctl", "show", *(f"--property={name}" for name in properties), service]
    try:
        shown = subprocess.run(command, capture_output=True, text=True, timeout=SYSTEMCTL_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return shown.stdout.splitlines()


def _name(requirement: str) -> str:
    """Return the package of a requirement such as ``redis[hiredis]>=5``."""
    return re.split(r"[^A-Za-z0-9._-]", str(requirement).strip(), maxsplit=1)[0].lower()


def _of_unit(service: str) -> str | None:
    """Return the variable's value from the master's unit and its environment files."""
    found = None
    for line in unit(service, "Environment", "EnvironmentFiles"):
        name, _, value = line.partition("=")
        if name == "Environment":
            found = _value(shlex.split(value)) or found
        elif name == "EnvironmentFiles":  # such as /etc/default/salt-master (ignore_errors=yes)
            found = _of_file(Path(value.rpartition(" (")[0] or value)) or found
    return found


def _of_file(path: Path) -> str | None:
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        return _value(word for line in lines if not line.lstrip().startswith("#") for word in shlex.split(line))
    except (OSError, ValueError):
        return None


def _value(assignments: Iterable[str]) -> str | None:
    """Return the value of the variable in assignments such as ``NAME=value``; the last one counts."""
    found = [one.partition("=")[2] for one in assignments if one.startswith(f"{VARIABLE}=")]
    return os.path.normpath(found[-1]) if found and found[-1] else None
