"""salt-api's paths for logins and lowstate (docs/salt-api.md), with the answers of rest_cherrypy."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator
from typing import Any

from ...core.access.memory import Memory, Taken
from ...core.delivery.caller import Caller
from ...errors import ERRORS, ApiError, forget_frames
from ...operations.session import revoke_temporary
from ..connections import Connections
from ..http import content
from ..http.api import ApiHandler
from ..http.base import COOKIE
from ..http.console import WHERE, Console
from .logins import LowLogins
from .low_fields import with_path_fields
from .lowstate import run

NO_LOGIN = {"unauthenticated", "token_expired"}
"""Errors of a low without a valid login."""

MAX_LOWS = 1000  # of one request: each refused low costs an answer, and no other limit applies to it


class SaltHandler(ApiHandler):
    """The base of all paths: types of bodies and answers, lowstate, and the cookie."""

    _is_checked = False
    """Whether the present low's user was found to have memory left. A low that has begun runs to its end."""

    def on_request(self) -> None:
        """Choose the client's preferred type for answers and errors. Clients that accept none are refused later."""
        with contextlib.suppress(ApiError):
            self.kind = content.accepted(self.request.headers.get("Accept"))
        super().on_request()

    def on_authenticated(self) -> None:
        """Refuse clients that accept none of the types, before anything runs."""
        content.accepted(self.request.headers.get("Accept"))

    def on_refused(self, error: ApiError) -> None:
        """Redirect a browser to the login, and answer programs with the error."""
        if error.status == 401 and self.wants_page():
            self.redirect(self.settings_.app_path or "/app" if self.settings_.app else "/login")
        else:
            super().on_refused(error)

    def wants_page(self) -> bool:
        """Return whether a browser requests a page; programs request data."""
        return self.request.method in ("GET", "HEAD") and "text/html" in self.request.headers.get("Accept", "").lower()

    async def ask(self, operation: str, **fields: Any) -> Any:
        """Run an operation. If Salt does not permit it, the status is 401, as in rest_cherrypy.

        If an option of this master forbids it, the error keeps its own status: another login would not help.
        """
        try:
            return await super().ask(operation, **fields)
        except ApiError as error:
            if error.code != "forbidden" or error.status != ERRORS["forbidden"].status:
                raise
            raise error.with_status(401) from None

    async def ask_and_count(self, operation: str, **fields: Any) -> Any:
        """Run an operation for a low, and count what its job returned: it stays until the request is answered.

        :raises ApiError: the operation's error; too_many if the low's user takes too much memory when the low begins
        """
        services, token = self.clients.services, fields.get("token")
        if not self._is_checked and (memory := self._user_memory(token)) is not None:
            memory.check()
        self._is_checked = True
        result = await self.ask(operation, **fields)
        if fields.get("mode") == "sync" and isinstance(result, dict):
            job, memory = services.jobs.get(result.get("jid")), self._user_memory(token)
            if job is not None and memory is not None:
                self.answers.setdefault(memory, Taken(memory)).add(job.memory)
        return result

    def _user_memory(self, token: str | None) -> Memory | None:
        """Return the memory of a low's user: that of its own token, or else of the session; None if unknown."""
        if token is not None:
            return self.clients.services.sessions.memory_of(token)
        return None if self.session is None else self.session.holdings.memory

    async def head(self, *args: str) -> None:
        """Answer as GET does; tornado omits the body."""
        answer = self.get(*args)
        if answer is not None:
            await answer

    async def reply(self, value: Any) -> None:
        """Answer with a value. A large one is encoded in steps, in turns with other users.

        :raises ApiError: the client has left, or its user takes too much memory
        """
        await self.reply_in_steps(content.steps(value, self.kind))

    async def reply_in_steps(self, steps: Iterator[bytes]) -> None:
        """Answer with an encoded value, in turns with other users.

        :raises ApiError: the client has left, or its user takes too much memory
        """
        self.set_header("Content-Type", self.kind)
        self.set_header("Cache-Control", "private, no-store")
        await self.finish_in_steps(steps)

    async def body_value(self) -> Any:
        """Return the parsed body."""
        return await self.read_value()

    async def lows(self) -> list[Any]:
        """Return the lows of the body, which may be a single one without a list."""
        value = await self.body_value()
        if isinstance(value, dict):
            return [value]
        if not isinstance(value, list):
            raise ApiError("bad_message", "Lowstates must be a list")
        if len(value) > MAX_LOWS:
            limit = {"limit": "lows", "most": MAX_LOWS}
            raise ApiError("too_large", f"a request has at most {MAX_LOWS} lows", limit)
        return value

    async def run_lows(self, **fields: Any) -> list[Any]:
        """Run the lows of the body in order, and return their answers.

        A failed low fails the request if it is the only one, or if no low has a valid login. Otherwise its error is
        the answer in its place, and the others run: the client must learn which jobs they have started.

        :param fields: values that the path sets for every low; a low with another value is refused
        """
        lows, answers, errors = await self.lows(), [], []
        logins = self.logins(self.by_session and self.session is not None)
        try:
            for low in lows:
                try:
                    self._is_checked = False
                    whole = with_path_fields(low, fields) if isinstance(low, dict) else low
                    answers += await run(whole, await logins.ask_for(whole), self.settings_.clients)
                except ApiError as error:
                    if len(lows) == 1:
                        raise
                    errors.append(error)
                    forget_frames(error)
                    answers.append({"error": error.code, "message": error.message, "details": error.details})
        finally:
            await logins.end()
        if errors and len(errors) == len(lows) and {error.code for error in errors} <= NO_LOGIN:
            raise errors[0]
        return answers

    def new_caller(self) -> Caller:
        """Return a caller whose arguments are parsed as Salt's own clients parse them."""
        caller = super().new_caller()
        caller.reads_like_salt = True
        return caller

    def logins(self, has_session: bool) -> LowLogins:
        """Return the logins for the lows of this request."""
        return LowLogins(self.ask_and_count, self.create_token, self.revoke_token, has_session)

    async def create_token(self, **credentials: Any) -> str:
        """Return a token for credentials; the request's own session does not change."""
        return str((await self.log_in_with(**credentials))["token"])

    async def revoke_token(self, token: str) -> None:
        """Revoke a token of :meth:`create_token`, even if the client has left while its low ran."""
        await asyncio.wait(
            [self.clients.dispatcher.spawn(revoke_temporary(self.clients.services, self.address, token))]
        )

    async def log_in_with(self, **credentials: Any) -> dict[str, Any]:
        """Return a new token with its user, times and permissions."""
        caller = self.new_caller()
        try:
            answer: dict[str, Any] = await self.clients.dispatcher.call(caller, "auth", **credentials)
            return answer
        finally:
            caller.release()


class RootHandler(SaltHandler):
    """``/``: the welcome message, and lowstate."""

    public = True

    def initialize(self, clients: Connections, console: Console) -> None:  # type: ignore[override]
        """Keep what all protocols share, and the console."""
        super().initialize(clients)
        self.console = console

    def on_authenticated(self) -> None:
        """Redirect browsers to the operator's web app, or else to the console."""
        if self.settings_.app and self.wants_page():
            self.redirect(self.settings_.app_path or "/app")
        elif self.console and self.wants_page():
            self.redirect(WHERE)
        else:
            super().on_authenticated()

    async def get(self) -> None:
        """Answer with the enabled clients."""
        await self.reply({"return": "Welcome", "clients": list(self.settings_.clients)})

    async def post(self) -> None:
        """Run lowstate."""
        await self.reply({"return": await self.run_lows()})


class RunHandler(SaltHandler):
    """``/run``: lowstate without a session; each low has its own login."""

    public = True
    by_session = False

    async def post(self) -> None:
        """Run lowstate."""
        await self.reply({"return": await self.run_lows()})


class LoginHandler(SaltHandler):
    """``/login``."""

    public = True
    by_session = False

    async def get(self) -> None:
        """Ask for a login."""
        self.set_header("WWW-Authenticate", "Session")
        await self.reply({"status": None, "return": "Please log in"})

    async def post(self) -> None:
        """Return a token: in a header, in a cookie and in the body."""
        login = await self.log_in_with(**_credentials((await self.lows())[:1]))
        self.set_header("X-Auth-Token", login["token"])
        if not self.access.from_foreign_page(self.request):  # it must not change who the browser's user is here
            seconds = max(1, int(login["expire"] - time.time()))
            secure = self.access.is_tls(self.request)
            self.set_cookie(COOKIE, login["token"], max_age=seconds, httponly=True, samesite="Strict", secure=secure)
        answer = {name: login[name] for name in ("token", "expire", "start", "user", "eauth")}
        # In Salt's order: sorted names, then permissions for some minions only.
        names = sorted(entry for entry in login["perms"] if isinstance(entry, str))
        answer["perms"] = names + [entry for entry in login["perms"] if not isinstance(entry, str)]
        await self.reply({"return": [answer]})


class LogoutHandler(SaltHandler):
    """``/logout``."""

    async def post(self) -> None:
        """Revoke the token, and clear the cookie."""
        await self.ask("logout")
        self.clear_cookie(COOKIE, httponly=True, samesite="Strict")
        await self.reply({"return": "Your token has been cleared"})


class TokenHandler(SaltHandler):
    """``/token``: tokens for ``/run``, without a session."""

    public = True
    by_session = False

    async def post(self) -> None:
        """Return a token for each of the credentials."""
        logins = [await self.log_in_with(**_credentials([low])) for low in await self.lows()]
        fields = ("start", "token", "expire", "name", "eauth")
        await self.reply([{name: login[name] for name in fields} for login in logins])


def _credentials(lows: list[Any]) -> dict[str, Any]:
    """Return the credentials of the first low, for the operation ``auth``."""
    given = lows[0] if lows and isinstance(lows[0], dict) else {}
    credentials = {name: given[name] for name in ("username", "password", "eauth") if given.get(name) is not None}
    missing = [name for name in ("username", "password") if name not in credentials]
    if missing:
        faults = [{"path": f"/{name}", "message": "is required"} for name in missing]
        raise ApiError("bad_message", f"{' and '.join(missing)} must be given", faults)
    return credentials
