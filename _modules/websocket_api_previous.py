"""Keep the previous release and configuration for the formula ``websocket_api`` until the next ones serve.

``settings`` is always the formula's pillar merged over its defaults, as in ``websocket_api/map.jinja``.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

# The loader fills these in.
__opts__: dict[str, Any]
__salt__: dict[str, Any]

# The master's copy of the engine, below its extension_modules.
ENGINE = "engines/websocket_api"


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
            write(path, text, 0o644)
        else:
            Path(path).unlink(missing_ok=True)
        before.unlink()
        changes[path] = "restored" if text else "removed"
    return changes


def forget() -> None:
    """Delete what was kept, because what came after it serves."""
    shutil.rmtree(_release(), ignore_errors=True)
    _configuration().unlink(missing_ok=True)


def write(name: str, text: str, mode: int) -> None:
    """Write a file atomically: a master that starts meanwhile reads the old or the new one, never a part."""
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.draft")
    draft.write_text(text, encoding="utf-8")
    draft.chmod(mode)
    os.replace(draft, path)


def _copy(settings: dict[str, Any]) -> Path:
    return Path(__salt__["websocket_api_config.master"](settings)["extension_modules"], ENGINE)


def _release() -> Path:
    return Path(__opts__["cachedir"], "websocket_api", "before")


def _configuration() -> Path:
    return Path(__opts__["cachedir"], "websocket_api", "before.conf")
