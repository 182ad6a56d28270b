"""What one subscription wants to see, decided before anything is encoded for it."""

from __future__ import annotations

import fnmatch
import logging
import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from ..errors import ApiError
from .encoding import decode, encode
from .events import Event, minions_of

try:
    import regex
except ImportError:
    regex = None  # type: ignore[assignment]

MAX_PATTERN = 256  # characters of a regular expression
MATCH_SECONDS = 0.05  # for one event and expression; one that needs longer matches nothing more
CREDIT_SECONDS = 0.1  # that a filter's expressions may take from everybody before they have earned any
EARNED_SECONDS = 0.00005  # with each event; a usual expression takes a tenth of this

log = logging.getLogger(__name__)

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
        """
        ...


@dataclass(frozen=True)
class Filter:
    """A filter on events; equal filters are equal values, so that their subscribers share the decision."""

    tags: tuple[str, ...] = ()
    match_type: str = "startswith"
    minions: frozenset[str] = frozenset()
    funs: tuple[str, ...] = ()
    jids: frozenset[str] = frozenset()
    without_return: bool = False
    _tag_fits: Fits = field(init=False, repr=False, compare=False)
    _fun_fits: Fits = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Compile the patterns once: the caches of fnmatch and re are small, clients would thrash them."""
        object.__setattr__(self, "_tag_fits", _matcher(self.tags, self.match_type))
        object.__setattr__(self, "_fun_fits", _matcher(self.funs, "fnmatch"))

    def wants(self, event: Event) -> bool:
        """Tell whether the event is asked for; an empty part of the filter asks for everything."""
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
        """Return the body without what was not asked for."""
        if body is not event.body and self.minions:
            left = minions_of(event.topic, decode(b"{" + body + b"}")["data"])
            if self.minions.isdisjoint(left):
                return None  # what was cut away must not be found by asking for it
        if self.without_return and event.has_return:
            return _without_return(event, body)
        return body


def make(message: Mapping[str, Any]) -> Filter:
    """Return the filter of a validated ``subscribe`` or ``get_event`` message.

    :raises ApiError: a regular expression that is wrong, too long, or not to be had on this master
    """
    match_type = message.get("match_type", "startswith")
    tags = _several(message.get("tag"))
    if match_type == "regex":
        for place, pattern in enumerate(tags):
            _check_regex(pattern, f"/tag/{place}" if isinstance(message.get("tag"), list) else "/tag")
    return Filter(
        # "" is Salt's own way to ask for everything
        tags=() if "" in tags and match_type in ("startswith", "endswith", "find") else tags,
        match_type=match_type,
        minions=frozenset(_several(message.get("minions"))),
        funs=_several(message.get("fun")),
        jids=frozenset(_several(message.get("jid"))),
        without_return=bool(message.get("without_return", False)),
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


def _check_regex(pattern: str, path: str) -> None:
    if regex is None:
        problem = "regular expressions need the Python package regex on the master"
    elif len(pattern) > MAX_PATTERN:
        problem = f"must be at most {MAX_PATTERN} characters"
    else:
        try:
            regex.compile(pattern)
            return
        except regex.error as error:
            problem = f"is no regular expression: {error}"
    raise ApiError("bad_message", f"{path} {problem}", [{"path": path, "message": problem}])


def _matcher(patterns: tuple[str, ...], match_type: str) -> Fits:
    if match_type == "regex":
        return _Expressions(patterns)
    if match_type == "fnmatch":
        globs = [re.compile(fnmatch.translate(pattern)).match for pattern in patterns]
        return lambda text: any(glob(text) for glob in globs)
    fits = _PLAIN[match_type]
    return lambda text: any(fits(text, wanted) for wanted in patterns)


class _Expressions:
    """One filter's regular expressions, with an account of the time that they take from everybody.

    A time-out alone is not enough: an expression that always takes a little less would stop the engine as well.
    """

    def __init__(self, patterns: Iterable[str]) -> None:
        self._searches = [regex.compile(pattern).search for pattern in patterns]
        self._credit = CREDIT_SECONDS

    def __call__(self, tag: str) -> bool:
        if self._credit <= 0:
            return False
        began = time.thread_time()
        try:
            for search in self._searches:
                left = self._credit - (time.thread_time() - began)
                if left <= 0 or search(tag, timeout=min(left, MATCH_SECONDS)) is not None:
                    return left > 0
            return False
        except TimeoutError:
            self._credit = 0.0
            return False
        finally:
            self._credit = min(CREDIT_SECONDS, self._credit + EARNED_SECONDS - (time.thread_time() - began))
            if self._credit <= 0:
                log.warning("a client's regular expressions take too long: they match nothing from now on")
