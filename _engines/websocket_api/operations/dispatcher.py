"""Receives the requests of all protocols: checks them, runs each in a task, and sends the replies."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, NamedTuple, TypeVar

from ..core.access.memory import message_bytes
from ..core.delivery import frames
from ..core.delivery.caller import GONE, Caller
from ..core.delivery.chunked_encoding import is_small
from ..core.delivery.codecs import Prepared, too_large
from ..core.delivery.connection import Connection
from ..errors import ApiError, forget_frames
from .call import OPERATIONS, Call
from .message_cache import MessageCache
from .run_request import STOPPING, run_request
from .running import PASSED_ON, Running
from .services import Services

SYNONYMS = {"method": "fun", "pattern": "tgt", "pattern_type": "tgt_type", "args": "arg", "kwargs": "kwarg"}
"""Field names of the first documents on the left, Salt's on the right; operations know Salt's only."""

T = TypeVar("T")


class Started(NamedTuple):
    """A request of a connection that runs."""

    operation: str
    task: asyncio.Task[None]


class Dispatcher:
    """Runs requests, each in a task of its own."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._running = Running()
        self._cache = MessageCache()
        self.stopping = False
        """Whether the engine stops: new requests are refused."""
        self.finishing = False
        """Whether requests over HTTP may start operations all the same."""

    def handle(self, connection: Connection, data: str | bytes) -> Started | None:
        """Run one encoded message of a connection, and send its reply when it is done.

        :return: what runs; None if the message was refused, which has been sent already
        """
        request_id: int | str | None = None
        try:
            cached = self._cache.get(connection.codec, data)
            message = _decode(connection, data) if cached is None else cached
            request_id = _usable_id(message.get("id"))
            call = self._admit(connection, message, request_id, is_valid=cached is not None)
            if cached is None:
                self._cache.put(connection.codec, data, message)
            call.memory = message_bytes(data)
        except ApiError as error:
            self._services.hub.counters.errors[error.code] += 1
            forget_frames(error)
            connection.send(frames.error(request_id, error))
            return None
        if request_id is not None:
            connection.in_flight.add(request_id)
        return Started(message["type"], self._running.start(self._reply(call, connection, request_id), call))

    async def call(self, caller: Caller, operation: str, **fields: Any) -> Any:
        """Run an operation for a protocol that words its own replies, and return its result.

        It runs in a task of its own: the engine's end cancels it, and the end of the client does not.

        :raises ApiError: the operation's error, or why it was refused
        """
        if not caller.open:
            raise ApiError("timeout", GONE)
        try:
            call = self._admit(caller, {"type": operation, **fields})
            call.memory = caller.memory
        except ApiError as error:
            self._services.hub.counters.errors[error.code] += 1
            raise
        task = self._running.start(self._answer(call), call)
        try:
            return await task
        finally:
            del task  # it holds its error, whose traceback holds this frame

    def spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run work that may outlive its client, and that the engine's end waits for."""
        return self._running.start(work)

    async def settle(self, seconds: float) -> None:
        """Refuse new requests, and wait until those that run only wait for jobs: the next process gets the state.

        Requests over HTTP may still start operations, but none that needs that state.

        :param seconds: to wait at most
        """
        self.stopping = self.finishing = True
        await self._running.settle(seconds)

    async def stop(self) -> None:
        """Refuse new requests, and cancel those that run: their clients learn that they may try again."""
        self.stopping, self.finishing = True, False
        await self._running.cancel()

    async def drain(self, seconds: float) -> None:
        """Wait for what was spawned since :meth:`stop`.

        :param seconds: to wait at most
        """
        await self._running.drain(seconds)

    def _admit(
        self, caller: Caller, message: dict[str, Any], request_id: int | str | None = None, *, is_valid: bool = False
    ) -> Call:
        """Check a message and count it as in flight.

        :param is_valid: whether its schema need not be checked
        :raises ApiError: why the message is refused
        """
        kind = message.get("type")
        if self.stopping and not (self.finishing and kind not in PASSED_ON and not isinstance(caller, Connection)):
            raise ApiError("master_unavailable", STOPPING)
        if request_id is not None and isinstance(caller, Connection) and request_id in caller.in_flight:
            raise ApiError("id_in_use", "a request with this id is still in flight")
        if not isinstance(kind, str) or kind not in OPERATIONS:
            if "type" not in message:
                raise ApiError("bad_message", "/type is required", [{"path": "/type", "message": "is required"}])
            raise ApiError("unknown_type", "there is no such operation; `describe` names them all")
        limit = self._services.settings.limits.commands_per_connection
        if caller.commands >= limit:
            raise ApiError("too_many", f"{limit} requests are in flight", {"limit": "commands_per_connection"})
        if not is_valid:
            self._services.schemas.validate(kind, message)
        caller.commands += 1
        return Call(self._services, caller, {SYNONYMS.get(name, name): value for name, value in message.items()})

    async def _answer(self, call: Call) -> Any:
        """Run an admitted request, and return its result."""
        result = _plain(await run_request(call))
        call.replied()
        return result

    async def _reply(self, call: Call, connection: Connection, request_id: int | str | None) -> None:
        """Run an admitted request, and send its result or its error."""
        try:
            reply = await run_request(call, lambda result: self._encode(call, connection, request_id, result))
        except ApiError as error:
            forget_frames(error)
            reply = connection.frame(frames.error(request_id, error))
            call.after_reply.clear()
        finally:
            if request_id is not None:
                connection.in_flight.discard(request_id)
        with connection.outbox.together():  # the first frames of a subscription leave with its reply
            if connection.open:
                connection.outbox.put(reply)
            call.replied()

    async def _encode(self, call: Call, connection: Connection, request_id: int | str | None, result: Any) -> bytes:
        """Return the reply that carries a result.

        :raises ApiError: the reply could never be sent
        """
        max_bytes = self._services.settings.limits.outbox_bytes
        if isinstance(result, Prepared):
            reply = connection.wrap(connection.codec.result(request_id, result.encoded(connection.codec)))
        elif is_small(result):
            reply = connection.frame(frames.result(request_id, result))
        else:
            reply = await call.in_steps(connection.steps(frames.result(request_id, result), max_bytes=max_bytes))
        if len(reply) > max_bytes:
            raise too_large()
        return reply


def _plain(result: Any) -> Any:
    return result.value if isinstance(result, Prepared) else result


def _decode(connection: Connection, data: str | bytes) -> dict[str, Any]:
    """Return a message as the object that it must be.

    :raises ApiError: bad_json, bad_message
    """
    try:
        message = connection.codec.decode(data)
    except ValueError:
        expected = "msgpack in a binary frame" if connection.codec.binary else "JSON in a text frame"
        raise ApiError("bad_json", f"this is not {expected}") from None
    if not isinstance(message, dict):
        raise ApiError("bad_message", "a message must be an object", [{"path": "", "message": "must be an object"}])
    return message


def _usable_id(value: Any) -> int | str | None:
    """Return an id that a reply can carry, even if the message is otherwise invalid."""
    if isinstance(value, str) and len(value) <= 64:
        return value
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**53:
        return value
    return None
