"""The operations by name, and the request that each of them gets.

An operation is one coroutine function, decorated with its name, and one schema file of the same name::

    @operation("ping")
    async def ping(call: Call) -> dict[str, Any]:
        ...

It gets a validated message, returns the result, and raises :class:`ApiError`.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from typing import Any

from ..core.access.permissions import Permissions
from ..core.access.session import Session
from ..core.access.visibility import Viewer
from ..core.delivery.caller import Caller
from ..core.delivery.collected import Collected
from ..core.delivery.connection import Connection
from ..core.jobs.job import Job
from ..errors import ApiError
from ..fair_share import Share, on_behalf_of
from .effect import Effect
from .services import Services

LOG_IN_FIRST = "log in first, or send a token"


@dataclass
class Call:
    """One request of one client."""

    services: Services
    caller: Caller
    message: dict[str, Any]
    """The validated message, with Salt's names of the fields."""
    current: Session | None = None
    """The session that the request runs for, once it is known."""
    memory: int = 0
    """Bytes that the message takes, if it is large."""
    after_reply: list[Callable[[], None]] = field(default_factory=list)
    """Called once the reply is on its way: a subscription's first frame must follow its reply."""
    audit_fields: dict[str, Any] = field(default_factory=dict)
    """Fields of the audit line, such as fun, tgt and jid."""
    effect: Effect = field(default_factory=Effect)
    """What it has started at the master."""
    job_waits: int = 0
    """The number of jobs whose end it waits for; while there are any, it changes nothing."""

    @property
    def session(self) -> Session:
        """The session that the request runs for.

        :raises ApiError: unauthenticated
        """
        if self.current is None:
            raise ApiError("unauthenticated", LOG_IN_FIRST)
        return self.current

    @property
    def connection(self) -> Connection:
        """The caller, for operations that push frames to it.

        :raises TypeError: the protocol offers such an operation to callers that cannot be pushed to
        """
        if not isinstance(self.caller, Connection):
            raise TypeError("this operation needs a connection that can be pushed to")
        return self.caller

    @property
    def viewer(self) -> Viewer:
        """What the user may see."""
        return self.session.viewer

    @property
    def permissions(self) -> Permissions:
        """What the user may do."""
        return self.session.permissions

    async def in_turns(self, steps: Iterable[None]) -> None:
        """Do long work in turns with all other users; it ends when the client leaves.

        :param steps: each is short
        """
        await self.services.hub.turns.finish(self.session.share, steps, self.caller)

    async def in_steps(self, steps: Iterable[bytes]) -> bytes:
        """Put together what steps yield, in turns with all other users."""
        found = Collected(self.session.holdings.memory)
        try:
            await self.services.hub.turns.finish(self.session.share, found.collect(steps), self.caller)
            return b"".join(found.parts)
        finally:
            found.release()

    async def wait_for_end(self, job: Job) -> bool:
        """Wait until a job has ended, for as long as the message says; return False if the time is up."""
        self.job_waits += 1
        try:
            return await self.services.job_watcher.wait_for_end(job, self.get("timeout", 60), self.caller)
        finally:
            self.job_waits -= 1

    async def authenticate(self) -> Session:
        """Return the session of the message's own token, or else that of the caller.

        :raises ApiError: unauthenticated, token_expired, forbidden, master_unavailable
        """
        sessions, token = self.services.sessions, self.message.get("token")
        if token is not None:
            with on_behalf_of(Share.unauthenticated(self.caller.address)):
                session = await sessions.by_token(token)
            self.caller.has_sent_token = True
            return session
        if self.caller.session is None:
            raise ApiError("unauthenticated", LOG_IN_FIRST)
        sessions.check(self.caller.session)
        return self.caller.session

    def replied(self) -> None:
        """Call what had to wait for the reply."""
        # The calls hold this object. Without them it is freed as soon as the last one returns.
        after, self.after_reply = self.after_reply, []
        for then in after:
            then()

    def get(self, name: str, default: Any = None) -> Any:
        """Return a field of the message."""
        return self.message.get(name, default)


Handler = Callable[[Call], Coroutine[Any, Any, Any]]


@dataclass(frozen=True)
class Operation:
    """Something that clients can request.

    :param public: whether it runs without a login
    :param audited: whether it writes a line to the audit log
    """

    name: str
    handler: Handler
    public: bool
    audited: bool


OPERATIONS: dict[str, Operation] = {}


def operation(name: str, *, public: bool = False, audited: bool = False) -> Callable[[Handler], Handler]:
    """Register an operation under the name of its schema file."""

    def register(handler: Handler) -> Handler:
        OPERATIONS[name] = Operation(name, handler, public, audited)
        return handler

    return register
