"""The puppetmaster's words: its batch and request objects, made of the native ones, and the frames of its websocket."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...core.batches.ids import request_id
from ...core.delivery.codecs import OneByOne
from ...core.delivery.decoding import read_json
from ...core.events.encoding import encode
from ...core.events.event import Event
from ...errors import ApiError

MAX_IDS = 100  # a larger batch has its ids in the first object that a websocket sends, and not in the later ones
MAX_ID_TEXT = 40  # characters of an unknown id that are repeated to the client
BATCH_NAMES = {
    "created_at": "createdAt",
    "finished_at": "finishedAt",
    "total_count": "totalCount",
    "done_count": "doneCount",
    "error_count": "errorCount",
}
"""Fields of a batch whose names differ from the native ones."""


def batch_object(batch: dict[str, Any]) -> dict[str, Any]:
    """Return the puppetmaster's batch object.

    :param batch: a native batch, with or without ``requests``
    """
    value: dict[str, Any] = {}
    for name, field in batch.items():
        value[BATCH_NAMES.get(name, name)] = field
        if name == "done_count":
            value["finishCount"] = field
    if "requests" in batch:
        value["requests"] = [one if isinstance(one, int) else request_object(one) for one in batch["requests"]]
    return value


def request_object(request: dict[str, Any]) -> dict[str, Any]:
    """Return the puppetmaster's request object.

    :param request: a native request
    """
    arg, kwarg = request["arg"], request["kwarg"]
    value = {
        "id": request["id"],
        "method": request["method"],
        "resource": request["resource"],
        "data": {**kwarg, "__args": arg} if arg else kwarg,
        "fun": request["fun"],
    }
    if "tunnel" in request:
        value["tunnel"] = request["tunnel"]
    value["__request"] = {
        "createdAt": request["created_at"],
        "destination": request["minion"],
        "finishedAt": request["finished_at"],
        **{name: request[name] for name in ("status", "progress", "result", "retcode", "message", "jid")},
    }
    return value


def not_found(kind: str, id_: str) -> ApiError:
    """Return the puppetmaster's error for an unknown id.

    :param kind: batch or request
    """
    return ApiError("not_found", f"Can't find {kind} id: {id_[:MAX_ID_TEXT]}")


class BatchCodec(OneByOne):
    """Turns the frames of a subscription into batch objects, which are all that these clients know.

    :param over: called with the error when the subscription ends: the websocket closes, because the format has no
        message for it
    """

    name = "puppetmaster"
    binary = False

    def __init__(self, over: Callable[[dict[str, Any]], None]) -> None:
        self._over = over
        self._known: set[int] = set()
        """Batches whose ids this client has."""

    def forget(self) -> None:
        """Call ``over`` no more: the client is gone."""
        self._over = lambda error: None

    def encode(self, value: Any) -> bytes:
        """Return the object of a batch frame, and nothing for other messages."""
        if not isinstance(value, dict) or "subscription" not in value:
            return b""
        if value.get("type") == "ended":
            self._over(value["error"])
        if value.get("type") != "batch":
            return b""
        batch = dict(value["batch"])
        if value["requests"]:
            batch["requests"] = value["requests"]
        elif batch["total_count"] <= MAX_IDS or batch["id"] not in self._known:
            batch["requests"] = [request_id(batch["id"], index) for index in range(batch["total_count"])]
        self._known.add(batch["id"])
        return encode(batch_object(batch))

    def decode(self, data: str | bytes) -> Any:
        """Return the message of a client."""
        return read_json(data) if isinstance(data, str) else None

    def body(self, event: Event, body: bytes) -> bytes:
        """Return nothing: these clients get no events."""
        return b""

    def event(self, number: int, body: bytes) -> bytes:
        """Return nothing."""
        return b""

    def events(self, number: int, bodies: Any) -> bytes:
        """Return nothing."""
        return b""
