"""Remove secrets from events before anything else gets them: history, registries, clients and the log.

Salt does put secrets on its bus (docs/salt-notes.md): a refused command has its whole load, a publish its key,
``key.gen_accept`` a minion's private key.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

REDACTED = "(redacted)"
SECRET_NAMES = frozenset({"token", "password", "key", "eauth_token", "auth_list", "sharedsecret"})
PUBLISH_PREFIX = "__pub_"
PEM_MARK = b"PRIVATE KEY-----"
_NAMED = re.compile(r"([^\W\d][\w.-]*)=(?!=)")
"""Matches the start of a string that minions parse as a keyword argument (``salt.utils.args.parse_kwarg``)."""
_PEM = re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|\Z)", re.DOTALL)


def redact(data: dict[str, Any]) -> dict[str, Any]:
    """Return one of the master's own events without its secrets; the same object if there are none.

    Names are checked at the top level, in ``kwargs``, and in the keyword arguments of ``fun_args`` and ``arg``. A
    compound command has those of each of its functions.
    """
    clean = _without_secrets(data)
    for name in ("kwargs", "kwarg"):
        keywords = clean.get(name)
        # Most events have none, and a look at an abstract type takes as long as all else here.
        if keywords is None or not isinstance(keywords, Mapping):
            continue
        if (kept := _without_secrets(keywords)) is not keywords:
            clean = {**clean, name: kept}
    for name in ("fun_args", "arg"):
        arguments = clean.get(name)
        if isinstance(arguments, (list, tuple)):
            items = _arguments(name, arguments)
            if items is not arguments:
                clean = {**clean, name: items}
    return clean


def redact_arguments(arg: Sequence[Any]) -> list[Any]:
    """Return the arguments of a publish load without its named secrets."""
    return list(_arguments("arg", arg))


def redact_private_keys(value: Any) -> Any:
    """Return a copy of ``value`` with every PEM private key replaced, at any depth."""
    if isinstance(value, str):
        return _PEM.sub(REDACTED, value) if "PRIVATE KEY-----" in value else value
    if isinstance(value, (bytes, bytearray)):
        return redact_private_keys(bytes(value).decode("utf-8", "replace")) if PEM_MARK in value else value
    if isinstance(value, Mapping):
        return {redact_private_keys(key): redact_private_keys(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [redact_private_keys(item) for item in value]
    return value


def _arguments(name: str, arguments: Sequence[Any], depth: int = 1) -> Sequence[Any]:
    """Return arguments without secrets; the same object if there are none."""
    items: list[Any] = []
    for item in arguments:
        if isinstance(item, Mapping):
            items.append(_without_secrets(item) if _is_keywords(name, item) else item)
        elif isinstance(item, str):
            items.append(_without_named_secret(item) if "=" in item else item)
        else:
            items.append(_arguments("arg", item, 0) if depth and isinstance(item, (list, tuple)) else item)
    return items if any(item is not old for item, old in zip(items, arguments, strict=True)) else arguments


def _is_keywords(name: str, item: Any) -> bool:
    # A runner's or wheel's fun_args have the keywords in a plain object; a minion's have Salt's mark.
    return isinstance(item, Mapping) and (name == "fun_args" or "__kwarg__" in item)


def _without_named_secret(text: str) -> str:
    """Return ``password=(redacted)`` for ``password=...``; the same object for other text."""
    named = _NAMED.match(text)
    return f"{named[1]}={REDACTED}" if named is not None and _is_secret(named[1]) else text


def _is_secret(name: Any) -> bool:
    return isinstance(name, str) and (name in SECRET_NAMES or name.startswith(PUBLISH_PREFIX))


def _without_secrets(data: Mapping[Any, Any]) -> dict[Any, Any]:
    try:
        # Every event passes here, and hardly any has secrets: no look at each name.
        clean = SECRET_NAMES.isdisjoint(data) and PUBLISH_PREFIX not in "\n".join(data)
    except TypeError:
        clean = False  # not all names are text
    secrets = [] if clean else [name for name in data if _is_secret(name)]
    if not secrets:
        return data  # type: ignore[return-value]  # unchanged, whatever mapping it is
    return {**data, **dict.fromkeys(secrets, REDACTED)}
