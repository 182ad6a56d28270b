"""describe: what this server can do, for clients that configure themselves."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from ..core.delivery.codecs import CODECS, Prepared
from ..core.timing import timestamp
from ..errors import CLOSE_CODES, ERRORS
from .call import Call, operation
from .services import OtherMaster, Services

SUBPROTOCOLS = list(CODECS)
SUBSCRIPTIONS = ["event", "job", "minions", "batch"]


@operation("describe")
async def describe(call: Call) -> Prepared:
    """Return the options, the limits and the schemas of all operations: the same for all users, so encoded once."""
    services = call.services
    masters = services.masters()
    key = f"describe {sorted(masters.items())}"
    prepared = services.prepared.get(key)
    if prepared is None:
        for old in [name for name in services.prepared if name.startswith("describe ")]:
            del services.prepared[old]
        prepared = services.prepared[key] = Prepared(_described(services, masters))
    return prepared


def _described(services: Services, masters: Mapping[str, OtherMaster]) -> dict[str, Any]:
    return {
        "version": services.version,
        "master": dataclasses.asdict(services.about),
        "masters": {name: _other(one) for name, one in masters.items()},
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


def _other(master: OtherMaster) -> dict[str, Any]:
    seen = {} if master.seen is None else {"seen": timestamp(master.seen)}
    return {"stale": not master.works, **seen}
