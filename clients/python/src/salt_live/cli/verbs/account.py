"""Log in and out, and show who you are."""

from __future__ import annotations

import time

from salt_live.async_client import AsyncClient
from salt_live.cli import exit_codes
from salt_live.cli.text import visible
from salt_live.cli.verbs.context import Context
from salt_live.errors import LoginFailed


async def login(context: Context) -> int:
    """Log in and keep the token."""
    async with context.login.client(fresh=True) as client:
        found = client.login
    context.screen.line(f"logged in as {visible(found['user'])} ({found['eauth']}) until {_time(found['expire'])}")
    return exit_codes.OK


async def logout(context: Context) -> int:
    """Revoke the kept token, and forget it."""
    config, store = context.login.config, context.login.store
    kept = store.get(config.url, config.user, config.eauth)
    if kept is None:
        context.screen.line("not logged in")
        return exit_codes.OK
    try:
        async with AsyncClient(config.urls, token=kept["token"], ca=config.ca, insecure=config.insecure) as client:
            await client.request("logout", token=kept["token"])
    except LoginFailed:
        pass  # it was revoked already
    store.drop(kept["token"])
    context.screen.line(f"logged out {visible(str(kept['user']))}")
    return exit_codes.OK


async def whoami(context: Context) -> int:
    """Write the user, the end of the token, and the permissions."""
    async with context.login.client() as client:
        found = await client.request("whoami")
    if context.screen.form:
        context.screen.returned(found)
        return exit_codes.OK
    left = max(0, int(found["expire"] - time.time())) // 60
    context.screen.line(f"{visible(found['user'])} ({found['eauth']}), until {_time(found['expire'])}, {left} minutes")
    context.screen.returned({"permissions": found["perms"]})
    return exit_codes.OK


def _time(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
