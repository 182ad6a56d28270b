"""The puppetmaster's paths (docs/batches.md): REST, and a websocket that sends changes."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable
from typing import Any

from ...core.access.session import Session
from ...core.batches.lookup import BatchNotFound
from ...core.delivery.caller import Caller
from ...core.delivery.codecs import Codec
from ...core.delivery.connection import Connection
from ...errors import FORBIDDEN, INTERNAL_ERROR, MAX_FAULTS, TOKEN_ENDED, ApiError
from ..connections import Connections
from ..salt_api.handlers import SaltHandler
from ..salt_api.resources import JobsHandler
from ..websocket.handler import SocketHandler
from .codec import BatchCodec, batch_object, not_found, request_object

JID_LENGTH = 20
NORMAL = 1000  # RFC 6455 section 7.4.1: normal closure
CLOSES = {
    "not_found": NORMAL,
    "forbidden": FORBIDDEN,
    "unauthenticated": TOKEN_ENDED,
    "token_expired": TOKEN_ENDED,
}
"""Close codes of the websocket, by the error that ended the subscription."""
TRUE = frozenset({"true", "1", "yes"})


class BatchHandler(SaltHandler):
    """Base of these paths: reads ids and query fields, and creates batches."""

    async def create(self) -> None:
        """Create a batch from the body."""
        body = await self.body_value()
        if not isinstance(body, dict):
            raise ApiError("bad_message", "a batch is an object", [{"path": "", "message": "must be an object"}])
        wrong = [name for name in body if name not in ("batch", "name", "timeout", "concurrency", "on_error")]
        if wrong:
            faults = [{"path": f"/{name[:64]}", "message": "is not a field of a batch"} for name in wrong[:MAX_FAULTS]]
            raise ApiError("bad_message", f"{faults[0]['path']} is not a field of a batch", faults)
        await self.reply(batch_object(await self.ask("batch", **body)))

    async def ask_for(self, operation: str, kind: str, id_: str, **fields: Any) -> Any:
        """Run an operation on one batch or request.

        :param kind: batch or request
        :raises ApiError: not_found, in the puppetmaster's words
        """
        try:
            return await self.ask(operation, **{kind: known_id(id_, kind)}, **fields)
        except BatchNotFound:
            raise not_found(kind, id_) from None

    def query_fields(self) -> dict[str, Any]:
        """Return the fields that the query has."""
        fields: dict[str, Any] = {"collection": is_true(self.get_query_argument("collection", ""))}
        for name in ("offset", "limit"):
            if (text := self.get_query_argument(name, None)) is not None:
                fields[name] = number(text)
        return fields


class BatchesHandler(BatchHandler):
    """``/batches``."""

    async def get(self) -> None:
        """List batches."""
        await self.reply([batch_object(batch) for batch in await self.ask("list_batches")])

    async def post(self) -> None:
        """Create a batch."""
        await self.create()


class JobsOrBatchesHandler(JobsHandler, BatchHandler):
    """``/jobs``: GET lists Salt's jobs, as in salt-api; POST creates a batch, as in the puppetmaster."""

    async def post(self) -> None:
        """Create a batch."""
        await self.create()


class OneBatchHandler(BatchHandler):
    """``/batches/ID``, and ``/jobs/ID`` if the id is not a job's."""

    async def get(self, id_: str) -> None:
        """Return a batch."""
        found = await self.ask_for("get_batch", "batch", id_, **self.query_fields())
        await self.reply(batch_object(found))

    async def delete(self, id_: str) -> None:
        """Cancel a batch and forget it."""
        if len(id_) == JID_LENGTH:
            raise ApiError("bad_message", "a job cannot be deleted; `cancel` stops it", status=405)
        await self.ask_for("cancel_batch", "batch", id_, forget=True)
        self.set_status(204)
        self.clear_header("Content-Type")
        self.finish()


class RequestHandler(BatchHandler):
    """``/requests/ID``."""

    async def get(self, id_: str) -> None:
        """Return a request."""
        await self.reply(request_object(await self.ask_for("get_batch", "request", id_)))


class BatchSocket(SocketHandler):
    """``/batches/ws`` and ``/batches/ID/ws``, and the same under ``/jobs``: sends the batch object, then its changes.

    Messages of the client are ignored.
    """

    _codec: BatchCodec | None = None

    def initialize(self, clients: Connections) -> None:
        """Keep the clients of all protocols."""
        super().initialize(clients)
        self._fields: dict[str, Any] = {}

    async def prepare(self) -> None:
        """Check the session and the id before the upgrade."""
        await super().prepare()
        if self._finished or self.session is None:
            return
        self._fields = {"collection": is_true(self.get_query_argument("collection", ""))}
        id_ = next((text for text in self.path_args if text), None)
        if id_ is None:
            return
        try:
            self._fields["batch"] = known_id(id_, "batch")
            await self._once(self.session, "get_batch", batch=self._fields["batch"])
        except BatchNotFound:
            self.refuse(not_found("batch", id_))
        except ApiError as error:
            self.refuse(error)

    def codec(self) -> Codec:
        """Return the format of this client's messages."""
        self._codec = BatchCodec(self._over)
        return self._codec

    def on_close(self) -> None:
        """Release everything."""
        super().on_close()
        if self._codec is not None:
            self._codec.forget()

    def on_open(self, connection: Connection) -> None:
        """Follow."""
        self._following = asyncio.ensure_future(self._follow(connection))

    def handle(self, connection: Connection, message: str | bytes) -> Awaitable[None] | None:
        """Ignore it."""
        return None

    async def _follow(self, connection: Connection) -> None:
        try:
            await self.clients.dispatcher.call(connection, "subscribe", subscription="batch", **self._fields)
        except ApiError as error:
            self._over({"code": error.code, "message": error.message})

    def _over(self, error: dict[str, Any]) -> None:
        """Close the websocket: the format has no message for the end of a subscription."""
        self.end(CLOSES.get(error["code"], INTERNAL_ERROR), error["message"])

    async def _once(self, session: Session, operation: str, **fields: Any) -> Any:
        apart = Caller(self.address)
        apart.set_session(session)
        try:
            return await self.clients.dispatcher.call(apart, operation, **fields)
        finally:
            apart.release()


def number(text: str) -> Any:
    """Return a number; return any other text unchanged, so that the schema refuses it."""
    return int(text) if re.fullmatch(r"[0-9]{1,16}", text) else text


def known_id(text: str, what: str) -> Any:
    """Return an id as a number; return any other text unchanged, so that the schema refuses it.

    :param what: batch or request
    :raises ApiError: not_found for a number that cannot be an id
    """
    if re.fullmatch(r"[0-9]+", text) and not (len(text) <= 16 and 0 < int(text) < 2**53):
        raise not_found(what, text)
    return number(text)


def is_true(text: str) -> bool:
    """Return whether a flag of the query is set."""
    return text.lower() in TRUE
