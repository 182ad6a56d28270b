"""salt-api's clients, unmodified (docs/salt-api.md): what rest_cherrypy answers, asked of this engine's operations."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Any

from ...core.delivery.caller import Caller
from ...errors import ERRORS, ApiError, forget_frames
from ...operations.session import give_back
from ..connections import Connections
from ..http import content
from ..http.api import ApiHandler
from ..http.base import COOKIE
from ..http.console import WHERE, Console
from .low_fields import settled
from .lowstate import Askers, run

UNKNOWN = {"unauthenticated", "token_expired"}
"""Faults that say that nobody knows for whom to run a low."""

MAX_LOWS = 1000  # of one request: each that is refused costs an answer, without anything that could be waited for


class SaltHandler(ApiHandler):
    """What all paths have in common: types of bodies and answers, and the cookie."""

    def on_request(self) -> None:
        """Answer in the type that the client prefers, errors too; a client that accepts neither is refused later."""
        with contextlib.suppress(ApiError):
            self.kind = content.accepted(self.request.headers.get("Accept"))
        super().on_request()

    def on_authenticated(self) -> None:
        """Refuse clients that accept none of our types, before anything runs."""
        content.accepted(self.request.headers.get("Accept"))

    def on_refused(self, error: ApiError) -> None:
        """Redirect a browser to the login, and answer programs with the error."""
        if error.status == 401 and self.wants_page():
            self.redirect(self.settings_.app_path or "/app" if self.settings_.app else "/login")
        else:
            super().on_refused(error)

    def wants_page(self) -> bool:
        """Return whether a browser requests a page, and not a program data."""
        return self.request.method in ("GET", "HEAD") and "text/html" in self.request.headers.get("Accept", "").lower()

    async def ask(self, operation: str, **fields: Any) -> Any:
        """Ask for an operation; what Salt does not permit is 401 to these clients, as rest_cherrypy has it.

        Not what an option of this master forbids, which has a status of its own: no other login would help.
        """
        try:
            return await super().ask(operation, **fields)
        except ApiError as error:
            if error.code != "forbidden" or error.status != ERRORS["forbidden"].status:
                raise
            raise error.with_status(401) from None

    async def head(self, *args: str) -> None:
        """Answer as to GET; tornado leaves the body out."""
        answer = self.get(*args)
        if answer is not None:
            await answer

    def reply(self, value: Any) -> None:
        """Answer with a value."""
        self.set_header("Content-Type", self.kind)
        self.set_header("Cache-Control", "private, no-store")
        self.finish(content.encoded(value, self.kind))

    async def sent(self) -> Any:
        """Return what the body holds."""
        return await content.read(self.body, self.request.headers.get("Content-Type"))

    async def lows(self) -> list[Any]:
        """Return the lows of the body, which may be one alone."""
        sent = await self.sent()
        if isinstance(sent, dict):
            return [sent]
        if not isinstance(sent, list):
            raise ApiError("bad_message", "Lowstates must be a list")
        if len(sent) > MAX_LOWS:
            limit = {"limit": "lows", "most": MAX_LOWS}
            raise ApiError("too_large", f"a request has at most {MAX_LOWS} lows", limit)
        return sent

    async def run_lows(self, **fields: Any) -> list[Any]:
        """Run the lows of the body in their order and return their answers.

        One that fails alone fails the request, as do several of which none says who it is for. Else it is answered in
        its place, and the others run: what one of them has started must be told.

        :param fields: what the path says of all of them; a low that states another value is refused
        """
        lows, answers, faults = await self.lows(), [], []
        askers = self.askers(self.by_session and self.session is not None)
        try:
            for low in lows:
                try:
                    named = settled(low, fields) if isinstance(low, dict) else low
                    answers += await run(named, await askers.of(named), self.settings_.clients)
                except ApiError as fault:
                    if len(lows) == 1:
                        raise
                    faults.append(fault)
                    forget_frames(fault)
                    answers.append({"error": fault.code, "message": fault.message, "details": fault.details})
        finally:
            await askers.end()
        if faults and len(faults) == len(lows) and {fault.code for fault in faults} <= UNKNOWN:
            raise faults[0]
        return answers

    def new_caller(self) -> Caller:
        """Return a caller whose arguments are parsed as Salt's own clients parse them."""
        caller = super().new_caller()
        caller.reads_like_salt = True
        return caller

    def askers(self, has_session: bool) -> Askers:
        """Return who the lows of this request run for."""
        return Askers(self.ask, self.log_in_apart, self.give_back, has_session)

    async def give_back(self, token: str) -> None:
        """Revoke a token of :meth:`log_in_apart`; not as this client, who may have gone while its low ran."""
        await asyncio.wait([self.clients.dispatcher.spawn(give_back(self.clients.services, self.address, token))])

    async def log_in_apart(self, **credentials: Any) -> str:
        """Return a token for credentials, on a connection of its own: the session's stays whose it is."""
        return str((await self.login(**credentials))["token"])

    async def login(self, **credentials: Any) -> dict[str, Any]:
        """Return a new token with what is known of it."""
        apart = self.new_caller()
        try:
            answer: dict[str, Any] = await self.clients.dispatcher.call(apart, "auth", **credentials)
            return answer
        finally:
            apart.release()


class RootHandler(SaltHandler):
    """``/``: the Welcome, and lowstate."""

    public = True

    def initialize(self, clients: Connections, console: Console) -> None:  # type: ignore[override]
        """Take what all doors share, and the console."""
        super().initialize(clients)
        self.console = console

    def on_authenticated(self) -> None:
        """Redirect browsers to the web app that the operator named, else to the console."""
        if self.settings_.app and self.wants_page():
            self.redirect(self.settings_.app_path or "/app")
        elif self.console and self.wants_page():
            self.redirect(WHERE)
        else:
            super().on_authenticated()

    def get(self) -> None:
        """Say who is here."""
        self.reply({"return": "Welcome", "clients": list(self.settings_.clients)})

    async def post(self) -> None:
        """Run lowstate."""
        self.reply({"return": await self.run_lows()})


class RunHandler(SaltHandler):
    """``/run``: lowstate without a session; each low names whom it runs for."""

    public = True
    by_session = False

    async def post(self) -> None:
        """Run lowstate."""
        self.reply({"return": await self.run_lows()})


class LoginHandler(SaltHandler):
    """``/login``."""

    public = True
    by_session = False

    def get(self) -> None:
        """Ask to log in."""
        self.set_header("WWW-Authenticate", "Session")
        self.reply({"status": None, "return": "Please log in"})

    async def post(self) -> None:
        """Give a token: in a header, in a cookie and in the body."""
        credentials = _credentials((await self.lows())[:1])
        told = await self.login(**credentials)
        token = told["token"]
        self.set_header("X-Auth-Token", token)
        seconds = max(1, int(told["expire"] - time.time()))
        secure = self.access.is_tls(self.request)
        if not self.access.from_foreign_page(self.request):  # which could have a browser work on in its own name
            self.set_cookie(COOKIE, token, max_age=seconds, httponly=True, samesite="Strict", secure=secure)
        shown = {name: told[name] for name in ("token", "expire", "start", "user", "eauth", "perms")}
        # In Salt's order: names sorted, then what is granted on some minions only.
        names = [entry for entry in told["perms"] if isinstance(entry, str)]
        shown["perms"] = sorted(names) + [entry for entry in told["perms"] if not isinstance(entry, str)]
        self.reply({"return": [shown]})


class LogoutHandler(SaltHandler):
    """``/logout``."""

    async def post(self) -> None:
        """Revoke the token, and forget the cookie."""
        await self.ask("logout")
        self.clear_cookie(COOKIE, httponly=True, samesite="Strict")
        self.reply({"return": "Your token has been cleared"})


class TokenHandler(SaltHandler):
    """``/token``: tokens for ``/run``, without a session."""

    public = True
    by_session = False

    async def post(self) -> None:
        """Give a token for each of the credentials."""
        tokens = [await self.login(**_credentials([low])) for low in await self.lows()]
        self.reply([{name: told[name] for name in ("start", "token", "expire", "name", "eauth")} for told in tokens])


def _credentials(lows: list[Any]) -> dict[str, Any]:
    """Return the credentials that a body holds, for the operation ``auth``."""
    given = lows[0] if lows and isinstance(lows[0], dict) else {}
    credentials = {name: given[name] for name in ("username", "password", "eauth") if given.get(name) is not None}
    lacking = [name for name in ("username", "password") if name not in credentials]
    if lacking:
        faults = [{"path": f"/{name}", "message": "is required"} for name in lacking]
        raise ApiError("bad_message", f"{' and '.join(lacking)} must be given", faults)
    return credentials
