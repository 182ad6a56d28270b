"""Logins and tokens: auth, logout, whoami, ping."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from ..core.access.session import Session
from ..errors import ApiError
from ..fair_share import Share, on_behalf_of
from .audit import audit
from .call import Call, operation
from .services import Services

log = logging.getLogger(__name__)

TOKENS = "\0token"
"""The name that invalid tokens are counted under; no account can have it."""


@operation("auth", public=True, audited=True)
async def auth(call: Call) -> dict[str, Any]:
    """Log in with a password or a token. The connection then belongs to this user."""
    if "token" in call.message:
        session = await log_in_with_token(call.services, call.caller.address, call.message["token"])
    else:
        username, eauth = call.message["username"], call.get("eauth") or call.services.settings.eauth
        call.audit_fields.update(user=username, eauth=eauth)
        session = await log_in(call.services, call.caller.address, username, call.message["password"], eauth)
    call.current = session
    before = call.caller.session
    if before is None or before.share != session.share:
        try:
            session.holdings.check_limit("connections", call.services.settings.limits.connections_per_user)
        except ApiError:
            if "token" not in call.message:
                await revoke_temporary(call.services, call.caller.address, session)  # no client learns it
            raise
    call.caller.set_session(session)
    return session.login_reply()


async def log_in_with_token(services: Services, address: str, token: str) -> Session:
    """Return the session of a token that a client logs in with. An invalid token counts as a failed login.

    Tokens are too long to guess. Invalid ones are limited because of the work that they cause. After too many from one
    address, Salt checks one token of this address at a time. So a stale token that is sent again and again does not
    lock out other clients of the address.

    :raises ApiError: unauthenticated, token_expired, forbidden, too_many, master_unavailable
    """
    throttle = services.throttle
    try:
        with on_behalf_of(Share.unauthenticated(address)):
            if services.sessions.has_session(token) or throttle.fault(address, TOKENS) is None:
                return await services.sessions.by_token(token)
            async with throttle.suspects:
                return await services.sessions.by_token(token)
    except ApiError as error:
        if error.code != "unauthenticated":
            raise
        services.hub.counters.login_failures += 1
        throttle.check(address, TOKENS)
        throttle.failed(address, TOKENS)
        raise


async def log_in(services: Services, address: str, username: str, password: str, eauth: str) -> Session:
    """Return the session of a new token for a password. Failures are counted, and delay the next login.

    :raises ApiError: unauthenticated, forbidden, too_many, master_unavailable
    """
    services.throttle.check(address, username)
    await asyncio.sleep(services.throttle.delay(username))
    async with services.throttle.slot(address):
        services.throttle.check(address, username)
        try:
            with on_behalf_of(Share.unauthenticated(address)):
                return await services.sessions.login(username, password, eauth)
        except ApiError as error:
            if error.code == "unauthenticated":
                services.throttle.failed(address, username)
                services.hub.counters.login_failures += 1
            raise


async def revoke_temporary(services: Services, address: str, temporary: Session | str) -> None:
    """Revoke a token that was created for one request, and that no client has.

    :param temporary: the token, or its session
    """
    session, outcome = None if isinstance(temporary, str) else temporary, "ok"
    try:
        with on_behalf_of(Share.unauthenticated(address)):
            session = session or await services.sessions.by_token(str(temporary))
            # Nothing to end: its connection is closing already.
            await services.sessions.revoke(session, then=lambda end: None)
    except ApiError as error:
        if session is None and error.code in ("unauthenticated", "token_expired"):
            return  # it has expired
        outcome = error.code
        log.warning("a token that was created for a password could not be revoked: %s", error.message)
    audit(session, address, "logout", outcome, {})


@operation("logout", audited=True)
async def logout(call: Call) -> bool:
    """Revoke the token in Salt, and end all connections and subscriptions that use it."""
    session = call.session
    # The reply goes first, because the end of the session closes the connection.
    await call.services.sessions.revoke(session, call.after_reply.append)
    return True


@operation("whoami")
async def whoami(call: Call) -> dict[str, Any]:
    """Return the user and their permissions."""
    session, permissions = call.session, call.permissions
    return {
        "user": session.user,
        "eauth": session.eauth,
        "start": session.start,
        "expire": session.expire,
        "perms": permissions.auth_list,
        "can": {
            "all": permissions.everything,
            "events": permissions.tags("@events"),
            "fire": permissions.tags("@fire"),
            "jobs": permissions.everything or call.services.visibility.sees_all_jobs(call.viewer),
            "keys": permissions.lists_keys,
        },
    }


@operation("ping")
async def ping(call: Call) -> dict[str, Any]:
    """Return the server's time, and its position in the history of events."""
    services, history = call.services, call.services.history
    return {"time": services.wall(), "version": services.version, "epoch": history.epoch, "seq": history.seq}
