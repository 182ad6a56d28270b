"""States of the formula ``websocket_api``, which install and update the engine on a master.

``settings`` is always the formula's pillar merged over its defaults, as in ``websocket_api/map.jinja``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from salt.exceptions import CommandExecutionError

# The loader fills these in.
__opts__: dict[str, Any]
__salt__: dict[str, Any]
__states__: dict[str, Any]
__running__: Mapping[str, Any]

Outcome = dict[str, Any]
Needs = dict[str, list[str]]


def packages(name: str, settings: dict[str, Any]) -> Outcome:
    """Keep the Python packages that the engine needs installed where the master's Python finds them."""
    arguments = {"pkgs": __salt__["websocket_api_packages.wanted"](settings), **settings["pip"]}
    variables = {**__salt__["websocket_api_packages.environment"](settings), **(arguments.get("env_vars") or {})}
    if variables:
        arguments["env_vars"] = variables
    outcome = dict(__states__["pip.installed"](name, **arguments))
    if outcome["changes"] or outcome["result"] is None:
        needs = {"reload": ["Python packages"]}
        _record(settings, needs)
        outcome["changes"] = {**outcome["changes"], "needs": needs}
    return outcome


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
    """Report a reload of the engine or a restart of the master that an interrupted run left undone."""
    own = __salt__["websocket_api_reload.merged"](_own_needs())
    recorded = __salt__["websocket_api_reload.recorded"]().items()
    left = {kind: [one for one in reasons if one not in own.get(kind, [])] for kind, reasons in recorded}
    needs = {kind: reasons for kind, reasons in left.items() if reasons}
    if not needs:
        return _outcome(name, True, "No earlier run left anything to do")
    comment = f"An earlier run did not finish: it left a {' and a '.join(needs)} to do"
    return _outcome(name, None if __opts__["test"] else True, comment, {"needs": needs})


def synced(name: str, settings: dict[str, Any]) -> Outcome:
    """Keep the master's copy of the engine and its runner equal to the file server's.

    The engine itself reads the console from the file server at a reload.
    """
    try:
        stale = __salt__["websocket_api_master.stale"](settings)
        console = __salt__["websocket_api_master.stale_console"](settings)
        if not stale and not console:
            return _outcome(name, True, "The master has the engine and the runner of the file server")
        engine = [file for file in stale if file.startswith("_engines/")]
        reasons = [*(["files of the engine"] if engine else []), *(["files of the console"] if console else [])]
        needs = {"reload": reasons} if reasons else {}
        changes = {"files": [*stale, *console], **({"needs": needs} if needs else {})}
        if __opts__["test"]:
            return _outcome(name, None, f"{len(changes['files'])} files would be synced", changes)
        _record(settings, needs)
        if engine:
            __salt__["websocket_api_previous.keep_release"](settings)
        left = __salt__["websocket_api_master.sync"](settings) if stale else []
    except CommandExecutionError as error:
        return _outcome(name, False, str(error))
    if left:
        lost = f"The master's own file server has another release than this one: {', '.join(left[:5])} differ"
        return _outcome(name, False, f"{lost}. Add this repository to the master's file_roots or gitfs_remotes")
    return _outcome(name, True, f"{len(changes['files'])} files were synced", changes)


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
    needs = __salt__["websocket_api_reload.configuration"](settings)
    # Show only names, because values may be secrets.
    changes = {str(path): "changed" if there else "new", **({"needs": needs} if needs else {})}
    if __opts__["test"]:
        return _outcome(name, None, f"{path} would be written", changes)
    _record(settings, needs)
    __salt__["websocket_api_previous.keep_configuration"](there)
    __salt__["websocket_api_previous.write_configuration"](settings, wanted)
    return _outcome(name, True, f"{path} was written", changes)


def pam_ready(name: str, settings: dict[str, Any]) -> Outcome:
    """Set up what PAM logins need on this host."""
    try:
        changes = dict(__salt__["websocket_api_files.pam"](settings, test=True))
        needs = {"restart": ["PAM"]} if changes else {}
        if changes and not __opts__["test"]:
            _record(settings, needs)
            changes = dict(__salt__["websocket_api_files.pam"](settings))
    except CommandExecutionError as error:
        return _outcome(name, False, str(error))
    if changes:
        changes["needs"] = needs
    return _outcome(name, None if __opts__["test"] and changes else True, "PAM is set up", changes)


def reloaded(name: str, settings: dict[str, Any]) -> Outcome:
    """Reload the engine if a change needs that, and none needs a restart of the master.

    A reload that is refused brings back the previous release and configuration, and the running engine stays.
    """
    needs = _needs()
    if "restart" in needs:
        return _outcome(name, True, "The restart of the master replaces the engine")
    if "reload" not in needs:
        return _outcome(name, True, "Nothing that the engine reads has changed")
    why = ", ".join(needs["reload"])
    if __opts__["test"]:
        if not __salt__["websocket_api_reload.runs"](settings):
            needs = {"restart": ["no engine runs"]}
            return _outcome(name, None, f"The engine would be started because of: {why}", {"needs": needs})
        return _outcome(name, None, f"The engine would be reloaded because of: {why}", {"engine": "reloaded"})
    try:
        answer = __salt__["websocket_api_reload.reload"](settings)
    except CommandExecutionError as error:
        answer = {"error": str(error), "runs": True}
    if "error" in answer and not answer["runs"]:
        needs = {"restart": [answer["error"]]}
        _record(settings, needs)
        return _outcome(name, True, f"The engine is started because of: {why}", {"needs": needs})
    if "error" in answer:
        back = __salt__["websocket_api_previous.bring_back"](settings)
        done = f". Restored: {', '.join(back)}" if back else ""
        return _outcome(name, False, f"{answer['error']}{done}")
    __salt__["websocket_api_reload.settle"]("reload")
    changes: dict[str, Any] = {"engine": "reloaded", "version": answer["version"]}
    comment = f"The engine was reloaded without a restart of the master, because of: {why}"
    if answer["restart"]:
        # Names of settings, or a sentence about the supervisor.
        reasons = [one.partition(":")[0] if " " in one else f"setting {one}" for one in answer["restart"]]
        changes["needs"] = {"restart": reasons}
        _record(settings, changes["needs"])
        comment += ". The master is restarted too"
    return _outcome(name, True, comment, changes)


def restart_due(name: str) -> Outcome:
    """Report whether the master must be restarted, for the state that restarts it."""
    reasons = _needs().get("restart")
    if not reasons:
        return _outcome(name, True, "No restart of the master is needed")
    said = "would be" if __opts__["test"] else "is"
    comment = f"The master {said} restarted because of: {', '.join(reasons)}"
    return _outcome(name, None if __opts__["test"] else True, comment, {"restart": reasons})


def answers(name: str, settings: dict[str, Any]) -> Outcome:
    """Wait until the engine answers, which proves that release and configuration work."""
    if __opts__["test"]:
        fault = __salt__["websocket_api_master.answers"](settings, 0)
        return _outcome(name, None if fault else True, f"Not now: {fault}" if fault else "The engine answers")
    # This state requires the reload and the restart, so none is due any more.
    since = __salt__["websocket_api_reload.finish"]()
    fault = __salt__["websocket_api_master.answers"](settings, settings["service"]["seconds"])
    if fault is None:
        __salt__["websocket_api_previous.forget"]()
        return _outcome(name, True, "The engine answers")
    said = __salt__["websocket_api_master.complaint"](settings, since)
    return _outcome(name, False, f"{fault}. The engine said: {said}" if said else fault)


def rolled_back(name: str, settings: dict[str, Any]) -> Outcome:
    """Restore the previous release and configuration, because the engine did not answer with the new ones."""
    started = {tag.rpartition("_|-")[2] for tag, changes in _changes().items() if changes}
    if __opts__["test"] or not started & {"reloaded", "restart_due"}:
        return _outcome(name, True, "Nothing was started with what this run wrote")
    back = __salt__["websocket_api_previous.bring_back"](settings)
    if not back:
        return _outcome(name, True, "This run changed neither the release nor the configuration")
    return _outcome(name, True, f"Restored: {', '.join(back)}", back)


def _needs() -> Needs:
    """Return what the changes of this run and of an interrupted one need. A test run has recorded nothing."""
    recorded = __salt__["websocket_api_reload.recorded"]()
    needs: Needs = __salt__["websocket_api_reload.merged"]([recorded, *_own_needs()])
    return needs


def _own_needs() -> list[Needs]:
    """Return what each change of this run needs."""
    return [changes["needs"] for changes in _changes().values() if "needs" in changes]


def _changes() -> dict[str, Mapping[str, Any]]:
    """Return the changes of this formula's states that have run, by Salt's tag, which ends with the function."""
    own = {tag: outcome for tag, outcome in __running__.items() if tag.startswith("websocket_api_|-")}
    return {tag: outcome["changes"] for tag, outcome in own.items()}


def _record(settings: dict[str, Any], needs: Needs) -> None:
    if not __opts__["test"]:
        __salt__["websocket_api_reload.record"](settings, needs)


def _outcome(name: str, result: bool | None, comment: str, changes: dict[str, Any] | None = None) -> Outcome:
    return {"name": name, "result": result, "comment": comment, "changes": changes or {}}
