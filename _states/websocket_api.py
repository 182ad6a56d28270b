"""States of the formula ``websocket_api``, which install and update the engine on a master.

``settings`` is always the formula's pillar merged over its defaults, as in ``websocket_api/map.jinja``.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from salt.exceptions import CommandExecutionError

# The loader fills these in.
__opts__: dict[str, Any]
__salt__: dict[str, Any]
__states__: dict[str, Any]

Outcome = dict[str, Any]


def packages(name: str, settings: dict[str, Any]) -> Outcome:
    """Keep the Python packages that the engine needs installed where the master's Python finds them."""
    arguments = {"pkgs": settings["packages"], **settings["pip"]}
    variables = {**__salt__["websocket_api_packages.environment"](settings), **(arguments.get("env_vars") or {})}
    if variables:
        arguments["env_vars"] = variables
    return dict(__states__["pip.installed"](name, **arguments))


def valid(name: str, settings: dict[str, Any]) -> Outcome:
    """Fail with every fault of the pillar. All states that write require this one.

    On a fresh host a test run lacks jsonschema, so it cannot check the engine's options, and says so.
    """
    engine = not __opts__["test"] or __salt__["websocket_api_packages.has"](settings, "jsonschema")
    try:
        faults = __salt__["websocket_api_config.faults"](settings, engine=engine)
    except CommandExecutionError as error:
        return _outcome(name, False, str(error))
    if faults:
        return _outcome(name, False, "\n".join([f"{len(faults)} faults in the pillar websocket_api:", *faults]))
    if not engine:
        return _outcome(name, None, "The pillar is valid, but checking its options needs jsonschema")
    return _outcome(name, True, "The pillar is valid")


def unfinished(name: str) -> Outcome:
    """Report a restart of the master that an interrupted run left undone."""
    if not _restart_file().exists():
        return _outcome(name, True, "No earlier run was interrupted")
    comment = "An earlier run was interrupted before it restarted the master"
    return _outcome(name, None if __opts__["test"] else True, comment, {"restart": "due"})


def synced(name: str, settings: dict[str, Any]) -> Outcome:
    """Keep the master's copy of the engine and its runner equal to the file server's."""
    try:
        stale = __salt__["websocket_api_master.stale"](settings)
        if not stale:
            return _outcome(name, True, "The master has the engine and the runner of the file server")
        if __opts__["test"]:
            return _outcome(name, None, f"{len(stale)} files would be synced", {"files": stale})
        _require_restart(settings)
        left = __salt__["websocket_api_master.sync"](settings)
    except CommandExecutionError as error:
        return _outcome(name, False, str(error))
    if left:
        lost = f"The master's own file server has another release than this one: {', '.join(left[:5])} differ"
        return _outcome(name, False, f"{lost}. Add this repository to the master's file_roots or gitfs_remotes")
    return _outcome(name, True, f"{len(stale)} files were synced", {"files": stale})


def unsynced(name: str, settings: dict[str, Any]) -> Outcome:
    """Remove the master's copy of the engine and its runner."""
    removed = __salt__["websocket_api_master.unsync"](settings, test=__opts__["test"])
    if __opts__["test"] and removed:
        return _outcome(name, None, "The master's copies would be removed", {"removed": removed})
    return _outcome(name, True, "The master has no copies", {"removed": removed} if removed else {})


def certificate(name: str, settings: dict[str, Any]) -> Outcome:
    """Keep a certificate and its key, readable by the master's user: the pillar's, or a self-signed one."""
    try:
        changes = __salt__["websocket_api_files.certificate"](settings, test=__opts__["test"])
    except CommandExecutionError as error:
        return _outcome(name, False, str(error))
    if __opts__["test"] and changes:
        return _outcome(name, None, "The certificate would be written", changes)
    return _outcome(name, True, "The certificate is in place", changes)


def configured(name: str, settings: dict[str, Any]) -> Outcome:
    """Write the master's configuration file from the pillar. Keep the previous one until the engine answers."""
    path = Path(__salt__["websocket_api_config.path"](settings))
    wanted = __salt__["websocket_api_config.text"](settings)
    there = path.read_text(encoding="utf-8") if path.is_file() else ""
    if there == wanted:
        return _outcome(name, True, f"{path} is up to date")
    # Do not show the changes, because values may be secrets.
    changes = {str(path): "changed" if there else "new"}
    if __opts__["test"]:
        return _outcome(name, None, f"{path} would be written", changes)
    _require_restart(settings)
    before = _before()
    if not before.exists():  # otherwise a run was interrupted, and the file is the last one that is known to work
        _write(before, there, 0o600)
    _write(path, wanted, 0o644)
    return _outcome(name, True, f"{path} was written", changes)


def answers(name: str, settings: dict[str, Any]) -> Outcome:
    """Wait until the engine answers, which proves that the configuration works."""
    seconds = 0 if __opts__["test"] else settings["service"]["seconds"]
    since = int(_restart_file().read_text()) if _restart_file().exists() else 0
    if not __opts__["test"]:
        # This state requires the restart of the master, so none is due any more.
        _restart_file().unlink(missing_ok=True)
    fault = __salt__["websocket_api_master.answers"](settings, seconds)
    if fault is None:
        if not __opts__["test"]:
            _before().unlink(missing_ok=True)
        return _outcome(name, True, "The engine answers")
    if __opts__["test"]:
        return _outcome(name, None, f"Not now: {fault}")
    said = __salt__["websocket_api_master.complaint"](settings, since)
    return _outcome(name, False, f"{fault}. The engine said: {said}" if said else fault)


def rolled_back(name: str, settings: dict[str, Any]) -> Outcome:
    """Restore the previous configuration, because the engine did not answer with the new one."""
    before, path = _before(), Path(__salt__["websocket_api_config.path"](settings))
    if not before.exists():
        return _outcome(name, True, "This run did not change the configuration")
    if __opts__["test"]:
        return _outcome(name, None, f"{path} would be restored")
    text = before.read_text(encoding="utf-8")
    if text:
        _write(path, text, 0o644)
    else:
        path.unlink(missing_ok=True)
    before.unlink()
    return _outcome(name, True, f"{path} is as before", {str(path): "restored" if text else "removed"})


def pam_ready(name: str, settings: dict[str, Any]) -> Outcome:
    """Set up what PAM logins need on this host."""
    try:
        changes = __salt__["websocket_api_files.pam"](settings, test=True)
        if changes and not __opts__["test"]:
            _require_restart(settings)
            changes = __salt__["websocket_api_files.pam"](settings)
    except CommandExecutionError as error:
        return _outcome(name, False, str(error))
    return _outcome(name, None if __opts__["test"] and changes else True, "PAM is set up", changes)


def _before() -> Path:
    return Path(__opts__["cachedir"], "websocket_api", "before.conf")


def _restart_file() -> Path:
    return Path(__opts__["cachedir"], "websocket_api", "restart_owed")


def _require_restart(settings: dict[str, Any]) -> None:
    """Record that a restart is needed, before a change that needs one.

    The record is the size of the master's log, so that older errors do not look new.
    """
    if not _restart_file().exists():
        _write(_restart_file(), str(__salt__["websocket_api_master.log_size"](settings)), 0o600)


def _write(path: Path, text: str, mode: int) -> None:
    """Write a file atomically: a master that starts meanwhile reads the old or the new one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.draft")
    draft.write_text(text, encoding="utf-8")
    draft.chmod(mode)
    os.replace(draft, path)


def _outcome(name: str, result: bool | None, comment: str, changes: dict[str, Any] | None = None) -> Outcome:
    return {"name": name, "result": result, "comment": comment, "changes": changes or {}}
