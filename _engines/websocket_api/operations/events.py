"""The event bus: get_event, event, hook."""

from __future__ import annotations

from typing import Any

from ..core.events.encoding import decode
from ..core.events.tags import MINIONS_MARK, is_reserved, is_sendable
from ..core.subscriptions.after import After
from ..core.subscriptions.filters import make
from ..core.subscriptions.wait import Wait
from ..errors import ApiError
from .call import Call, operation
from .commands import publish, require_client
from .masters import masters_wanted
from .subscriptions import position
from .targets import target

ENGINE_FIELDS = ("_user", "_eauth", "_via", "__peer_id")
"""Fields that clients cannot set: the engine adds the first three, so that a reactor knows who sent an event, and a
cluster's master names itself in the last."""

HOOK_TAG = "salt/netapi/hook"
"""As in salt-api. Reactors expect this tag, and know that any outsider may have sent the event."""

HOOK_FIELDS: dict[str, Any] = {"post": {}, "get": {}, "headers": {}, "body": ""}
BODY_ENCODING = "body_encoding"
"""Is set for a body that is not text. Without it, the bytes of the body are UTF-8."""


@operation("get_event")
async def get_event(call: Call) -> Any:
    """Return the next matching event after the last one that this connection got from ``get_event``."""
    filter_ = make(call.message, masters_wanted(call))
    history, positions = call.services.history, call.caller.read_until
    since = call.get("since")
    if since is not None:
        found = position(call, since, filter_)
        # Of positions at several masters it is known now what is missing; else a gap is found in the history.
        is_missing = found.lost or (isinstance(found.filter, After) and not found.recovered)
        if found.place is None or is_missing or not history.has_all_after(found.place):
            raise _gap(history.oldest)
        start, looked = found.place, found.filter
    else:
        start, looked = positions.get(filter_, history.seq), filter_
        if not history.has_all_after(start):
            positions[filter_] = history.oldest - 1  # the next call continues from there
            raise _gap(history.oldest)
    if len(positions) > call.services.settings.limits.subscriptions_per_connection:
        positions.pop(next(iter(positions)))
    positions[filter_] = start
    wait = Wait(call.services.hub, looked, call.session, start)
    try:
        body = await wait.first(call.get("wait", 5), call.caller)
    finally:
        positions[filter_] = wait.position
    if body is None:
        return None
    shown = decode(b"{" + body + b"}")
    return shown if call.get("full") else shown["data"]


def _gap(oldest: int) -> ApiError:
    return ApiError("gap", "the requested events are no longer in the history", {"oldest": oldest})


@operation("event", audited=True)
async def event(call: Call) -> bool:
    """Fire an event on the master's bus, or on the buses of minions."""
    tag, body = call.message["tag"], call.message["body"]
    call.audit_fields["tag"] = tag
    if not is_sendable(tag):
        fault = {"path": "/tag", "message": "must not contain control characters"}
        raise ApiError("bad_message", f"/tag {fault['message']}", [fault])
    if "tgt" in call.message:
        require_client(call, "local_async", "local")
        await publish(call, "event.fire", [body, tag], {}, *target(call.message))
        return True
    own = [name for name in ENGINE_FIELDS if name in body]
    if own:
        faults = [{"path": f"/body/{name}", "message": "is set by the engine"} for name in own]
        raise ApiError("bad_message", f"/body/{own[0]} is set by the engine", faults)
    if body.get("cmd") == MINIONS_MARK:
        fault = {"path": "/body/cmd", "message": "marks events of minions: fire the event on the minion"}
        raise ApiError("bad_message", f"/body/cmd {fault['message']}", [fault])
    if is_reserved(tag):
        raise ApiError("forbidden", "events with this tag are reserved by Salt")
    if not call.permissions.may_fire(tag):
        raise ApiError("forbidden", "this event needs permission: an @fire entry, or .* together with @runner")
    session = call.session
    await call.services.fire(tag, {**body, "_user": session.user, "_eauth": session.eauth, "_via": "websocket_api"})
    return True


@operation("hook", public=True, audited=True)
async def hook(call: Call) -> bool:
    """Fire a webhook as an event for reactors, as salt-api does."""
    services, settings = call.services, call.services.settings
    tag = "/".join([HOOK_TAG, call.get("hook", "").strip("/")]).rstrip("/")
    call.audit_fields["tag"] = tag
    if call.get("token") is not None or call.caller.session is not None or not settings.webhook_disable_auth:
        call.current = await call.authenticate()
    elif not call.caller.hook_counted:
        services.webhook_rate.acquire(call.caller.address)
    if not is_sendable(tag):
        raise ApiError("bad_message", "/hook must not contain control characters")
    data = {name: call.get(name, other) for name, other in HOOK_FIELDS.items()}
    if BODY_ENCODING in call.message:
        data[BODY_ENCODING] = call.message[BODY_ENCODING]
    await services.fire(tag, data)
    return True
