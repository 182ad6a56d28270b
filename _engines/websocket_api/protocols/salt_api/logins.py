"""The logins for the lows of one request."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from typing import Any

from ...errors import ApiError
from .low_fields import Low

Ask = Callable[..., Awaitable[Any]]
"""``await ask(operation, **fields)``."""

CREDENTIALS = ("token", "username", "password", "eauth")
_TOKEN = re.compile(r"[0-9a-fA-F]{32,128}")


class LowLogins:
    """Chooses the login for each low of a request: the low's own, or the session's.

    Salt checks a low's own name and password each time. Here all lows with the same credentials share a token, which
    ends with the request.

    :param ask: runs operations for the session, if there is one
    :param log_in: ``await log_in(username=, password=, eauth=)`` returns a token, and does not change the session
    :param revoke: ``await revoke(token)`` ends a token, even if the client has left
    :param has_session: whether the request itself has a login
    """

    def __init__(
        self,
        ask: Ask,
        log_in: Callable[..., Awaitable[str]],
        revoke: Callable[[str], Awaitable[None]],
        has_session: bool,
    ) -> None:
        self._ask = ask
        self._log_in = log_in
        self._revoke = revoke
        self._has_session = has_session
        self._tokens: dict[str, str] = {}

    async def ask_for(self, low: Any) -> Ask:
        """Return the function that runs operations for a low's user.

        :raises ApiError: ``unauthenticated``, ``bad_message``, and the errors of a login
        """
        fields = low if isinstance(low, dict) else {}
        if fields.get("token"):
            return self._ask_with(fields["token"])
        if "username" in fields or "password" in fields:
            return self._ask_with(await self._token_for(fields))
        if not self._has_session:
            raise ApiError("unauthenticated", "No authentication credentials given")
        return self._ask

    async def end(self) -> None:
        """Revoke the tokens that this request created."""
        tokens, self._tokens = list(self._tokens.values()), {}
        for token in tokens:
            await self._revoke(token)

    def _ask_with(self, token: Any) -> Ask:
        if not isinstance(token, str) or not _TOKEN.fullmatch(token):
            raise ApiError("unauthenticated", "Invalid token")

        async def ask(operation: str, **fields: Any) -> Any:
            return await self._ask(operation, token=token, **fields)

        return ask

    async def _token_for(self, low: Low) -> str:
        credentials = {name: low[name] for name in ("username", "password", "eauth") if low.get(name) is not None}
        key = json.dumps(credentials, sort_keys=True)
        if key not in self._tokens:
            self._tokens[key] = await self._log_in(**credentials)
        return self._tokens[key]
