"""Connect: with a kept token if it is valid, else with a password, else ask for one on a terminal."""

from __future__ import annotations

import contextlib
import getpass
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

from salt_live.async_client import AsyncClient
from salt_live.cli.config import Config
from salt_live.cli.token_file import TokenStore, find_keyring
from salt_live.errors import LoginFailed

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
        token = client.token
        try:
            yield client
        finally:
            if client.token not in (token, None) and self._keep:  # the login ended meanwhile, and was renewed
                self.store.put(self.config.url, client.login)
            await client.close()

    async def _open(self, *, fresh: bool) -> AsyncClient:
        config = self.config
        if config.insecure:
            self._warn("WARNING: --insecure: the server's certificate is NOT checked; others may read your password")
        if not fresh:
            kept = self.store.get(config.url, config.user, config.eauth)
            for token in filter(None, (config.token, kept["token"] if kept and not config.token else None)):
                try:
                    client = await self._connect(token=token, **self._given())
                except LoginFailed as failure:
                    if failure.error is None or failure.error.retryable:
                        raise
                    self.store.drop(token)
                    continue
                return client if client.token == token else self._renewed(client, token)
        user, password = self._credentials()
        client = await self._connect(username=user, password=password, eauth=config.eauth)
        return self._renewed(client)

    def _renewed(self, client: AsyncClient, refused: str | None = None) -> AsyncClient:
        """Keep the token of a new login, in place of one that was refused."""
        if refused:
            self.store.drop(refused)
        if self._keep:
            self.store.put(self.config.url, client.login)
        return client

    def _given(self) -> dict[str, Any]:
        """Return the password if there is one: it renews a login that ends, also during a command."""
        config = self.config
        if not (config.user and config.password):
            return {}
        return {"username": config.user, "password": config.password, "eauth": config.eauth}

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
        client = AsyncClient(config.urls, ca=config.ca, insecure=config.insecure, **credentials)
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
