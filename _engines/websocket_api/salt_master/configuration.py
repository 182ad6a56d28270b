"""Reads the master's configuration from disk again, for a reload without a restart of the master."""

from __future__ import annotations

from typing import Any

import salt.config

from ..errors import CannotRun

NAME = "websocket_api"
_MADE = object()


def read_options(opts: Any, options: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return the engine's own options on disk, and the names of settings of the master that differ there.

    :param opts: the configuration that the master runs with
    :param options: the options that the engine was started with
    :raises CannotRun: the configuration cannot be read, or has no such engine
    """
    try:
        found = salt.config.master_config(opts["conf_file"])
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever Salt raises for a broken file: it may exit
        cause = error.__context__ or error if isinstance(error, SystemExit) else error
        raise CannotRun(f"cannot read {opts['conf_file']}: {cause}") from None
    entries = [entry for name, entry in _entries(found.get("engines") or []) if _is_ours(name, entry)]
    same_port = [entry for entry in entries if entry.get("port", 8000) == options.get("port", 8000)]
    for candidates in (entries, same_port):
        if len(candidates) == 1:
            own = {name: value for name, value in candidates[0].items() if name != "engine_module"}
            return own, _changed(opts, found)
    raise CannotRun(
        f"{opts['conf_file']} has {len(entries)} engines {NAME}, and not one with the port of this one; "
        "the master's log names included files that cannot be read"
    )


def _entries(engines: Any) -> list[tuple[str, dict[str, Any]]]:
    """Return name and options of each engine, as salt/engines/__init__.py reads them."""
    listed = [{name: options} for name, options in engines.items()] if isinstance(engines, dict) else engines
    found: list[tuple[str, dict[str, Any]]] = []
    for entry in listed:
        name, options = next(iter(entry.items())) if isinstance(entry, dict) and entry else (entry, None)
        found.append((str(name), dict(options or {})))
    return found


def _is_ours(name: str, options: dict[str, Any]) -> bool:
    return NAME in (name, options.get("engine_module"))


def _changed(opts: Any, found: dict[str, Any]) -> list[str]:
    """Return the settings that a restart of the master would change.

    Salt changes some of them at its start and while it runs. salt-master's command line can set the user, the file of
    the process id and all of logging, and fills ``log_level_logfile`` in.
    """
    runtime = {"engines", "id", "aes", "key_logfile", "grains", "pillar", "user", "pidfile"}
    names = (name for name in found if name not in runtime and not name.startswith(("__", "log_")))
    return sorted(name for name in names if opts.get(name, _MADE) != found[name])
