"""Every message that the engine sends on the native door, built in one place (schemas/frames.json).

But for events, which are put together from encoded parts (core/delivery/codecs.py).
"""

from __future__ import annotations

from typing import Any

from ...errors import ApiError

Message = dict[str, Any]
"""A message before it is encoded."""


def result(request_id: int | str | None, value: Any) -> Any:
    """A request succeeded; without an id the bare result, as this API's first clients expect it."""
    return value if request_id is None else {"id": request_id, "type": "result", "result": value}


def error(request_id: int | str | None, fault: ApiError) -> Message:
    """A request failed."""
    if request_id is None:
        return {"error": fault.code, "message": fault.message, "details": fault.details}
    return {"id": request_id, "type": "error", "error": error_object(fault)}


def error_object(fault: ApiError) -> dict[str, Any]:
    """An error as it stands inside other messages."""
    return {"code": fault.code, "message": fault.message, "details": fault.details, "retryable": fault.retryable}


def job(subscription: int, seq: int, view: dict[str, Any], minions: dict[str, Any]) -> Message:
    """A job, with those of its minions that changed."""
    return _frame("job", subscription, seq=seq, jid=view["jid"], job=view, minions=minions)


def minions(subscription: int, seq: int, changed: dict[str, Any]) -> Message:
    """Minions that changed; null for one that is gone, or may no longer be seen."""
    return _frame("minions", subscription, seq=seq, minions=changed)


def batch(subscription: int, seq: int, view: dict[str, Any], requests: list[dict[str, Any]]) -> Message:
    """A batch, with those of its requests that changed."""
    return _frame("batch", subscription, seq=seq, batch=view, requests=requests)


def live(subscription: int, seq: int) -> Message:
    """The snapshot ends here; what follows are changes."""
    return _frame("live", subscription, seq=seq)


def gap(
    subscription: int, reason: str, *, count: int | None, first: int | None, last: int | None, oldest: int
) -> Message:
    """Events are missing here. Reasons: history, bus, epoch, overflow."""
    return _frame("gap", subscription, reason=reason, count=count, **{"from": first, "to": last}, oldest=oldest)


def bookmark(subscription: int, epoch: str, seq: int) -> Message:
    """Everything up to ``seq`` has been looked at: where to resume although nothing was sent."""
    return _frame("bookmark", subscription, epoch=epoch, seq=seq)


def ended(subscription: int, fault: ApiError) -> Message:
    """The subscription is over, because its token or the permission is gone, or what it asks for costs too much."""
    return _frame("ended", subscription, error=error_object(fault))


def _frame(kind: str, subscription: int, **fields: Any) -> Message:
    return {"type": kind, "subscription": subscription, **fields}
