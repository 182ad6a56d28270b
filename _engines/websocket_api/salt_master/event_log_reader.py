"""Reads the streams of the other masters from the common log, in a thread."""

from __future__ import annotations

import datetime
import logging
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import redis.exceptions

from .event_log_format import MASTERS, STREAM, Chunk, Pace, check_keys, chunk_of, connect, name_of, number_of, time_of

log = logging.getLogger(__name__)

READ_CHUNKS = 20
MAX_MASTERS = 64
"""Masters that are read, the own one included: as many as a client's position can name."""
KINDS = (b"stream", b"none")
"""Types of keys that can be read."""
WAIT_SECONDS = 0.2
"""Until the next look, while no master is known."""


class Aged(NamedTuple):
    """A chunk, and its age in seconds."""

    chunk: Chunk
    age: float


Apply = Callable[[str, list[Aged]], None]
"""``apply(master, chunks)`` returns when the chunks are applied."""


class Beat(NamedTuple):
    """A master's last heartbeat."""

    value: bytes
    changed: float
    """When it changed here, in seconds of the monotonic clock."""
    seen: float
    """When it was written, by the clock of Redis; by this machine's if the heartbeat has no time."""


class Reader:
    """Reads all streams in turn.

    :param own: the own master's id
    :param seconds: how old chunks of a master may be that is new here
    :param works: is called after a success
    """

    def __init__(self, url: str, own: str, seconds: float, pace: Pace, works: Callable[[], None]) -> None:
        self._url = url
        self._own = own
        self._seconds = seconds
        self._pace = pace
        self._works = works
        self._closed = False
        self._places: dict[str, bytes] = {}
        """The newest entry that was read of each stream."""
        self._beats: dict[str, Beat] = {}
        self._odd: set[str] = set()
        """Masters whose keys are not streams, which was logged. They are left out until the keys are deleted."""
        self._own_ended = False
        """Whether the own master's stream was read to its end."""
        self._too_many = False
        """Whether it was logged that there are more masters than are read."""
        self._first_look: float | None = None
        self._reading_since = 0.0
        """When Redis answered again, in seconds of the monotonic clock: before, no master could write."""
        self._silent: set[str] = set()
        """Masters of which it was logged that they do not write."""
        self.stale: dict[str, float] = {}
        """When masters last wrote that do not write now, or whose streams cannot be read: seconds since 1970."""

    def close(self) -> None:
        """End soon."""
        self._closed = True

    def is_gone(self, master: str) -> bool:
        """Return whether a master is no longer read: its engine has not run for a long time."""
        looked = self._first_look
        return looked is not None and time.monotonic() - looked > self._pace.stale and master not in self._places

    def run(self, apply: Apply, on_end: Callable[[], None], on_own_end: Callable[[], None]) -> None:
        """Read until this is closed; first the own master's stream alone.

        :param on_end: is called after each look at all streams, when all that they had then is applied
        :param on_own_end: is called once, when all that the own stream had is applied
        """
        client = connect(self._url, self._pace.block + self._pace.answer)
        self._set_aside(client)
        self._check_places(client)
        self._reading_since = time.monotonic()
        while not self._closed:
            try:
                self._read(client, apply, on_end, on_own_end)
            except redis.exceptions.ResponseError:
                if not self._set_aside(client):
                    check_keys(client, self._own)
                    raise

    def _read(self, client: Any, apply: Apply, on_end: Callable[[], None], on_own_end: Callable[[], None]) -> None:
        """Read until this is closed, or a key is not a stream."""
        looked, ahead = None, 0.0
        ends: dict[str, bytes] | None = None
        while not self._closed:
            if looked is None or time.monotonic() - looked >= self._pace.look:
                looked = time.monotonic()
                seconds, micros = client.time()
                ahead = seconds + micros / 1e6 - looked
                self._look(client, seconds)
                ends = self._ends(client)
            if not self._own_ended and ends is not None and self._has_read(self._own, ends):
                self._own_ended = True
                on_own_end()
            if ends is not None and all(self._has_read(name, ends) for name in ends):
                ends = None
                on_end()
            names = self._readable if self._own_ended else [self._own]
            keys = {f"{STREAM}{name}": self._places[name] for name in names}
            if not keys:
                self._works()
                time.sleep(WAIT_SECONDS)
                continue
            found = client.xread(keys, count=READ_CHUNKS, block=int(self._pace.block * 1000))
            self._works()
            for key, entries in found or ():
                master = key.decode("utf-8", "replace").removeprefix(STREAM)
                chunks = []
                for place, fields in entries:
                    self._places[master] = place
                    chunk = chunk_of(fields)
                    if chunk is not None:
                        age = time.monotonic() + ahead - number_of(place)[0] / 1000
                        chunks.append(Aged(chunk, max(0.0, age)))
                if chunks and not self._closed:
                    apply(master, chunks)

    @property
    def _readable(self) -> list[str]:
        return [name for name in self._places if name not in self._odd]

    def _has_read(self, name: str, ends: dict[str, bytes]) -> bool:
        return name not in ends or number_of(self._places[name]) >= number_of(ends[name])

    def _ends(self, client: Any) -> dict[str, bytes]:
        """Return the newest entry of each stream."""
        pipeline, names = client.pipeline(transaction=False), self._readable
        for name in names:
            pipeline.xrevrange(f"{STREAM}{name}", count=1)
        return {name: found[0][0] for name, found in zip(names, pipeline.execute(), strict=True) if found}

    def _set_aside(self, client: Any) -> bool:
        """Leave out masters whose keys are not streams; return whether there are new ones."""
        names = self._readable
        pipeline = client.pipeline(transaction=False)
        for name in names:
            pipeline.type(f"{STREAM}{name}")
        odd = [name for name, kind in zip(names, pipeline.execute(), strict=True) if kind not in KINDS]
        for name in odd:
            self._odd.add(name)
            log.warning("%s%.64s in Redis is not a stream, and is not read: delete that key", STREAM, name)
        return bool(odd)

    def _check_places(self, client: Any) -> None:
        """Read a stream again that ends before the last place: this Redis lost its data, and its clock was set back."""
        for name in self._readable:
            last = client.xrevrange(f"{STREAM}{name}", count=1)
            if last and number_of(last[0][0]) < number_of(self._places[name]):
                del self._places[name]

    def _look(self, client: Any, seconds: int) -> None:
        """Find masters that are new, those whose engines do not run, and those that are gone.

        :param seconds: now, by the clock of Redis
        """
        now = time.monotonic()
        # What is older is beyond the history's limit.
        start = b"%d" % ((seconds - self._seconds) * 1000)
        for name in [name for name in self._odd if client.type(f"{STREAM}{name}") in KINDS]:
            self._odd.discard(name)
        for name, value in self._listed(client):
            written = time_of(value)
            if name != self._own and written is not None and seconds - written > self._gone_seconds:
                client.hdel(MASTERS, name)
                continue
            runs = written is not None and abs(seconds - written) <= self._pace.stale
            if name not in self._places and not self._make_room(name, now, runs=runs):
                continue
            self._places.setdefault(name, start)
            if name not in self._beats or self._beats[name].value != value:
                self._beats[name] = Beat(value, now, time.time() if written is None else written)
        self._forget_gone(client, now, seconds)
        oldest = now - self._pace.stale
        beats = [(name, beat) for name, beat in self._beats.items() if name != self._own]
        self.stale = {name: beat.seen for name, beat in beats if beat.changed < oldest or name in self._odd}
        self._log_silence(oldest)
        if self._first_look is None:
            self._first_look = now

    def _listed(self, client: Any) -> list[tuple[str, bytes]]:
        """Return all masters with their heartbeats: the own one, then those that wrote last."""
        found = {name: value for field, value in client.hgetall(MASTERS).items() if (name := name_of(field))}
        return sorted(found.items(), key=lambda one: (one[0] != self._own, -(time_of(one[1]) or 0), one[0]))

    def _make_room(self, name: str, now: float, *, runs: bool) -> bool:
        """Return whether a new master can be read. One that runs takes the place of one that does not.

        :param now: seconds, monotonic
        """
        others = self._places.keys() - {self._own}
        if name == self._own or len(others) < MAX_MASTERS - 1:
            return True
        if not runs:
            return False
        silent = [one for one in others if self._is_silent(one, now)]
        if silent:
            self._forget(min(silent, key=lambda one: self._beats[one].changed))
        elif not self._too_many:
            self._too_many = True
            log.warning("the common log has more than %d masters: %.64r and others are not read", MAX_MASTERS, name)
        return bool(silent)

    def _is_silent(self, name: str, now: float) -> bool:
        return name in self._beats and now - self._beats[name].changed > self._pace.stale

    def _forget(self, name: str) -> None:
        self._places.pop(name, None)
        self._odd.discard(name)
        del self._beats[name]

    def _log_silence(self, oldest: float) -> None:
        """Log which masters became silent while Redis answered, and which write again.

        :param oldest: a master that wrote later is not silent; of the monotonic clock
        """
        for name in self.stale.keys() - self._odd - self._silent if self._reading_since < oldest else ():
            self._silent.add(name)
            seen = datetime.datetime.fromtimestamp(self.stale[name], datetime.timezone.utc)
            log.warning(
                "master %.64r has not written to the common log since %s: start its engine, or let it reach Redis",
                name,
                seen.isoformat(timespec="seconds"),
            )
        for name in self._silent - self.stale.keys():
            self._silent.discard(name)
            if name in self._beats:
                log.warning("master %.64r writes to the common log again", name)

    @property
    def _gone_seconds(self) -> float:
        return max(self._pace.gone, self._seconds)

    def _forget_gone(self, client: Any, now: float, seconds: int) -> None:
        for name, beat in list(self._beats.items()):
            is_silent = name != self._own and self._is_silent(name, now)
            if is_silent and max(now - beat.changed, seconds - beat.seen) > self._gone_seconds:
                client.hdel(MASTERS, name)
                self._forget(name)
