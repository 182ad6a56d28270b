"""Parse what clients of Digital Rebar send: ``register type.action.key`` and ``deregister type.action.key``.

Source: Digital Rebar's "Websocket Access"; docs/digital-rebar.md describes it for authors of clients.
"""

from __future__ import annotations

from typing import NamedTuple

from ...errors import ApiError

REGISTER, DEREGISTER = "register", "deregister"
MAX_CHARACTERS = 4096
"""Characters of one filter: room for nearly 200 jids."""
FIELDS = ("type", "action", "key")
_ESCAPES = {"\\1": ".", "\\2": ",", "\\3": "*"}


class Pattern(NamedTuple):
    """One filter: the values that each field may have; None for any. Equal filters are equal values."""

    types: frozenset[str] | None
    actions: frozenset[str] | None
    keys: frozenset[str] | None

    def fits(self, type_: str, action: str, key: str) -> bool:
        """Return whether the filter matches a frame with these fields."""
        return (
            (self.types is None or type_ in self.types)
            and (self.actions is None or action in self.actions)
            and (self.keys is None or key in self.keys)
        )


class Request(NamedTuple):
    """One frame of a client. ``verb`` is :data:`REGISTER` or :data:`DEREGISTER`, ``text`` is the filter as sent."""

    verb: str
    text: str
    pattern: Pattern


def parse_request(frame: str | bytes) -> Request:
    """Return the request in a client's frame.

    :raises ApiError: bad_message, with the problem and how to fix it; too_large
    """
    if isinstance(frame, bytes):
        raise ApiError("bad_message", "send text frames: register type.action.key or deregister type.action.key")
    verb, *filters = frame[: 2 * MAX_CHARACTERS].split()[:3] or [""]
    if verb not in (REGISTER, DEREGISTER):
        raise ApiError("bad_message", "the frame must start with register or deregister")
    if len(filters) != 1:
        raise ApiError("bad_message", f"{verb} needs one filter, type.action.key, without spaces")
    if len(filters[0]) > MAX_CHARACTERS:
        raise ApiError("too_large", f"the filter is longer than {MAX_CHARACTERS} characters; send several shorter ones")
    return Request(verb, filters[0], parse_pattern(filters[0]))


def parse_pattern(text: str) -> Pattern:
    """Return the filter in a text. The key is everything after the second dot: it may have dots.

    :raises ApiError: bad_message
    """
    fields = text.split(".", 2)
    if len(fields) != len(FIELDS):
        raise ApiError("bad_message", "a filter needs three fields, type.action.key; use * for any value")
    return Pattern(*[_values(name, field) for name, field in zip(FIELDS, fields, strict=True)])


def _values(name: str, field: str) -> frozenset[str] | None:
    values = field.split(",")
    if "" in values:
        raise ApiError("bad_message", f"the {name} is empty, or has an empty value; use * for any value")
    if "*" in values:
        return None
    if "*" in field:
        raise ApiError("bad_message", f"the {name} has a * beside other text; use * alone, or \\3 for a literal one")
    return frozenset(map(_unescaped, values))


def _unescaped(value: str) -> str:
    for escape, character in _ESCAPES.items():
        value = value.replace(escape, character)
    return value
