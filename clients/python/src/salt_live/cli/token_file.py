"""Tokens that are kept between two runs: in the keyring, or in a file that only its owner can read.

One entry for each server and user. An entry that has ended, or soon will, is never used.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

SPARE_SECONDS = 60.0  # a token that ends sooner is renewed first
SERVICE = "salt-live"  # the keyring's name for our entries


class TokenStore:
    """Tokens by server and user.

    :param path: the file
    :param keyring: the module ``keyring``, or None to use the file
    """

    def __init__(self, path: Path, keyring: Any = None) -> None:
        self.path = path
        self._keyring = keyring

    def get(self, url: str, user: str | None, eauth: str | None) -> dict[str, Any] | None:
        """Return the entry of a user, or without a user the newest one of this server; None if none is valid."""
        now = time.time() + SPARE_SECONDS
        fitting = [
            entry
            for entry in self._read().values()
            if entry.get("url") == url
            and entry["expire"] > now
            and user in (None, entry.get("user"))
            and eauth in (None, "auto", entry.get("eauth"))
        ]
        return max(fitting, key=lambda entry: entry["saved"], default=None)

    def put(self, url: str, token: dict[str, Any]) -> None:
        """Keep the result of a login."""
        entries = self._read()
        user, eauth = token.get("user") or token.get("name"), token.get("eauth")
        entry = {"url": url, "user": user, "eauth": eauth, "token": token["token"], "expire": token["expire"]}
        entries[f"{user} {eauth} {url}"] = {**entry, "saved": time.time()}
        now = time.time()
        self._write({key: kept for key, kept in entries.items() if kept["expire"] > now})

    def drop(self, token: str) -> None:
        """Forget a token: the server refused it, or it was revoked."""
        entries = self._read()
        kept = {key: entry for key, entry in entries.items() if entry["token"] != token}
        if len(kept) < len(entries):
            self._write(kept)

    def _read(self) -> dict[str, dict[str, Any]]:
        """Return all entries; none if the file is missing, damaged, or others can read it."""
        text = None
        if self._keyring is not None:
            with contextlib.suppress(Exception):
                text = self._keyring.get_password(SERVICE, "tokens")
        else:
            with contextlib.suppress(OSError, UnicodeDecodeError):
                if not self.path.stat().st_mode & 0o077:
                    text = self.path.read_text("utf-8")
        with contextlib.suppress(ValueError):
            entries = json.loads(text or "{}")
            if isinstance(entries, dict):
                return {key: entry for key, entry in entries.items() if _is_entry(entry)}
        return {}

    def _write(self, entries: dict[str, dict[str, Any]]) -> None:
        """Write all entries; a folder that cannot be written only costs a login at each run."""
        text = json.dumps(entries, indent=1)
        if self._keyring is not None:
            with contextlib.suppress(Exception):
                self._keyring.set_password(SERVICE, "tokens", text)
            return
        with contextlib.suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle, name = tempfile.mkstemp(dir=self.path.parent)  # made with mode 0600
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
            Path(name).replace(self.path)


def _is_entry(entry: Any) -> bool:
    """Return whether an entry has what is needed to use it."""
    return (
        isinstance(entry, dict)
        and isinstance(entry.get("token"), str)
        and isinstance(entry.get("expire"), int | float)
        and isinstance(entry.get("saved"), int | float)
    )


def find_keyring(wanted: bool) -> Any:
    """Return the module ``keyring`` if it is wanted, installed and has a safe place, else None."""
    if not wanted:
        return None
    try:
        keyring: Any = importlib.import_module("keyring")
    except ImportError:
        return None
    return keyring if keyring.get_keyring().priority > 0 else None
