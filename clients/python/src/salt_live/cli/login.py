"""Connect: with a kept token if it is valid, else with a password, else ask for one on a terminal."""

from __future__ import annotations

import contextlib
import getpass
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

from salt_live.async_client import AsyncClient
from salt_live.cli.config import Config
from salt_live.cli.token_file import TokenStore, find_keyring
from salt_live.errors import ConnectionFailed, LoginFailed

Result = TypeVar("Result")


class NoLogin(Exception):
    """There is neither a token nor a password, and nobody to ask."""


class Login:
    """How this run logs in.

    :param keep: whether to keep the token of a login with a password
    :param ask: whether a person can be asked
    """

    def __init__(self, config: Config, *, keep: bool, ask: bool, warn: Callable[[str], None]) -> None:
        self.config = config
        self.store = TokenStore(config.folder / "tokens.json", find_keyring(config.keyring))
        self._keep, self._ask, self._warn = keep, ask, warn

    @contextlib.asynccontextmanager
    async def client(self, *, fresh: bool = False) -> AsyncIterator[AsyncClient]:
        """Connect, and close the connection at the end.

        :param fresh: log in again, also with a valid token
        :raises NoLogin: nothing to log in with
        :raises ConnectionFailed: no connection, or the login is refused
        """
        client = await self._open(fresh=fresh)
        try:
            yield client
        finally:
            await client.close()

    async def _open(self, *, fresh: bool) -> AsyncClient:
        config = self.config
        if config.insecure:
            self._warn("WARNING: --insecure: the server's certificate is NOT checked; others may read your password")
        if not fresh:
            kept = self.store.get(config.url, config.user, config.eauth)
            for token in filter(None, (config.token, kept["token"] if kept and not config.token else None)):
                try:
                    return await self._connect(token=token)
                except LoginFailed as failure:
                    self.store.drop(token)
                    if failure.error is None or failure.error.retryable:
                        raise
        user, password = self._credentials()
        client = await self._connect(username=user, password=password, eauth=config.eauth)
        if self._keep:
            self.store.put(config.url, client.login)
        return client

    def _credentials(self) -> tuple[str, str]:
        config = self.config
        user, password = config.user, config.password
        if not self._ask and not (user and password):
            raise NoLogin("no login: run `salt-live login`, or set SALTAPI_USER and SALTAPI_PASS")
        if not user:
            user = prompt("Username: ") or getpass.getuser()
        if not password:
            password = getpass.getpass(f"Password of {user}: ")
        if not password:
            raise NoLogin("no login: the password is empty")
        return user, password

    async def _connect(self, **credentials: Any) -> AsyncClient:
        config = self.config
        if config.ca and not os.access(config.ca, os.R_OK):
            raise ConnectionFailed(f"cannot read the certificates in {config.ca}")
        client = AsyncClient(config.url, ca=config.ca, insecure=config.insecure, **credentials)
        try:
            await client.connect()
        except BaseException:
            await client.close()
            raise
        return client


def prompt(text: str) -> str:
    """Ask on the terminal; the question goes to stderr, so that stdout stays clean.

    :raises EOFError: there is no answer
    """
    sys.stderr.write(text)
    sys.stderr.flush()
    line = sys.stdin.readline()
    if not line:
        raise EOFError
    return line.strip()


async def with_client(login: Login, use: Callable[[AsyncClient], Awaitable[Result]]) -> Result:
    """Connect, call `use`, and close the connection."""
    async with login.client() as client:
        return await use(client)
