"""What all parts of the asyncio client share: the connection, the login and requests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from salt_live.connection import Connection
from salt_live.event_bus import EventBus
from salt_live.models import Gap
from salt_live.session import Credentials, Session
from salt_live.tls import tls_context
from salt_live.wire import address

Target = str | Sequence[str]


class ClientBase:
    """The connection of an ``AsyncClient``, which describes the arguments."""

    def __init__(
        self,
        url: str | Sequence[str] = "ws://127.0.0.1:8000",
        *,
        username: str | None = None,
        password: str | None = None,
        eauth: str | None = None,
        token: str | None = None,
        ca: str | None = None,
        insecure: bool = False,
        on_gap: Callable[[Gap], None] | None = None,
    ) -> None:
        if not (token or (username and password)):
            raise TypeError("pass a token, or a username and a password")
        addresses = [address(item) for item in ([url] if isinstance(url, str) else url)]
        self.session = Session(Credentials(username, password, eauth, token), addresses=len(addresses))
        self._connection = Connection(self.session, addresses, tls_context(ca, insecure))
        self._bus = EventBus(self._connection, on_gap)

    async def connect(self) -> None:
        """Connect and log in.

        :raises LoginFailed: the engine refused the login
        :raises ConnectionFailed: no address can be reached
        """
        await self._connection.open()

    async def close(self) -> None:
        """Close the connection, and end all requests and streams. The token stays valid."""
        await self._bus.close()
        await self._connection.close()

    async def logout(self) -> None:
        """Revoke the token, and close the connection."""
        await self.request("logout")
        await self.close()

    @property
    def state(self) -> str:
        """``out``, ``connecting``, ``open``, ``waiting`` (for the next attempt) or ``refused``."""
        return self.session.state.value

    @property
    def address(self) -> str | None:
        """The address of the present or last connection; None before the first one."""
        return self.session.address

    @property
    def token(self) -> str | None:
        """The present token. It is secret."""
        return self.session.credentials.token

    @property
    def login(self) -> dict[str, Any]:
        """The result of the last login (``messages.AuthResult``)."""
        return self.session.login

    async def request(self, type: str, /, **fields: Any) -> Any:
        """Send one of the engine's requests, and return its result.

        :param type: the operation, such as ``get_job``; the docs of the engine describe all
        :raises ApiError: the engine answered with an error
        :raises Unknown: a command whose reply was lost; requests that only read are sent again instead
        """
        return await self._connection.request({"type": type, **fields})

    async def _read(self, stream: Any, timeout: float | None) -> AsyncIterator[Any]:
        """Yield what a stream has, as it comes."""
        await self._connection.add(stream)
        try:
            while True:
                while (item := stream.pop()) is not None:
                    yield item
                try:
                    await asyncio.wait_for(self._connection.changed(stream), timeout)
                except asyncio.TimeoutError:
                    return
        finally:
            self._connection.remove(stream)
