"""What this server can do, for clients that build themselves from it."""

from __future__ import annotations

import dataclasses
from typing import Any

from ..core.delivery.codecs import CODECS, Prepared
from ..errors import CLOSE_CODES, ERRORS
from .call import Call, operation
from .services import Services

SUBPROTOCOLS = list(CODECS)
SUBSCRIPTIONS = ["event", "job", "minions", "batch"]


@operation("describe")
async def describe(call: Call) -> Prepared:
    """Return what is enabled, the limits, and every operation's schema: the same for everybody, so encoded once."""
    services = call.services
    prepared = services.prepared.get("describe")
    if prepared is None:
        prepared = services.prepared["describe"] = Prepared(_described(services))
    return prepared


def _described(services: Services) -> dict[str, Any]:
    return {
        "version": services.version,
        "epoch": services.history.epoch,
        "subprotocols": SUBPROTOCOLS,
        "clients": list(services.settings.clients),
        "limits": dataclasses.asdict(services.settings.limits),
        "operations": services.schemas.operations,
        "subscriptions": SUBSCRIPTIONS,
        "errors": {code: {"retryable": kind.retryable, "meaning": kind.meaning} for code, kind in ERRORS.items()},
        "close_codes": {
            str(code): {"name": kind.name, "reconnect": kind.reconnect, "meaning": kind.meaning}
            for code, kind in CLOSE_CODES.items()
        },
    }
