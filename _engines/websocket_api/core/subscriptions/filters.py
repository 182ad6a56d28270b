"""What one subscription wants to see, decided before anything is encoded for it."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from ..access.user_limits import weight
from ..events.encoding import decode, encode
from ..events.event import Event, minions_of
from . import regex as expressions
from .filter_index import Key
from .regex import Allowance, Expressions

Fits = Callable[[str], bool]

_PLAIN: dict[str, Callable[[str, str], bool]] = {
    "startswith": str.startswith,
    "endswith": str.endswith,
    "find": lambda tag, part: part in tag,
}


_WILD = re.compile(r"[*?\[\]]")
"""What may mean more than itself in a glob."""


class Wanted(Protocol):
    """What one subscription asks for; equal ones are equal values and hash alike, so that they share what is made."""

    def __hash__(self) -> int:
        """Hash alike, whoever asks for it."""
        ...

    @property
    def keys(self) -> tuple[Key, ...]:
        """By what the events that it may want are found; nothing where every event must be looked at."""
        ...

    @property
    def weight(self) -> int:
        """For how many patterns it counts, of those that its user may have."""
        ...

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

    @property
    def keys(self) -> tuple[Key, ...]:
        """By what the events that it may want are found; nothing where every event must be looked at."""
        if self.jids:
            return tuple(Key("jid", jid) for jid in sorted(self.jids))
        if self.tags:
            keys = [_key(tag, self.match_type) for tag in self.tags]
            if None not in keys:
                return tuple(key for key in keys if key is not None)
        if any(_WILD.search(fun) for fun in self.funs):
            return ()
        return tuple(Key("fun", fun) for fun in self.funs)

    @property
    def weight(self) -> int:
        """For how many patterns it counts, of those that its user may have."""
        return weight(len(self.tags) + len(self.funs), len(self.minions) + len(self.jids))

    def wants(self, event: Event) -> bool:
        """Tell whether the event may be asked for; an empty part of the filter asks for everything."""
        if self.tags and not self._tag_fits(event.tag):
            return False
        if self.jids and event.topic.jid not in self.jids:
            return False
        # Of two sets the smaller one is gone through: either may be thousands.
        if self.minions and self.minions.isdisjoint(event.minion_set):
            return False
        if self.funs:
            return event.fun is not None and self._fun_fits(event.fun)
        return True

    def asked_for(self, event: Event, body: bytes) -> bytes | None:
        """Return the body without what was not asked for.

        Regular expressions are tried on what may be seen only: an end for their slowness must not tell of the rest.
        """
        if body is not event.body and self.minions and self.minions.isdisjoint(_minions_left(event, body)):
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


def _minions_left(event: Event, body: bytes) -> frozenset[str]:
    """Return the minions that a cut body is about, found once for all filters that ask for some."""
    key = ("minions", body)
    left: frozenset[str] | None = event.cuts.get(key)
    if left is None:
        left = frozenset(minions_of(event.topic, decode(b"{" + body + b"}")["data"]))
        event.cuts[key] = left
    return left


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


def _key(tag: str, match_type: str) -> Key | None:
    """Return what an event's tag must have for a pattern to fit, if that can be told."""
    if match_type == "startswith":
        return Key("prefix", tag)
    if match_type == "endswith":
        return Key("suffix", tag)
    if match_type != "fnmatch":
        return None
    wild = [match.start() for match in _WILD.finditer(tag)]
    if not wild or wild[0] > 0:
        return Key("prefix", tag[: wild[0]] if wild else tag)
    tail = tag[wild[-1] + 1 :]
    return Key("suffix", tail) if tail else None


def _matcher(patterns: tuple[str, ...], match_type: str) -> Fits:
    if match_type == "regex":
        return lambda text: True  # the expressions are tried last
    if match_type == "fnmatch":
        globs = [re.compile(fnmatch.translate(pattern)).match for pattern in patterns]
        return lambda text: any(glob(text) for glob in globs)
    fits = _PLAIN[match_type]
    return lambda text: any(fits(text, wanted) for wanted in patterns)
