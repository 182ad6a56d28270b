"""One line in the log for each act: who did what, from where, with which outcome. Never an argument, never a secret."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any

from ..core.access.sessions import Session

log = logging.getLogger("websocket_api.audit")

MOST_CHARACTERS = 256  # of one value: a target can be ten thousand ids long


def audit(session: Session | None, address: str, operation: str, outcome: str, noted: Mapping[str, Any]) -> None:
    """Write the line.

    :param session: who acted, or None for who could not be told
    :param outcome: ``ok`` or the code of the error
    :param noted: of ``user``, ``eauth`` (of a login), ``fun``, ``tgt``, ``tag``, ``jid``, ``batch`` what applies
    """
    user = noted.get("user") if session is None else session.user
    eauth = noted.get("eauth") if session is None else session.eauth
    fields = {"user": user, "eauth": eauth, "address": address, "operation": operation}
    fields |= {name: noted[name] for name in ("fun", "tgt", "tag", "jid", "batch", "arg") if name in noted}
    fields["outcome"] = outcome
    log.info("%s", " ".join(f"{name}={_value(value)}" for name, value in fields.items()))


def _value(value: Any) -> str:
    """One word, or a JSON string: so that nothing from outside can look like a line or a field of its own."""
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    text = text if len(text) <= MOST_CHARACTERS else text[:MOST_CHARACTERS] + "..."
    return text if text.isascii() and text.isprintable() and text and not set(text) & set(' "=') else json.dumps(text)
