"""The two formats of the native protocol, JSON and msgpack. Every message means the same in both.

An event's body is encoded once per format: a frame is a short head and that body. Other protocols have their own
formats (protocols/salt_api/formats.py); some native messages have no form there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, Protocol

import msgpack  # type: ignore[import-untyped]

from ...errors import ApiError
from ..events.encoding import decode, encode, plain
from ..events.event import Event
from .chunked_encoding import JSON_WRITER, Writer, encoded_chunks, is_small, msgpack_writer
from .decoding import read_json, read_msgpack


def too_large() -> ApiError:
    """Return the error for a reply that could never be sent."""
    return ApiError("too_large", "the answer is larger than `outbox_bytes`: request a part of it")


class Codec(Protocol):
    """A format. Connections with the same codec and subscription number can share frames."""

    name: str
    """The websocket subprotocol."""
    binary: bool
    """Whether messages travel in binary websocket frames."""

    def encode(self, value: Any) -> bytes:
        """Return a whole message; empty if this format has no form for it."""
        ...

    def pack(self, messages: Sequence[Any]) -> list[bytes]:
        """Return messages that are sent together: one by one, or several in one if this format can."""
        ...

    def steps(self, messages: Sequence[Any], max_bytes: int | None = None) -> Iterator[bytes]:
        """Yield what :meth:`pack` returns. Empty bytes are a step on the way there.

        :raises ApiError: too_large, as soon as a message is larger than ``max_bytes``
        """
        ...

    def decode(self, data: str | bytes) -> Any:
        """Return what a client sent.

        :raises ValueError: it is not a message of this format
        """
        ...

    def result(self, request_id: int | str | None, encoded: bytes) -> bytes:
        """Return the reply to a request, equal to ``frames.result`` and :meth:`encode`.

        :param encoded: the result in this format
        """
        ...

    def body(self, event: Event, body: bytes) -> bytes:
        """Return an event's body in this format.

        :param body: :attr:`Event.body` or a part of it
        """
        ...

    def event(self, number: int, body: bytes) -> bytes:
        """Return an ``event`` frame for a body in this format."""
        ...

    def events(self, number: int, bodies: Sequence[bytes]) -> bytes:
        """Return an ``events`` frame for bodies in this format."""
        ...


class Prepared:
    """A result that is the same for all users, encoded once for each format."""

    def __init__(self, value: Any) -> None:
        self.value = value
        self._encoded: dict[str, bytes] = {}

    def encoded(self, codec: Codec) -> bytes:
        """Return the value in a format."""
        found = self._encoded.get(codec.name)
        if found is None:
            found = self._encoded[codec.name] = codec.encode(self.value)
        return found


class OneByOne:
    """Base of codecs that send each message by itself."""

    def encode(self, value: Any) -> bytes:
        """Return a whole message."""
        raise NotImplementedError

    def pack(self, messages: Sequence[Any]) -> list[bytes]:
        """Return messages one by one."""
        return [self.encode(message) for message in messages]

    def steps(self, messages: Sequence[Any], max_bytes: int | None = None) -> Iterator[bytes]:
        """Yield what :meth:`pack` returns."""
        yield from self.pack(messages)

    def result(self, request_id: int | str | None, encoded: bytes) -> bytes:
        """Return a reply; only the native formats have requests with an id."""
        return encoded


class _InChunks(OneByOne):
    """Base of the native codecs, which encode large messages in chunks."""

    writer: Writer

    def steps(self, messages: Sequence[Any], max_bytes: int | None = None) -> Iterator[bytes]:
        for message in messages:
            if is_small(message):
                yield self.encode(message)
                continue
            found, size = [], 0
            for chunk in encoded_chunks(message, self.writer):
                found.append(chunk)
                size += len(chunk)
                if max_bytes is not None and size > max_bytes:
                    raise too_large()
                yield b""
            yield b"".join(found)


class _Json(_InChunks):
    name = "salt.v1.json"
    binary = False
    writer = JSON_WRITER

    def encode(self, value: Any) -> bytes:
        return encode(value)

    def result(self, request_id: int | str | None, encoded: bytes) -> bytes:
        if request_id is None:
            return encoded
        return b'{"id":%b,"type":"result","result":%b}' % (self.encode(request_id), encoded)

    def decode(self, data: str | bytes) -> Any:
        if isinstance(data, bytes):
            raise ValueError("binary in a text protocol")
        return read_json(data)

    def body(self, event: Event, body: bytes) -> bytes:
        return body

    def event(self, number: int, body: bytes) -> bytes:
        return b'{"type":"event","subscription":%d,%b}' % (number, body)

    def events(self, number: int, bodies: Sequence[bytes]) -> bytes:
        return b'{"type":"events","subscription":%d,"events":[{%b}]}' % (number, b"},{".join(bodies))


class _Msgpack(_InChunks):
    """Values are those of the JSON text: bytes are text or ``{"base64": ...}`` here too, so clients can handle both
    formats the same way."""

    name = "salt.v1.msgpack"
    binary = True

    def __init__(self) -> None:
        self.writer = msgpack_writer(self._pack)

    def encode(self, value: Any) -> bytes:
        return self._pack(plain(value))

    def result(self, request_id: int | str | None, encoded: bytes) -> bytes:
        if request_id is None:
            return encoded
        head = b"".join(map(self.encode, ("id", request_id, "type", "result", "result")))
        return b"\x83" + head + encoded

    def decode(self, data: str | bytes) -> Any:
        if isinstance(data, str):
            raise ValueError("text in a binary protocol")
        return read_msgpack(data)

    def body(self, event: Event, body: bytes) -> bytes:
        known, key = event.derived.encoded, (self.name, body)
        packed = known.get(key)
        if packed is None:
            packed = known[key] = self._pack(decode(b"{" + body + b"}"))
        return packed

    def event(self, number: int, body: bytes) -> bytes:
        # One map of the frame's two fields and those of the body; the head of the body (a fixmap) is one byte.
        return bytes([body[0] + 2]) + _head("event") + self._pack(number) + body[1:]

    def events(self, number: int, bodies: Sequence[bytes]) -> bytes:
        length = bytes(msgpack.Packer().pack_array_header(len(bodies)))
        return b"\x83" + _head("events") + self._pack(number) + self._pack("events") + length + b"".join(bodies)

    @staticmethod
    def _pack(value: Any) -> bytes:
        try:
            return bytes(msgpack.packb(value))
        except (OverflowError, ValueError):
            return bytes(msgpack.packb(_small(value)))


@cache
def _head(kind: str) -> bytes:
    """Return the encoded first field of a frame and the name of the second."""
    return b"".join(bytes(msgpack.packb(text)) for text in ("type", kind, "subscription"))


def _small(value: Any) -> Any:
    """Return the value with integers outside msgpack's range as text."""
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        return str(value)
    if isinstance(value, dict):
        return {key: _small(item) for key, item in value.items()}
    return [_small(item) for item in value] if isinstance(value, list) else value


JSON: Codec = _Json()
MSGPACK: Codec = _Msgpack()
CODECS = {codec.name: codec for codec in (JSON, MSGPACK)}
"""By subprotocol; clients that offer none get the first."""
