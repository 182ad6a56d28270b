"""Filters of subscriptions to events, applied before anything is encoded."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from ..access.user_limits import weight
from ..events.encoding import decode, encode
from ..events.event import Event, minions_of
from . import globs
from .filter_index import Key
from .regex import Expressions

Fits = Callable[[str], bool]

_PLAIN: dict[str, Callable[[str, str], bool]] = {
    "startswith": str.startswith,
    "endswith": str.endswith,
    "find": lambda tag, part: part in tag,
}


class EventFilter(Protocol):
    """The filter of one subscription. Equal filters are equal values, so that they share what is computed."""

    def __hash__(self) -> int:
        """Return the same for equal filters, also of different users."""
        ...

    @property
    def keys(self) -> tuple[Key, ...]:
        """Keys under which events that may match are found; empty if every event must be tried."""
        ...

    @property
    def weight(self) -> int:
        """How much it counts towards its user's limit of patterns."""
        ...

    def matches(self, event: Event) -> bool:
        """Return whether the event may match; tried first, so it must be cheap."""
        ...

    def covers(self, master: str | None) -> bool:
        """Return whether events of a master may match; None for events of any master."""
        ...

    def select(self, event: Event, body: bytes) -> bytes | None:
        """Return the part of an event to send, or None for nothing.

        :param body: what the viewer may see of the event
        """
        ...


@dataclass(frozen=True)
class Filter:
    """A filter on events; equal filters are equal values, so that their subscribers share the decision.

    ``expressions`` are the compiled tags if they are regular expressions.
    """

    tags: tuple[str, ...] = ()
    match_type: str = "startswith"
    minions: frozenset[str] = frozenset()
    funs: tuple[str, ...] = ()
    jids: frozenset[str] = frozenset()
    masters: frozenset[str] = frozenset()
    without_return: bool = False
    expressions: Expressions | None = field(default=None, repr=False, compare=False)
    _tag_weight: int = field(init=False, repr=False, compare=False)
    _tag_fits: Fits = field(init=False, repr=False, compare=False)
    _fun_fits: Fits = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Compile the patterns once: the caches of fnmatch and re are too small for many clients."""
        expressions = self.expressions
        fits = _matcher(self.tags, self.match_type) if expressions is None else expressions.match
        object.__setattr__(self, "_tag_fits", fits)
        object.__setattr__(self, "_tag_weight", len(self.tags) if expressions is None else expressions.weight)
        object.__setattr__(self, "_fun_fits", _matcher(self.funs, "fnmatch"))

    @property
    def keys(self) -> tuple[Key, ...]:
        """Keys under which events that may match are found; empty if every event must be tried."""
        if self.jids:
            return tuple(Key("jid", jid) for jid in sorted(self.jids))
        if self.tags:
            keys = keys_of(self.tags, self.match_type)
            if keys:
                return keys
        if any(globs.WILD.search(fun) for fun in self.funs):
            return ()
        return tuple(Key("fun", fun) for fun in self.funs)

    @property
    def weight(self) -> int:
        """How much it counts towards its user's limit of patterns."""
        return weight(self._tag_weight + len(self.funs), len(self.minions) + len(self.jids) + len(self.masters))

    def matches(self, event: Event) -> bool:
        """Return whether the event fits; an empty part of the filter fits everything."""
        if self.tags and not self._tag_fits(event.tag):
            return False
        if self.jids and event.topic.jid not in self.jids:
            return False
        if self.masters and event.master not in self.masters:
            return False
        # isdisjoint walks the smaller of two sets: either may have thousands.
        if self.minions and self.minions.isdisjoint(event.minion_set):
            return False
        if self.funs:
            return event.fun is not None and self._fun_fits(event.fun)
        return True

    def covers(self, master: str | None) -> bool:
        """Return whether events of a master may match; None for events of any master."""
        return master is None or not self.masters or master in self.masters

    def select(self, event: Event, body: bytes) -> bytes | None:
        """Return the body without what the filter leaves out, or None for nothing."""
        if body is not event.body and self.minions and self.minions.isdisjoint(_visible_minions(event, body)):
            return None  # a filter must not reveal minions that were cut from the body
        if self.without_return and event.has_return:
            return _without_return(event, body)
        return body


def make(message: Mapping[str, Any], masters: frozenset[str] = frozenset()) -> Filter:
    """Return the filter of a validated ``subscribe`` or ``get_event`` message.

    :param masters: only events of these; empty for all
    :raises ApiError: ``bad_message`` if a regular expression is invalid, if patterns are too large, or if RE2 is not
        installed
    """
    match_type = message.get("match_type", "startswith")
    tag = message.get("tag")
    tags, funs = _as_tuple(tag), _as_tuple(message.get("fun"))
    globs.check("/fun", funs)
    expressions = None
    if match_type == "fnmatch":
        globs.check("/tag", tags)
    if match_type == "regex":
        paths = ["/tag"] if isinstance(tag, str) else [f"/tag/{index}" for index in range(len(tags))]
        expressions = Expressions(zip(paths, tags, strict=True))
    return Filter(
        # "" fits everything, as in Salt
        tags=() if "" in tags and match_type in ("startswith", "endswith", "find") else tags,
        match_type=match_type,
        minions=frozenset(_as_tuple(message.get("minions"))),
        funs=funs,
        jids=frozenset(_as_tuple(message.get("jid"))),
        masters=masters,
        without_return=bool(message.get("without_return", False)),
        expressions=expressions,
    )


def _visible_minions(event: Event, body: bytes) -> frozenset[str]:
    """Return the minions that a cut body is about, computed once for all filters."""
    known = event.derived.minions
    found = known.get(body)
    if found is None:
        found = known[body] = frozenset(minions_of(event.topic, decode(b"{" + body + b"}")["data"]))
    return found


def _without_return(event: Event, body: bytes) -> bytes:
    known = event.derived.without_return
    made = known.get(body)
    if made is None:
        value = decode(b"{" + body + b"}")
        value["data"].pop("return", None)
        made = known[body] = encode(value)[1:-1]
    return made


def _as_tuple(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else tuple(value)


def keys_of(tags: Sequence[str], match_type: str) -> tuple[Key, ...]:
    """Return keys of which an event has one if its tag fits a pattern; nothing if any event may fit."""
    keys = [_key(tag, match_type) for tag in tags]
    return () if None in keys else tuple(key for key in keys if key is not None)


def _key(tag: str, match_type: str) -> Key | None:
    """Return what an event's tag must have to fit a pattern, or None if any tag may fit."""
    if match_type == "startswith":
        return Key("prefix", tag)
    if match_type == "endswith":
        return Key("suffix", tag)
    if match_type != "fnmatch":
        return None
    wild = [match.start() for match in globs.WILD.finditer(tag)]
    if not wild or wild[0] > 0:
        return Key("prefix", tag[: wild[0]] if wild else tag)
    tail = tag[wild[-1] + 1 :]
    return Key("suffix", tail) if tail else None


def _matcher(patterns: tuple[str, ...], match_type: str) -> Fits:
    if match_type == "fnmatch":
        return globs.matcher(patterns)
    fits = _PLAIN[match_type]
    return lambda text: any(fits(text, pattern) for pattern in patterns)
