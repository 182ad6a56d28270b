"""The base of handlers that run operations over plain HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...core.access.memory import Memory, Taken, body_bytes
from ...core.access.session import Session
from ...core.delivery.caller import Caller
from ...core.delivery.collected import Collected
from ...errors import ApiError, forget_frames
from ...operations.audit import audit
from ...operations.session import log_in_with_token
from ...tracing import trace_context
from . import content
from .base import BaseHandler

READING = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing: a foreign page may make a browser send them, and cannot read the answer."""


class ApiHandler(BaseHandler):
    """One HTTP request that runs operations.

    A protocol implements ``get``, ``post`` ... with :meth:`ask`. An :class:`ApiError` that they raise is answered with
    its status (errors.py).
    """

    by_session = True
    """Whether it acts for the session's user. Where not, an old cookie counts as no token."""
    cookie_from_anywhere = READING
    """Methods for which the cookie counts whichever page made the request."""
    caller: Caller | None = None
    """The sender, once it is logged in and no limit forbids it."""

    def initialize(self, *args: Any, **kwargs: Any) -> None:
        """Take no memory yet."""
        super().initialize(*args, **kwargs)
        self.taken = Taken()
        """The body, while it is received and in work."""
        self.answers: dict[Memory, Taken] = {}
        """Answers that wait until the request is answered, by the memory of their user."""

    def on_request(self) -> None:
        """Refuse bodies that nothing here can read, and everything while the engine stops."""
        self._refuse_coded_body()
        if self.clients.closing and not self.clients.finishing:
            raise ApiError("master_unavailable", self.clients.restart_reason)

    async def log_in(self) -> None:
        """Log the client in, and count it against the limits until the request is finished."""
        await super().log_in()
        limit = self.clients.exceeded(self.address, self.session)
        if limit is not None:
            raise ApiError("too_many", f"limit reached: {limit}", {"limit": limit})
        self.caller = self.new_caller()
        self.clients.add(self.caller)
        if self.session is not None:
            self.caller.set_session(self.session)
            self.clients.note_login(self.caller)
        self.taken = Taken(self._memory)
        limits = self.settings_.limits
        self.max_body = limits.message_bytes if self.session is not None else limits.message_bytes_before_auth
        await self.clients.request_turn(self.share)

    async def authenticate(self) -> Session | None:
        """Return the session of the request's token; public handlers serve clients with a stale token too."""
        token = self.accepted_token()
        if token is None:
            return None
        try:
            return await log_in_with_token(self.clients.services, self.address, token)
        except ApiError as error:
            audit(None, self.address, "auth", error.code, {})
            if not self.public:
                raise
            forget_frames(error)
            return None

    def accepts_cookie(self) -> bool:
        """Return whether the cookie counts: for reading always, else for our own pages only."""
        if self.request.method in self.cookie_from_anywhere or self.from_our_page():
            return True
        if self.by_session:
            hint = "a session cookie is accepted from our own pages only: send X-Auth-Token"
            raise ApiError("forbidden", hint)
        return False

    def from_our_page(self) -> bool:
        """Return whether a page of this server, or of ``cors_origin``, made the request."""
        return self.access.from_our_page(self.request)

    async def ask(self, operation: str, **fields: Any) -> Any:
        """Run an operation for the sender of the request, and return its result.

        :raises ApiError: the operation's error
        """
        assert self.caller is not None  # noqa: S101 - log_in() set it, or the request was refused
        return await self.clients.dispatcher.call(self.caller, operation, **fields)

    async def finish_in_steps(self, steps: Iterator[bytes]) -> None:
        """Answer with what steps yield, in turns with all other users.

        :raises ApiError: the client has left, or its user takes too much memory
        """
        assert self.caller is not None  # noqa: S101 - log_in() set it, or the request was refused
        found = Collected(self._memory)
        self._release_values()  # they are gone when they are encoded
        try:
            await self.clients.services.hub.turns.finish(self.share, found.collect(steps), self.caller)
        except BaseException:
            found.release()
            raise
        # A client that does not read keeps the answer in the server's memory.
        self.finish(b"".join(found.parts)).add_done_callback(lambda _: found.release())

    def check_size(self, size: int) -> None:
        """Count what is kept of the body as its user's memory.

        :raises ApiError: too_large, too_many
        """
        super().check_size(size)
        self.taken.grow_to(size)

    async def read_value(self, *, known: bool = True) -> Any:
        """Return the parsed body. From now on operations count the memory that it takes.

        :param known: whether the sender has logged in; large YAML of others is refused
        :raises ApiError: too_large, too_many, and those of :func:`content.read`
        """
        body, header = self.body, self.request.headers.get("Content-Type")
        if self.caller is not None:
            self.caller.memory = body_bytes(body)
        if not content.is_slow(body, header):
            return await content.read(body, header, known=known)
        async with self.clients.body_turn(self.share):
            return await content.read(body, header, known=known)

    def compute_etag(self) -> None:
        """Return no ETag: answers are not stored, and hashing a large one would block the loop."""

    def new_caller(self) -> Caller:
        """Return the sender of this request as a caller."""
        caller, headers = Caller(self.address), self.request.headers
        caller.trace = trace_context(headers.get("traceparent"), headers.get("tracestate"))
        return caller

    def on_connection_close(self) -> None:
        """Stop waiting for anything: the client has left."""
        super().on_connection_close()
        self._release()

    def on_finish(self) -> None:
        """Release what the request held."""
        self._release()

    def _refuse_coded_body(self) -> None:
        """Refuse a compressed body: nothing here unpacks it, and a few bytes can stand for very many.

        :raises ApiError: with status 415 (RFC 9110 section 15.5.16)
        """
        codings = self.request.headers.get("Content-Encoding", "").lower().replace(",", " ").split()
        if any(coding != "identity" for coding in codings):
            self.set_header("Accept-Encoding", "identity")
            raise ApiError("bad_message", "send the body without Content-Encoding", status=415)

    @property
    def _memory(self) -> Memory:
        return self.clients.services.sessions.strangers if self.session is None else self.session.holdings.memory

    def _release_values(self) -> None:
        for taken in (self.taken, *self.answers.values()):
            taken.release()

    def _release(self) -> None:
        self._release_values()
        self._chunks.clear()
        if self.caller is not None:
            self.clients.remove(self.caller)
            self.caller.release()
