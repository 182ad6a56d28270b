"""Encode large values in chunks. Each chunk takes a short time, so that everything else runs in between.

A reply with the arguments of a hundred jobs has millions of values. Encoded in one step it would hold all others for
seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import msgpack  # type: ignore[import-untyped]

from ..events.encoding import MAX_DEPTH, TEXT_BYTES, encode, plain
from ..weighed import Weighed

VALUES = 1000
"""Values in one chunk, about: the slowest way to write them takes less than 1 ms."""
JSON_VALUES = 5000
"""The same for JSON: orjson takes 0.3 ms for them, and to weigh them takes 1.5 ms."""
MAX_ORJSON_DEPTH = 50
"""Levels above a chunk. Deeper ones are cut at :data:`MAX_DEPTH` of the whole, not of the chunk."""

_SCALARS = frozenset((int, float, bool, type(None)))


class Writer(Protocol):
    """Writes a format in chunks."""

    values: int
    """The values that take a short time in this format."""

    def whole(self, value: Any, depth: int) -> bytes:
        """Return a small value.

        :param depth: the levels above it
        """
        ...

    def list(self, value: Sequence[Any], depth: int) -> Iterator[bytes]:
        """Yield a large list."""
        ...

    def mapping(self, value: Mapping[Any, Any], depth: int) -> Iterator[bytes]:
        """Yield a large object."""
        ...


def weight(value: Any, maximum: int = VALUES) -> int:
    """Return about how many values a value consists of. Stop to count beyond ``maximum``."""
    found, waiting = 0, [value]
    while waiting and found <= maximum:
        one = waiting.pop()
        found += 1
        kind = type(one)
        if kind in _SCALARS:
            continue  # exact types first: each value of a large reply passes here
        if kind is str or isinstance(one, (str, bytes)):
            found += len(one) // TEXT_BYTES
        elif kind is Weighed:
            found += one.weight
        elif kind is dict or isinstance(one, Mapping):
            if found + len(one) > maximum:
                return found + len(one)
            found += _key_characters(one) // TEXT_BYTES
            waiting += one.values()
        elif kind is list or isinstance(one, (list, tuple)):
            if found + len(one) > maximum:
                return found + len(one)
            waiting += one
    return found


def _key_characters(value: Mapping[Any, Any]) -> int:
    try:
        return len("".join(value))
    except TypeError:
        return sum(len(key) for key in value if isinstance(key, (str, bytes)))


def is_small(value: Any, maximum: int = VALUES) -> bool:
    """Return whether a value takes a short time to encode.

    :param maximum: the values that take a short time in this format
    """
    return weight(value, maximum) <= maximum


def encoded_chunks(value: Any, writer: Writer, depth: int = 0) -> Iterator[bytes]:
    """Yield an encoded value in chunks; together they are what the format writes at once."""
    if depth >= MAX_DEPTH or not isinstance(value, (Mapping, list, tuple)) or is_small(value, writer.values):
        yield writer.whole(value, depth)
    elif isinstance(value, Mapping):
        yield from writer.mapping(value, depth)
    else:
        yield from writer.list(value, depth)


def grouped(items: Iterable[Any], maximum: int = VALUES) -> Iterator[tuple[list[Any], bool]]:
    """Yield the items in groups, each with whether it is small. A group that is large has one item."""
    return _grouped(((item, weight(item, maximum)) for item in items), maximum)


def _grouped(items: Iterable[tuple[Any, int]], maximum: int) -> Iterator[tuple[list[Any], bool]]:
    """Yield groups of items.

    :param items: each with its weight
    """
    group: list[Any] = []
    total = 0
    for item, found in items:
        if group and total + found > maximum:
            yield group, True
            group, total = [], 0
        if found > maximum:
            yield [item], False
        else:
            group.append(item)
            total += found
    if group:
        yield group, True


def grouped_fields(value: Mapping[Any, Any], maximum: int = VALUES) -> Iterator[tuple[dict[Any, Any], bool]]:
    """Yield the fields in groups, each with whether it is small. A group that is large has one field."""
    if type(value) is Weighed:
        groups = _grouped(zip(value.items(), value.weights, strict=True), maximum)
    else:
        groups = grouped(value.items(), maximum)
    for group, small in groups:
        yield dict(group), small


def with_clean_keys(value: Mapping[Any, Any]) -> Mapping[Any, Any]:
    """Return an object whose keys are text that can be encoded: different keys can become the same text."""
    try:
        "".join(value).encode()
    except (TypeError, UnicodeEncodeError):
        return {next(iter(plain({key: None}))): item for key, item in value.items()}
    return value


class _Json:
    """JSON, equal to :func:`encode`."""

    values = JSON_VALUES

    def whole(self, value: Any, depth: int) -> bytes:
        return encode(value if depth <= MAX_ORJSON_DEPTH else plain(value, depth))

    def list(self, value: Sequence[Any], depth: int) -> Iterator[bytes]:
        before = b"["
        for group, small in grouped(value, self.values):
            yield before
            before = b","
            if small:
                yield self.whole(group, depth)[1:-1]
            else:
                yield from encoded_chunks(group[0], self, depth + 1)
        yield b"]"

    def mapping(self, value: Mapping[Any, Any], depth: int) -> Iterator[bytes]:
        before = b"{"
        for group, small in grouped_fields(value, self.values):
            yield before
            before = b","
            if small:
                yield self.whole(group, depth)[1:-1]
                continue
            for name, item in group.items():
                yield encode({name: 0})[1:-2]
                yield from encoded_chunks(item, self, depth + 1)
        yield b"}"


class _Msgpack:
    """msgpack.

    :param pack: packs a plain value
    """

    values = VALUES

    def __init__(self, pack: Callable[[Any], bytes]) -> None:
        self._pack = pack

    def whole(self, value: Any, depth: int) -> bytes:
        return self._pack(plain(value, depth))

    def list(self, value: Sequence[Any], depth: int) -> Iterator[bytes]:
        yield bytes(msgpack.Packer().pack_array_header(len(value)))
        for group, small in grouped(value):
            if small:
                yield b"".join([self.whole(item, depth + 1) for item in group])
            else:
                yield from encoded_chunks(group[0], self, depth + 1)

    def mapping(self, value: Mapping[Any, Any], depth: int) -> Iterator[bytes]:
        value = with_clean_keys(value)  # the number of fields comes first
        yield bytes(msgpack.Packer().pack_map_header(len(value)))
        for group, small in grouped_fields(value):
            if small:
                yield b"".join([self._pack(name) + self.whole(item, depth + 1) for name, item in group.items()])
                continue
            for name, item in group.items():
                yield self._pack(name)
                yield from encoded_chunks(item, self, depth + 1)


JSON_WRITER: Writer = _Json()
msgpack_writer: Callable[[Callable[[Any], bytes]], Writer] = _Msgpack
