"""What clients of Digital Rebar send: ``register type.action.key`` and ``deregister type.action.key``.

From Digital Rebar's "Websocket Access"; docs/digital-rebar.md is what authors of clients read.
"""

from __future__ import annotations

from typing import NamedTuple

from ...errors import ApiError

REGISTER, DEREGISTER = "register", "deregister"
MOST_CHARACTERS = 4096  # of one filter: nearly two hundred jids
FIELDS = ("type", "action", "key")
_ESCAPES = {"\\1": ".", "\\2": ",", "\\3": "*"}


class Pattern(NamedTuple):
    """One filter: the values that each field may have, None for any. Equal filters are equal values."""

    types: frozenset[str] | None
    actions: frozenset[str] | None
    keys: frozenset[str] | None

    def fits(self, type_: str, action: str, key: str) -> bool:
        """Tell whether a frame with these fields is asked for."""
        return (
            (self.types is None or type_ in self.types)
            and (self.actions is None or action in self.actions)
            and (self.keys is None or key in self.keys)
        )


class Request(NamedTuple):
    """One frame of a client: ``verb`` is :data:`REGISTER` or :data:`DEREGISTER`, ``text`` the filter as it was sent."""

    verb: str
    text: str
    pattern: Pattern


def read(frame: str | bytes) -> Request:
    """Return what a client asks for.

    :raises ApiError: bad_message, with the fault and how to mend it; too_large
    """
    if isinstance(frame, bytes):
        raise ApiError("bad_message", "send text frames: register type.action.key or deregister type.action.key")
    verb, *filters = frame[: 2 * MOST_CHARACTERS].split()[:3] or [""]
    if verb not in (REGISTER, DEREGISTER):
        raise ApiError("bad_message", "a frame begins with register or deregister")
    if len(filters) != 1:
        raise ApiError("bad_message", f"{verb} takes one filter, type.action.key, without spaces")
    if len(filters[0]) > MOST_CHARACTERS:
        raise ApiError("too_large", f"a filter has at most {MOST_CHARACTERS} characters")
    return Request(verb, filters[0], parse(filters[0]))


def parse(text: str) -> Pattern:
    """Return the filter that a text means. The key is the rest of it: it may hold dots.

    :raises ApiError: bad_message
    """
    fields = text.split(".", 2)
    if len(fields) != len(FIELDS):
        raise ApiError("bad_message", "a filter has three fields, type.action.key; * stands for any")
    return Pattern(*[_values(name, field) for name, field in zip(FIELDS, fields, strict=True)])


def _values(name: str, field: str) -> frozenset[str] | None:
    values = field.split(",")
    if "" in values:
        raise ApiError("bad_message", f"the {name} is empty, or a value in its list is")
    if "*" in values:
        return None
    if "*" in field:
        raise ApiError("bad_message", f"in the {name} a * stands alone; as a part of a value it is written \\3")
    return frozenset(map(_unescaped, values))


def _unescaped(value: str) -> str:
    for escape, character in _ESCAPES.items():
        value = value.replace(escape, character)
    return value
