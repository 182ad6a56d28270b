"""Every message that the engine sends on the native protocol (schemas/frames.json), but for events.

Events are concatenated from encoded parts (core/delivery/codecs.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import ApiError
from ..timing import timestamp

Message = dict[str, Any]
"""A message before it is encoded."""


def result(request_id: int | str | None, value: Any) -> Any:
    """Return the reply of a request that succeeded; without an id the bare result, as early clients expect it."""
    return value if request_id is None else {"id": request_id, "type": "result", "result": value}


def error(request_id: int | str | None, cause: ApiError) -> Message:
    """Return the reply of a request that failed."""
    if request_id is None:
        return {"error": cause.code, "message": cause.message, "details": cause.details}
    return {"id": request_id, "type": "error", "error": error_object(cause)}


def error_object(cause: ApiError) -> dict[str, Any]:
    """Return an error as part of other messages."""
    return {
        "code": cause.code,
        "message": cause.message,
        "details": cause.details,
        "retryable": cause.retryable,
    }


def job(subscription: int, seq: int, view: dict[str, Any], minions: dict[str, Any]) -> Message:
    """Return a job with those of its minions that changed."""
    return _frame("job", subscription, seq=seq, jid=view["jid"], job=view, minions=minions)


def minions(subscription: int, seq: int, changed: dict[str, Any]) -> Message:
    """Return minions that changed; null for one that is gone or no longer visible."""
    return _frame("minions", subscription, seq=seq, minions=changed)


def batch(subscription: int, seq: int, view: dict[str, Any], requests: list[dict[str, Any]]) -> Message:
    """Return a batch with those of its requests that changed."""
    return _frame("batch", subscription, seq=seq, batch=view, requests=requests)


def live(subscription: int, seq: int, position: Mapping[str, Any] | None = None) -> Message:
    """Return the end of a snapshot; changes follow.

    :param position: what to resume from
    """
    return _frame("live", subscription, seq=seq, **({} if position is None else {"position": position}))


def gap(
    subscription: int,
    reason: str,
    *,
    count: int | None,
    first: int | None,
    last: int | None,
    oldest: int,
    times: tuple[float, float] | None = None,
    masters: Mapping[str, Any] | None = None,
) -> Message:
    """Return a report of missing events. Reasons: history, bus, restart, epoch, overflow.

    :param times: when the events were missed, in seconds since the epoch, if it is known
    :param masters: the masters whose events are missing, with the reason for each
    """
    fields: dict[str, Any] = {} if times is None else {"from_time": timestamp(times[0]), "to_time": timestamp(times[1])}
    numbers = {"from": first, "to": last}
    if masters is not None:
        fields["masters"] = masters
    return _frame("gap", subscription, reason=reason, count=count, **numbers, oldest=oldest, **fields)


def bookmark(
    subscription: int,
    epoch: str,
    seq: int,
    since: Mapping[str, Any] | None = None,
    position: Mapping[str, Any] | None = None,
) -> Message:
    """Return a position to resume from, although no event was sent.

    :param since: the position at each master
    :param position: of a subscription to jobs, minions or batches
    """
    fields = {name: value for name, value in (("since", since), ("position", position)) if value is not None}
    return _frame("bookmark", subscription, epoch=epoch, seq=seq, **fields)


def ended(subscription: int, cause: ApiError) -> Message:
    """Return the end of a subscription: its token or permission is gone, or it costs too much."""
    return _frame("ended", subscription, error=error_object(cause))


def _frame(kind: str, subscription: int, **fields: Any) -> Message:
    return {"type": kind, "subscription": subscription, **fields}
