"""Keep the previous release and configuration for the formula ``websocket_api`` until the next ones serve.

``settings`` is always the formula's pillar merged over its defaults, as in ``websocket_api/map.jinja``.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import Any

# The loader fills these in.
__opts__: dict[str, Any]
__salt__: dict[str, Any]

# The master's copy of the engine, below its extension_modules.
ENGINE = "engines/websocket_api"

# A URL with a user or a password, as in the option history.share.
CREDENTIALS = re.compile(r"://[^\s/]*@")


def keep_release(settings: dict[str, Any]) -> None:
    """Keep the master's copy of the engine, if there is one."""
    copy, kept = _copy(settings), _release()
    if copy.is_dir() and not kept.exists():  # otherwise a run was interrupted, and that release is known to work
        draft = kept.with_name(f"{kept.name}.draft")
        shutil.rmtree(draft, ignore_errors=True)
        shutil.copytree(copy, draft, ignore=shutil.ignore_patterns("__pycache__"))
        draft.rename(kept)


def keep_configuration(text: str) -> None:
    """Keep the content of the configuration file; an empty one stands for no file."""
    before = _configuration()
    if not before.exists():  # otherwise a run was interrupted, and the file is the last one that is known to work
        write(str(before), text, 0o600)


def bring_back(settings: dict[str, Any]) -> dict[str, str]:
    """Restore what was kept, and return the changes."""
    changes = {}
    copy, kept = _copy(settings), _release()
    if kept.exists():
        owner = copy.parent.stat()
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(kept, copy)
        for path in (copy, *copy.rglob("*")):
            os.chown(path, owner.st_uid, owner.st_gid)
        shutil.rmtree(kept)
        changes[str(copy)] = "restored"
    before, path = _configuration(), __salt__["websocket_api_config.path"](settings)
    if before.exists():
        text = before.read_text(encoding="utf-8")
        if text:
            write_configuration(settings, text)
        else:
            Path(path).unlink(missing_ok=True)
        before.unlink()
        changes[path] = "restored" if text else "removed"
    return changes


def forget() -> None:
    """Delete what was kept, because what came after it serves."""
    shutil.rmtree(_release(), ignore_errors=True)
    _configuration().unlink(missing_ok=True)


def write_configuration(settings: dict[str, Any], text: str) -> None:
    """Write the master's configuration file: for everybody, or with a password in a URL for the master's group."""
    path = __salt__["websocket_api_config.path"](settings)
    if CREDENTIALS.search(text):
        write(path, text, 0o640, __salt__["websocket_api_master.user"](settings).pw_gid)
    else:
        write(path, text, 0o644)


def write(name: str, text: str, mode: int, group: int = -1) -> None:
    """Write a file atomically: a master that starts meanwhile reads the old or the new one, never a part.

    :param group: the id of the group that gets the file; -1 for the own one
    """
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.draft")
    draft.unlink(missing_ok=True)
    # Other users must never be able to read it, not even briefly.
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
        os.fchown(file.fileno(), -1, group)
        os.fchmod(file.fileno(), mode)
    os.replace(draft, path)


def _copy(settings: dict[str, Any]) -> Path:
    return Path(__salt__["websocket_api_config.master"](settings)["extension_modules"], ENGINE)


def _release() -> Path:
    return Path(__opts__["cachedir"], "websocket_api", "before")


def _configuration() -> Path:
    return Path(__opts__["cachedir"], "websocket_api", "before.conf")
