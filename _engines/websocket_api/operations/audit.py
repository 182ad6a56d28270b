"""The audit log: one line per action, with user, address, operation and outcome. Never a secret."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any

from ..core.access.session import Session

log = logging.getLogger("websocket_api.audit")

MAX_CHARACTERS = 256  # of one value: a target can have 10,000 ids


def audit(session: Session | None, address: str, operation: str, outcome: str, audit_fields: Mapping[str, Any]) -> None:
    """Write a line.

    :param session: the user's session; None if the user is unknown
    :param outcome: ``ok`` or the code of the error
    :param audit_fields: ``fun``, ``tgt``, ``tag``, ``jid``, ``batch``; ``user`` and ``eauth`` of a login
    """
    if not log.isEnabledFor(logging.INFO):
        return
    user = audit_fields.get("user") if session is None else session.user
    eauth = audit_fields.get("eauth") if session is None else session.eauth
    fields = {"user": user, "eauth": eauth, "address": address, "operation": operation}
    fields |= {
        name: audit_fields[name] for name in ("fun", "tgt", "tag", "jid", "batch", "arg") if name in audit_fields
    }
    fields["outcome"] = outcome
    log.info("%s", " ".join(f"{name}={_value(value)}" for name, value in fields.items()))


def _value(value: Any) -> str:
    """Return one word, or a JSON string. So no value can look like another line or field."""
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    text = text if len(text) <= MAX_CHARACTERS else text[:MAX_CHARACTERS] + "..."
    return text if text.isascii() and text.isprintable() and text and not set(text) & set(' "=') else json.dumps(text)
