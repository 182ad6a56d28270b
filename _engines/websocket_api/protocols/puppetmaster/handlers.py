"""Batches for the puppetmaster's clients (docs/batches.md): REST, and a websocket that sends what changes."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any

from ...core.access.sessions import Session
from ...core.batches.ids import request_id
from ...core.delivery.caller import Caller
from ...core.delivery.codecs import Codec, OneByOne
from ...core.delivery.connection import Connection
from ...core.delivery.decoding import read_json
from ...core.events.encoding import encode
from ...core.events.event import Event
from ...errors import FORBIDDEN, MAX_FAULTS, OWN_FAULT, TOKEN_ENDED, ApiError
from ..connections import Connections
from ..salt_api.handlers import SaltHandler
from ..salt_api.resources import JobsHandler
from ..websocket.handler import SocketHandler

MOST_IDS = 100  # in every object that a websocket sends; a larger batch has its ids in the first one only
JID_LENGTH = 20
NORMAL = 1000  # RFC 6455 section 7.4.1: all is said
CLOSES = {
    "not_found": NORMAL,
    "forbidden": FORBIDDEN,
    "unauthenticated": TOKEN_ENDED,
    "token_expired": TOKEN_ENDED,
}
"""How a websocket is closed, by why nothing comes any more."""
TRUE = frozenset({"true", "1", "yes"})


class BatchHandler(SaltHandler):
    """What the paths have in common: ids, and the flag ``collection``."""

    async def create(self) -> None:
        """Make a batch of the body."""
        sent = await self.body_value()
        if not isinstance(sent, dict):
            raise ApiError("bad_message", "a batch is an object", [{"path": "", "message": "must be an object"}])
        wrong = [name for name in sent if name not in ("batch", "timeout", "concurrency", "on_error")]
        if wrong:
            faults = [{"path": f"/{name[:64]}", "message": "is not a field of a batch"} for name in wrong[:MAX_FAULTS]]
            raise ApiError("bad_message", f"{faults[0]['path']} is not a field of a batch", faults)
        self.reply(await self.ask("batch", **sent))

    def asked_for(self) -> dict[str, Any]:
        """Return the fields that the query means."""
        fields: dict[str, Any] = {"collection": is_true(self.get_query_argument("collection", ""))}
        for name in ("offset", "limit"):
            if (text := self.get_query_argument(name, None)) is not None:
                fields[name] = number(text)
        return fields


class BatchesHandler(BatchHandler):
    """``/batches``."""

    async def get(self) -> None:
        """List batches."""
        self.reply(await self.ask("list_batches"))

    async def post(self) -> None:
        """Make a batch."""
        await self.create()


class JobsOrBatchesHandler(JobsHandler, BatchHandler):
    """``/jobs``: Salt's jobs to read, as salt-api has them, and batches to make, as the puppetmaster has."""

    async def post(self) -> None:
        """Make a batch."""
        await self.create()


class OneBatchHandler(BatchHandler):
    """``/batches/ID``, and ``/jobs/ID`` for an id that is none of a job."""

    async def get(self, id_: str) -> None:
        """Tell of a batch."""
        self.reply(await self.ask("get_batch", batch=known_id(id_, "batch"), **self.asked_for()))

    async def delete(self, id_: str) -> None:
        """Cancel a batch and forget it."""
        if len(id_) == JID_LENGTH:
            raise ApiError("bad_message", "a job cannot be deleted; `cancel` stops it", status=405)
        await self.ask("cancel_batch", batch=known_id(id_, "batch"), forget=True)
        self.set_status(204)
        self.clear_header("Content-Type")
        self.finish()


class RequestHandler(BatchHandler):
    """``/requests/ID``."""

    async def get(self, id_: str) -> None:
        """Tell of a request."""
        self.reply(await self.ask("get_batch", request=known_id(id_, "request")))


class BatchCodec(OneByOne):
    """Makes of frames what the puppetmaster's clients know: the batch object, and nothing else.

    :param over: called with the error that says why nothing comes any more
    """

    name = "puppetmaster"
    binary = False

    def __init__(self, over: Callable[[dict[str, Any]], None]) -> None:
        self._over = over
        self._known: set[int] = set()
        """Batches whose ids this client has."""

    def forget(self) -> None:
        """Call nobody any more: the client is gone."""
        self._over = lambda error: None

    def encode(self, value: Any) -> bytes:
        """Return the object of a batch frame, and nothing for anything else."""
        if not isinstance(value, dict) or "subscription" not in value:
            return b""
        if value.get("type") == "ended":
            self._over(value["error"])
        if value.get("type") != "batch":
            return b""
        batch = dict(value["batch"])
        if value["requests"]:
            batch["requests"] = value["requests"]
        elif batch["totalCount"] <= MOST_IDS or batch["id"] not in self._known:
            batch["requests"] = [request_id(batch["id"], place) for place in range(batch["totalCount"])]
        self._known.add(batch["id"])
        return encode(batch)

    def decode(self, data: str | bytes) -> Any:
        """Return what a client sent."""
        return read_json(data) if isinstance(data, str) else None

    def body(self, event: Event, body: bytes) -> bytes:
        """Return nothing: events are not sent here."""
        return b""

    def event(self, number: int, body: bytes) -> bytes:
        """Return nothing."""
        return b""

    def events(self, number: int, bodies: Any) -> bytes:
        """Return nothing."""
        return b""


class BatchSocket(SocketHandler):
    """``/batches/ws`` and ``/batches/ID/ws``, and the same under ``/jobs``: the batch object at once, then its changes.

    What a client sends is ignored.
    """

    _codec: BatchCodec | None = None

    def initialize(self, clients: Connections) -> None:
        """Take what all doors share."""
        super().initialize(clients)
        self._fields: dict[str, Any] = {}

    async def prepare(self) -> None:
        """Refuse who may not come, and ids that are none."""
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
        except ApiError as fault:
            self.refuse(fault)

    def codec(self) -> Codec:
        """Return the format of this client's messages."""
        self._codec = BatchCodec(self._over)
        return self._codec

    def on_close(self) -> None:
        """Let go of everything."""
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
        except ApiError as fault:
            self._over({"code": fault.code, "message": fault.message})

    def _over(self, error: dict[str, Any]) -> None:
        """Close, for these clients know no other word for it: what they wait for will not come."""
        self.end(CLOSES.get(error["code"], OWN_FAULT), error["message"])

    async def _once(self, session: Session, operation: str, **fields: Any) -> Any:
        apart = Caller(self.address)
        apart.set_session(session)
        try:
            return await self.clients.dispatcher.call(apart, operation, **fields)
        finally:
            apart.release()


def number(text: str) -> Any:
    """Return a number; what is none is left for the schema to refuse."""
    return int(text) if re.fullmatch(r"[0-9]{1,16}", text) else text


def known_id(text: str, what: str) -> Any:
    """Return an id as the number that it is; what is none is left for the schema to refuse.

    :raises ApiError: not_found for a number that is no id of ours
    """
    if re.fullmatch(r"[0-9]+", text) and not (len(text) <= 16 and 0 < int(text) < 2**53):
        raise ApiError("not_found", f"Can't find {what} id: {text[:40]}")
    return number(text)


def is_true(text: str) -> bool:
    """Tell whether a flag of a query is set."""
    return text.lower() in TRUE
