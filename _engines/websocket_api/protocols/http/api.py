"""What all doors over HTTP share: who comes, from where, and operations asked for in their name."""

from __future__ import annotations

from typing import Any

from ...core.access.sessions import Session
from ...core.delivery.caller import Caller
from ...errors import ApiError, forget_frames
from ...operations.audit import audit
from ...operations.session import take_up
from ..connections import GOODBYE, Connections
from .base import Base, handshake_token, refuse

READING = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing: a foreign page may make a browser send them, and cannot read the answer."""


class ApiHandler(Base):
    """A request of some door over HTTP.

    A door implements ``get``, ``post`` ... with :meth:`ask`; an :class:`ApiError` that they raise is answered with its
    status (errors.py). Without a valid token the answer is 401, unless ``public`` is True.
    """

    public = False
    by_session = True
    """Whether something is done for the session's user; where not, somebody's old cookie is as good as none."""
    from_anywhere = READING
    """Methods that are taken by cookie from whatever page."""

    def initialize(self, clients: Connections) -> None:
        """Take what all doors share."""
        self.clients = clients
        self.session: Session | None = None
        self.address = "unknown"
        self.caller: Caller | None = None

    @property
    def settings_(self) -> Any:
        """The engine's options; ``settings`` is tornado's."""
        return self.clients.services.settings

    async def prepare(self) -> None:
        """Decide who may come, and how much may be sent."""
        self.address = self.access.client(self.request)
        if self.request.method == "OPTIONS":
            return
        try:
            self._refuse_coded_body()
            self.came()
            if self.clients.closing:
                raise ApiError("master_unavailable", GOODBYE)
            await self._log_in()
            self.prepared()
        except ApiError as fault:
            self.refused(fault)
            forget_frames(fault)

    def came(self) -> None:
        """Look at what a request's head says before any token is looked at.

        :raises ApiError: what the head asks for cannot be had
        """

    def prepared(self) -> None:
        """Look at the rest of what a request's head says; the door may finish the request here.

        :raises ApiError: what the head asks for cannot be had
        """

    def refused(self, fault: ApiError) -> None:
        """Answer a request that is refused for its head."""
        refuse(self, fault.status, fault)

    async def ask(self, operation: str, **fields: Any) -> Any:
        """Ask for an operation in the name of who sent the request, and return its result.

        :raises ApiError: whatever the sender is to be told
        """
        assert self.caller is not None  # noqa: S101 - prepare() made it, or ended the request
        return await self.clients.dispatcher.call(self.caller, operation, **fields)

    def from_our_page(self) -> bool:
        """Tell whether a page of ours, or of ``cors_origin``, sent this."""
        return self.access.from_our_page(self.request)

    def on_connection_close(self) -> None:
        """Wait for nothing any more: the client has gone."""
        super().on_connection_close()
        self._let_go()

    def on_finish(self) -> None:
        """Let go of everything."""
        self._let_go()

    def new_caller(self) -> Caller:
        """Return who sends this request."""
        return Caller(self.address)

    def brought(self) -> tuple[str | None, bool]:
        """Return the token that the request carries, and whether it is only the cookie's."""
        return handshake_token(self.request)

    def _refuse_coded_body(self) -> None:
        """Refuse a body that is compressed: nothing here unpacks it, and a few bytes can stand for very many.

        :raises ApiError: with status 415 (RFC 9110 section 15.5.16)
        """
        codings = self.request.headers.get("Content-Encoding", "").lower().replace(",", " ").split()
        if any(coding != "identity" for coding in codings):
            self.set_header("Accept-Encoding", "identity")
            raise ApiError("bad_message", "send the body without Content-Encoding", status=415)

    async def _log_in(self) -> None:
        limits = self.settings_.limits
        token, by_cookie = self.brought()
        fault: ApiError | None = None
        if by_cookie and self.request.method not in self.from_anywhere and not self.from_our_page():
            if self.by_session:
                how = "with a session cookie requests are taken from our own pages only: programs send X-Auth-Token"
                raise ApiError("forbidden", how)
            token = None
        if token is not None:
            try:
                self.session = await take_up(self.clients.services, self.address, token)
            except ApiError as refused:
                audit(None, self.address, "auth", refused.code, {})
                fault = refused
                forget_frames(fault)
        elif not self.public:
            fault = ApiError("unauthenticated", "log in first: no token was sent")
        if fault is not None and not self.public:
            raise fault
        full = self.clients.exceeded(self.address, self.session)
        if full is not None:
            raise ApiError("too_many", f"limit reached: {full}", {"limit": full})
        self.caller = self.new_caller()
        self.clients.add(self.caller)
        if self.session is not None:
            self.caller.set_session(self.session)
            self.clients.note_login(self.caller)
        self.most_body = limits.message_bytes if self.session is not None else limits.message_bytes_before_auth

    def _let_go(self) -> None:
        if self.caller is not None:
            self.clients.remove(self.caller)
            self.caller.release()
