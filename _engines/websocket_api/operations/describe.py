"""describe: what this server can do, for clients that configure themselves."""

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
    """Return the options, the limits and the schemas of all operations: the same for all users, so encoded once."""
    services = call.services
    prepared = services.prepared.get("describe")
    if prepared is None:
        prepared = services.prepared["describe"] = Prepared(_described(services))
    return prepared


def _described(services: Services) -> dict[str, Any]:
    return {
        "version": services.version,
        "master": dataclasses.asdict(services.about),
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
