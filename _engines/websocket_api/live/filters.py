"""What one subscription wants to see, decided before anything is encoded for it."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from . import expressions
from .decoding import decode
from .encoding import encode
from .events import Event, minions_of
from .expressions import Allowance, Expressions

Fits = Callable[[str], bool]

_PLAIN: dict[str, Callable[[str, str], bool]] = {
    "startswith": str.startswith,
    "endswith": str.endswith,
    "find": lambda tag, part: part in tag,
}


class Wanted(Protocol):
    """What one subscription asks for; equal ones are equal values and hash alike, so that they share what is made."""

    def wants(self, event: Event) -> bool:
        """Tell whether something of the event may be asked for; this is asked before anything costs much."""
        ...

    def asked_for(self, event: Event, body: bytes) -> bytes | None:
        """Return what is asked for of an event, None for nothing.

        :param body: as much of the event as may be seen
        :raises ApiError: finding out takes more time than the asking user has; it will not be asked again
        """
        ...


@dataclass(frozen=True)
class Filter:
    """A filter on events; equal filters are equal values, so that their subscribers share the decision.

    ``allowance`` is that of the user whose filter it is, for regular expressions; only one user's are ever shared.
    """

    tags: tuple[str, ...] = ()
    match_type: str = "startswith"
    minions: frozenset[str] = frozenset()
    funs: tuple[str, ...] = ()
    jids: frozenset[str] = frozenset()
    without_return: bool = False
    allowance: Allowance | None = field(default=None, repr=False, compare=False)
    _expressions: Expressions | None = field(init=False, repr=False, compare=False)
    _tag_fits: Fits = field(init=False, repr=False, compare=False)
    _fun_fits: Fits = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Compile the patterns once: the caches of fnmatch and re are small, clients would thrash them."""
        made: Expressions | None = None
        if self.match_type == "regex" and self.tags:
            if self.allowance is None:
                raise ValueError("regular expressions need the allowance of the user who asks")
            made = Expressions(self.tags, self.allowance)
        object.__setattr__(self, "_expressions", made)
        object.__setattr__(self, "_tag_fits", _matcher(self.tags, self.match_type))
        object.__setattr__(self, "_fun_fits", _matcher(self.funs, "fnmatch"))

    def wants(self, event: Event) -> bool:
        """Tell whether the event may be asked for; an empty part of the filter asks for everything."""
        if self.tags and not self._tag_fits(event.tag):
            return False
        if self.jids and event.topic.jid not in self.jids:
            return False
        if self.minions and self.minions.isdisjoint(event.minions):
            return False
        if self.funs:
            return event.fun is not None and self._fun_fits(event.fun)
        return True

    def asked_for(self, event: Event, body: bytes) -> bytes | None:
        """Return the body without what was not asked for.

        Regular expressions are tried on what may be seen only: an end for their slowness must not tell of the rest.
        """
        if body is not event.body and self.minions:
            left = minions_of(event.topic, decode(b"{" + body + b"}")["data"])
            if self.minions.isdisjoint(left):
                return None  # what was cut away must not be found by asking for it
        if self._expressions is not None and not self._expressions.fit(event.tag):
            return None
        if self.without_return and event.has_return:
            return _without_return(event, body)
        return body


def make(message: Mapping[str, Any], allowance: Allowance) -> Filter:
    """Return the filter of a validated ``subscribe`` or ``get_event`` message.

    :param allowance: of the user who asks, for regular expressions
    :raises ApiError: a regular expression that is wrong, too long, or not to be had on this master; or the user's
        expressions took too long before
    """
    match_type = message.get("match_type", "startswith")
    tags = _several(message.get("tag"))
    if match_type == "regex":
        for place, pattern in enumerate(tags):
            path = f"/tag/{place}" if isinstance(message.get("tag"), list) else "/tag"
            expressions.check(pattern, path, allowance)
    return Filter(
        # "" is Salt's own way to ask for everything
        tags=() if "" in tags and match_type in ("startswith", "endswith", "find") else tags,
        match_type=match_type,
        minions=frozenset(_several(message.get("minions"))),
        funs=_several(message.get("fun")),
        jids=frozenset(_several(message.get("jid"))),
        without_return=bool(message.get("without_return", False)),
        allowance=allowance,
    )


def _without_return(event: Event, body: bytes) -> bytes:
    key = ("without_return", body)
    made: bytes | None = event.cuts.get(key)
    if made is None:
        shown = decode(b"{" + body + b"}")
        shown["data"].pop("return", None)
        made = event.cuts[key] = encode(shown)[1:-1]
    return made


def _several(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else tuple(value)


def _matcher(patterns: tuple[str, ...], match_type: str) -> Fits:
    if match_type == "regex":
        return lambda text: True  # the expressions are tried last
    if match_type == "fnmatch":
        globs = [re.compile(fnmatch.translate(pattern)).match for pattern in patterns]
        return lambda text: any(glob(text) for glob in globs)
    fits = _PLAIN[match_type]
    return lambda text: any(fits(text, wanted) for wanted in patterns)
