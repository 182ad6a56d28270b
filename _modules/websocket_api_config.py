"""Check and write the master's configuration for the formula ``websocket_api``.

``settings`` is always the formula's pillar merged over its defaults, as in ``websocket_api/map.jinja``.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import salt.config
import salt.loader
import salt.utils.files
import salt.utils.yaml
from salt.exceptions import CommandExecutionError

# The loader fills these in.
__opts__: dict[str, Any]
__salt__: dict[str, Any]

HEADER = "# Written by the formula websocket_api from pillar: what is changed here is lost.\n"

# Outside of rendering, Salt 3008 masks values of the pillar; 3007 has no such argument.
UNMASKED = {"unmask": True} if importlib.util.find_spec("salt.utils.secret") else {}

# Seconds that Python may take to read the engine's files and the options on a busy machine.
CHECK_SECONDS = 120

# The kernel's lowest port for users other than root.
LOWEST_PORT = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")

# The engine's default of the option eauth.
EAUTH = "pam"

# Settings that the formula writes itself, so they must not be in master_config. Each has its key in the pillar.
OWN_KEYS = {"engines": "other_engines", "external_auth": "external_auth", "auth.pam.python": "pam"}


def path(settings: dict[str, Any]) -> str:
    """Return the path of the file that the formula writes.

    CLI Example:

    .. code-block:: bash

        salt-call --local websocket_api_config.path '{config_dir: /etc/salt, config_file: websocket_api.conf}'
    """
    return os.path.join(settings["config_dir"], "master.d", settings["config_file"])


def folder(settings: dict[str, Any]) -> str:
    """Return the folder of the engine's certificate and of PAM's helper."""
    return os.path.join(settings["config_dir"], "websocket_api")


def master(settings: dict[str, Any]) -> dict[str, Any]:
    """Return the configuration of the master on this host, as Salt reads it."""
    return dict(salt.config.master_config(os.path.join(settings["config_dir"], "master")))


def options(settings: dict[str, Any]) -> dict[str, Any]:
    """Return the engine's options: those of the pillar, with the paths of the formula's certificate."""
    chosen = {"saltenv": settings["saltenv"], **settings["options"]}
    if settings["tls"]["source"] != "none":
        chosen["ssl_crt"] = os.path.join(folder(settings), "server.crt")
        chosen["ssl_key"] = os.path.join(folder(settings), "server.key")
    return chosen


def text(settings: dict[str, Any]) -> str:
    """Return the content of the configuration file."""
    return HEADER + str(salt.utils.yaml.safe_dump(_document(settings), default_flow_style=False, sort_keys=False))


def pam_helper(settings: dict[str, Any]) -> str | None:
    """Return the path of the program that PAM logins need on this host, or None.

    Salt asks PAM in a process of /usr/bin/python3, which does not find a Salt that pip installed. A link to the right
    Python is no help, because Salt resolves links, and so leaves a virtual environment. Salt's packages need nothing.
    """
    wanted = settings["pam"] and "pam" in settings["external_auth"] and not hasattr(sys, "RELENV")
    return os.path.join(folder(settings), "python") if wanted else None


def faults(settings: dict[str, Any], engine: bool = True) -> list[str]:
    """Return one sentence for each fault of the pillar, without its values.

    The engine's own code and ``schemas/settings.json`` from the file server check the engine's options.

    :param engine: whether to check the engine's options, which needs the package jsonschema
    :raises CommandExecutionError: the engine's files are missing or cannot run
    """
    given = __salt__["pillar.get"]("websocket_api", {}, **UNMASKED)
    if not isinstance(given, dict):
        return ["websocket_api must be a mapping"]
    found = list(_type_faults(given, _defaults(settings["saltenv"]), ""))
    types_fit = not found
    if engine:
        found += _option_faults(settings)
    found += __salt__["websocket_api_files.faults"](settings)
    # The other checks need settings of the right types.
    if types_fit:
        found += [*_file_faults(settings), *_login_faults(settings, given), *_port_faults(settings)]
    return found


def _document(settings: dict[str, Any]) -> dict[str, Any]:
    document = {**settings["master_config"], "engines": [*settings["other_engines"]]}
    document["engines"].append({"websocket_api": options(settings)})
    if settings["external_auth"]:
        document["external_auth"] = settings["external_auth"]
    if helper := pam_helper(settings):
        document["auth.pam.python"] = helper
    # A plain copy, because YAML would write the names of Salt's own types.
    return dict(json.loads(json.dumps(document)))


def _defaults(saltenv: str) -> dict[str, Any]:
    cached = __salt__["cp.cache_file"]("salt://websocket_api/defaults.yaml", saltenv)
    if not cached:
        raise CommandExecutionError(f"salt://websocket_api/defaults.yaml is not in the environment {saltenv}")
    with salt.utils.files.fopen(cached, "rb") as file:
        return dict(salt.utils.yaml.safe_load(file)["websocket_api"])


def _type_faults(given: dict[str, Any], defaults: dict[str, Any], where: str) -> Iterator[str]:
    """Yield unknown keys, and values whose type differs from the default's."""
    for name, value in given.items():
        place = f"{where}{name}"
        if name not in defaults:
            yield f"{place} is not a key of this formula"
            continue
        default = defaults[name]
        if isinstance(default, dict) and default and isinstance(value, dict):
            yield from _type_faults(value, default, f"{place}:")
        elif place == "rollout:masters" and isinstance(value, dict):
            continue  # a mapping of masters to their addresses
        elif not _has_type(value, default):
            yield f"{place} must be {_NAMES[type(default)]}"


_NAMES = {dict: "a mapping", list: "a list", str: "a string", bool: "true or false", int: "a whole number"}


def _has_type(value: Any, default: Any) -> bool:
    if default is None:
        return value is None or isinstance(value, (str, list))
    if isinstance(value, bool) or isinstance(default, bool):
        return isinstance(value, bool) and isinstance(default, bool)
    return isinstance(value, type(default))


def _option_faults(settings: dict[str, Any]) -> list[str]:
    chosen, saltenv = options(settings), settings["saltenv"]
    variables = __salt__["websocket_api_packages.environment"](settings)
    with tempfile.TemporaryDirectory() as folder:
        engines, schemas = Path(folder, "engines"), Path(folder, "schemas")
        _copy("_engines/websocket_api", engines / "websocket_api", saltenv)
        _copy("websocket_api/schemas", schemas, saltenv)
        path = os.pathsep.join([str(engines), *variables.values()])
        answer = subprocess.run(
            [sys.executable, "-m", "websocket_api.check_options", str(schemas)],
            input=json.dumps(chosen),
            env={**os.environ, **variables, "PYTHONPATH": path},
            capture_output=True,
            text=True,
            timeout=CHECK_SECONDS,
            check=False,
        )
    if answer.returncode != 0:
        raise CommandExecutionError(f"the engine's options cannot be checked: {answer.stderr.strip()[-500:]}")
    found = [f"options{fault['path'].replace('/', ':')} {fault['message']}" for fault in json.loads(answer.stdout)]
    if chosen.get("port") == 0:
        found.append("options:port must be fixed, so that the formula can see whether the engine answers")
    return found


def _copy(name: str, target: Path, saltenv: str) -> None:
    """Copy a folder from the file server. The minion's cache would also have files that were deleted there."""
    names = [served for served in __salt__["cp.list_master"](saltenv, name) if served.startswith(f"{name}/")]
    if not names:
        raise CommandExecutionError(__salt__["websocket_api_master.missing"](name, saltenv))
    for served in names:
        place = target / served[len(name) + 1 :]
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(__salt__["cp.cache_file"](f"salt://{served}", saltenv), place)


def _file_faults(settings: dict[str, Any]) -> Iterator[str]:
    """Yield settings that get lost when Salt reads several configuration files."""
    for name, instead in OWN_KEYS.items():
        if name in settings["master_config"]:
            yield f"master_config:{name} is written by the formula: use {instead}"
    main = os.path.join(settings["config_dir"], "master")
    # A setting in master.d replaces the whole setting of the main file.
    for name in sorted(_document(settings).keys() & _read(main).keys()):
        place = OWN_KEYS.get(name, f"master_config:{name}")
        yield f"{place} would hide {name} in {main}: move it from there into the pillar"
    own = path(settings)
    for other in sorted(Path(own).parent.glob("*.conf")):
        entries = _read(str(other)).get("engines") if str(other) != own else None
        if any(isinstance(entry, dict) and "websocket_api" in entry for entry in entries or []):
            yield f"options would start a second engine in addition to that of {other}: remove it there"


def _login_faults(settings: dict[str, Any], given: dict[str, Any]) -> Iterator[str]:
    """Yield faults because of which nobody could log in."""
    own = path(settings)
    others = [os.path.join(settings["config_dir"], "master"), *map(str, sorted(Path(own).parent.glob("*.conf")))]
    backends = dict(settings["external_auth"])
    for other in others:
        listed = _read(other).get("external_auth") if other != own else None
        backends.update(listed if isinstance(listed, dict) else {})
    if not backends:
        yield "external_auth is empty, here and in the master's configuration: nobody could log in"
    if not given:
        top = "name its file in the pillar's top.sls for this minion; see it with: salt-call pillar.get websocket_api"
        if not backends:
            yield f"the pillar websocket_api is empty: {top}"
    eauth = settings["options"].get("eauth", EAUTH)
    if backends and isinstance(eauth, str) and eauth not in backends:
        yield f"options:eauth is not in external_auth, which has {', '.join(sorted(backends))}: choose one of them"
    known = salt.loader.auth(master(settings))
    for name in sorted(backends):
        if f"{name}.auth" not in known:
            yield f"external_auth:{name} cannot be loaded by Salt here: check its name, and what it needs installed"


def _port_faults(settings: dict[str, Any]) -> Iterator[str]:
    """Yield a port that the master's user may not listen on."""
    port, user = settings["options"].get("port"), master(settings)["user"]
    if not isinstance(port, int) or user == "root":
        return
    capabilities = __salt__["websocket_api_packages.unit"](settings["service"]["name"], "AmbientCapabilities")
    if "cap_net_bind_service" in "".join(capabilities):
        return
    try:
        lowest = int(LOWEST_PORT.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return
    if 0 < port < lowest:
        yield (
            f"options:port is below {lowest}, and the master's user {user} may not listen there: put nginx in front "
            f"(docs/operating.md), or set the sysctl net.ipv4.ip_unprivileged_port_start to it"
        )


def _read(name: str) -> dict[str, Any]:
    try:
        with salt.utils.files.fopen(name, "rb") as file:
            content = salt.utils.yaml.safe_load(file)
    except (OSError, salt.utils.yaml.YAMLError):
        return {}  # missing, or invalid: then Salt itself reports the error
    return content if isinstance(content, dict) else {}
