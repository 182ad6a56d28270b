"""The operations by name, and what every one of them has in common.

An operation is one coroutine function, decorated with its name, and one schema file of the same name::

    @operation("ping")
    async def ping(call: Call) -> dict[str, Any]:
        ...

It gets a validated message, returns the result, and raises :class:`ApiError`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from typing import Any

from ..core.access.permissions import Permissions
from ..core.access.sessions import Session
from ..core.access.visibility import Viewer
from ..core.delivery import frames
from ..core.delivery.caller import Caller
from ..core.delivery.codecs import Prepared
from ..core.delivery.connection import Connection
from ..errors import ApiError, forget_frames
from ..fair_share import Share, on_behalf_of
from .audit import audit
from .services import Services

log = logging.getLogger(__name__)

SYNONYMS = {"method": "fun", "pattern": "tgt", "pattern_type": "tgt_type", "args": "arg", "kwargs": "kwarg"}
"""The first documents' words on the left, Salt's on the right; operations know Salt's only."""


@dataclass
class Call:
    """One request of one client: who asks, for what, and what there is to answer with."""

    services: Services
    caller: Caller
    message: dict[str, Any]
    current: Session | None = None
    after_reply: list[Callable[[], None]] = field(default_factory=list)
    """Called as soon as the reply is on its way: a subscription's first frame must follow its reply."""
    noted: dict[str, Any] = field(default_factory=dict)
    """For the audit line: fun, tgt, jid."""

    @property
    def session(self) -> Session:
        """Who asks; operations that need nobody do not ask for it."""
        if self.current is None:
            raise ApiError("unauthenticated", "log in first, or send a token")
        return self.current

    @property
    def connection(self) -> Connection:
        """The caller as one that can be pushed to; no operation that pushes is offered over plain HTTP."""
        if not isinstance(self.caller, Connection):
            raise TypeError("this operation needs a connection that can be pushed to")
        return self.caller

    @property
    def viewer(self) -> Viewer:
        """Who looks."""
        return self.session.viewer

    @property
    def permissions(self) -> Permissions:
        """What the user may do."""
        return self.session.permissions

    async def in_turns(self, steps: Iterable[None]) -> None:
        """Do what may take long, shared fairly with all others who ask for such; it ends with the connection.

        :param steps: each is short
        """
        await self.services.hub.turns.finish(self.session.share, steps, self.caller)

    def replied(self) -> None:
        """Do what had to wait for the reply."""
        after, self.after_reply = self.after_reply, []  # they hold us: without them we are freed as soon as all is done
        for then in after:
            then()

    def get(self, name: str, default: Any = None) -> Any:
        """Return a field of the message."""
        return self.message.get(name, default)


Handler = Callable[[Call], Coroutine[Any, Any, Any]]


@dataclass(frozen=True)
class Operation:
    """One thing that a client can ask for.

    ``public``: needs nobody to be logged in. ``audited``: leaves an audit line.
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


class Dispatcher:
    """Takes messages of any door and sends their replies."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._closing = False

    def close(self) -> None:
        """Refuse everything from now on: the engine stops."""
        self._closing = True

    def read(self, connection: Connection, text: str | bytes) -> dict[str, Any] | None:
        """Return a message that is to be run, or reply with what is wrong with it and return None."""
        request_id: int | str | None = None
        try:
            try:
                message = connection.codec.decode(text)
            except ValueError:
                wanted = "msgpack in a binary frame" if connection.codec.binary else "JSON in a text frame"
                raise ApiError("bad_json", f"this is not {wanted}") from None
            if not isinstance(message, dict):
                faults = [{"path": "", "message": "must be an object"}]
                raise ApiError("bad_message", "a message must be an object", faults)
            request_id = _usable_id(message.get("id"))
            if request_id is not None and request_id in connection.in_flight:
                raise ApiError("id_in_use", "a request with this id is still in flight")
            self._admit(connection, message)
        except ApiError as fault:
            self._services.hub.counters.errors[fault.code] += 1
            forget_frames(fault)
            connection.send(frames.error(request_id, fault))
            return None
        if request_id is not None:
            connection.in_flight.add(request_id)
        connection.commands += 1
        return message

    async def run(self, connection: Connection, message: dict[str, Any]) -> None:
        """Run a message that :meth:`read` returned, and send its reply."""
        request_id = message.get("id")
        counters = self._services.hub.counters
        counters.requests[message["type"]] += 1
        call = Call(self._services, connection, _in_salts_words(message))
        try:
            reply = _reply(connection, request_id, await self._result(call))
            if len(reply) > self._services.settings.limits.outbox_bytes:
                raise ApiError("too_large", "the answer is larger than `outbox_bytes`")
        except ApiError as fault:
            counters.errors[fault.code] += 1
            forget_frames(fault)
            reply = connection.frame(frames.error(request_id, fault))
            call.after_reply.clear()
        except asyncio.CancelledError:
            reply = connection.frame(frames.error(request_id, _stopping(call)))
            call.after_reply.clear()
        finally:
            connection.commands -= 1
            if request_id is not None:
                connection.in_flight.discard(request_id)
        if connection.open:
            connection.outbox.put(reply)
        call.replied()

    async def ask(self, caller: Caller, message: dict[str, Any]) -> Any:
        """Run a message of a door that words its replies itself, and return the operation's result.

        :raises ApiError: whatever the sender is to be told
        """
        counters = self._services.hub.counters
        try:
            self._admit(caller, message)
            counters.requests[message["type"]] += 1
            call = Call(self._services, caller, _in_salts_words(message))
            caller.commands += 1
            try:
                result = await self._result(call)
            except asyncio.CancelledError:
                raise _stopping(call) from None
            finally:
                caller.commands -= 1
        except ApiError as fault:
            counters.errors[fault.code] += 1
            raise
        call.replied()
        return result.value if isinstance(result, Prepared) else result

    def _admit(self, caller: Caller, message: dict[str, Any]) -> None:
        if self._closing:
            raise ApiError("master_unavailable", "the engine is stopping: connect again")
        kind = message.get("type")
        if not isinstance(kind, str) or kind not in OPERATIONS:
            if "type" not in message:
                raise ApiError("bad_message", "/type is required", [{"path": "/type", "message": "is required"}])
            raise ApiError("unknown_type", "there is no such operation; `describe` names them all")
        most = self._services.settings.limits.commands_per_connection
        if caller.commands >= most:
            raise ApiError("too_many", f"{most} requests are in flight", {"limit": "commands_per_connection"})
        self._services.schemas.validate(kind, message)

    async def _result(self, call: Call) -> Any:
        known = OPERATIONS[call.message["type"]]
        outcome, asker, counted = "internal", None, False
        try:
            if not known.public:
                asker = call.current = await who(call)
                asker.holdings.need("commands", self._services.settings.limits.commands_per_user)
                # A token that came with this message only is looked at as others are, for as long as this takes.
                asker.hold("commands")
                counted = True
            share = asker.share if asker else Share.of_stranger(call.caller.address)
            with on_behalf_of(share):
                result = await self._services.loop_time.charged(share, known.handler(call))
            outcome = "ok"
            return result
        except ApiError as fault:
            outcome = fault.code
            raise
        except asyncio.CancelledError:
            outcome = "master_unavailable"  # as :meth:`run` tells the sender
            raise
        except Exception:
            # The sender learns that it is our fault, and nothing of the inside; the operator gets the traceback.
            log.exception("the operation %s failed", known.name)
            raise ApiError("internal", "a fault of this server; its log says more") from None
        finally:
            if asker is not None and counted:
                asker.release("commands")
            if known.audited:
                audit(call.current, call.caller.address, known.name, outcome, call.noted)


def _reply(connection: Connection, request_id: int | str | None, result: Any) -> bytes:
    if isinstance(result, Prepared):
        return connection.wrap(connection.codec.result(request_id, result.encoded(connection.codec)))
    return connection.frame(frames.result(request_id, result))


async def who(call: Call) -> Session:
    """Return who asks: by the message's own token, or else as the user of the connection.

    :raises ApiError: unauthenticated, token_expired, forbidden, master_unavailable
    """
    sessions, token = call.services.sessions, call.message.get("token")
    if token is not None:
        with on_behalf_of(Share.of_stranger(call.caller.address)):
            session = await sessions.of(token)
        call.caller.has_sent_token = True
        return session
    if call.caller.session is None:
        raise ApiError("unauthenticated", "log in first, or send a token")
    sessions.check(call.caller.session)
    return call.caller.session


def _stopping(call: Call) -> ApiError:
    """Only the engine's own end cancels; the client is told that it may ask again, or what it has started."""
    started = {"jid": call.noted["jid"]} if "jid" in call.noted else None
    return ApiError("master_unavailable", "the engine is stopping: connect again", started)


def _usable_id(value: Any) -> int | str | None:
    """Return an id that a reply can carry, even if the message is otherwise wrong."""
    if isinstance(value, str) and len(value) <= 64:
        return value
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**53:
        return value
    return None


def _in_salts_words(message: dict[str, Any]) -> dict[str, Any]:
    return {SYNONYMS.get(name, name): value for name, value in message.items()}
