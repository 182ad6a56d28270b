"""Reads the streams of the other masters from the common log, in a thread."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from .event_log_format import MASTERS, STREAM, Chunk, Pace, chunk_of, connect, number_of

log = logging.getLogger(__name__)

READ_CHUNKS = 20
MAX_MASTERS = 64
WAIT_SECONDS = 0.2
"""Until the next look, while no master is known."""

Apply = Callable[[str, Chunk, float], None]
"""``apply(master, chunk, age)`` returns when the chunk is applied; the age is in seconds."""


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
        self._beats: dict[str, tuple[Any, float]] = {}
        """Each master's last heartbeat, and when it changed."""
        self._odd: set[str] = set()
        """Masters whose keys are no streams, which was logged."""
        self.stale: frozenset[str] = frozenset()
        """Masters whose engines have not written for a while."""

    def close(self) -> None:
        """End soon."""
        self._closed = True

    def run(self, apply: Apply, on_end: Callable[[], None]) -> None:
        """Read until this is closed.

        :param on_end: is called after each look at all streams, when all that they had then is applied
        """
        client = connect(self._url, self._pace.block + self._pace.answer)
        self._check_places(client)
        looked, ahead = None, 0.0
        ends: dict[str, bytes] | None = None
        while not self._closed:
            if looked is None or time.monotonic() - looked >= self._pace.look:
                looked = time.monotonic()
                seconds, micros = client.time()
                ahead = seconds + micros / 1e6 - looked
                self._look(client, b"%d" % ((seconds - self._seconds) * 1000))
                ends = self._ends(client)
                self._works()
            if ends is not None and all(number_of(self._places[name]) >= number_of(end) for name, end in ends.items()):
                ends = None
                on_end()
            keys = {f"{STREAM}{name}": place for name, place in self._places.items()}
            if not keys:
                time.sleep(WAIT_SECONDS)
                continue
            for key, entries in client.xread(keys, count=READ_CHUNKS, block=int(self._pace.block * 1000)) or ():
                master = key.decode("utf-8", "replace").removeprefix(STREAM)
                for place, fields in entries:
                    self._places[master] = place
                    chunk = chunk_of(fields)
                    if chunk is not None and not self._closed:
                        age = time.monotonic() + ahead - number_of(place)[0] / 1000
                        apply(master, chunk, max(0.0, age))

    def _ends(self, client: Any) -> dict[str, bytes]:
        """Return the newest entry of each stream."""
        pipeline = client.pipeline(transaction=False)
        for name in self._places:
            pipeline.xrevrange(f"{STREAM}{name}", count=1)
        return {name: found[0][0] for name, found in zip(self._places, pipeline.execute(), strict=True) if found}

    def _check_places(self, client: Any) -> None:
        """Read a stream again that ends before the last place: this Redis lost its data, and its clock was set back."""
        for name, place in list(self._places.items()):
            last = client.xrevrange(f"{STREAM}{name}", count=1)
            if last and number_of(last[0][0]) < number_of(place):
                del self._places[name]

    def _look(self, client: Any, start: bytes) -> None:
        """Find masters that are new, and those whose engines do not run.

        :param start: where the streams of new masters are read from: what is older is beyond the history's limit
        """
        now = time.monotonic()
        for field, beat in sorted(client.hgetall(MASTERS).items()):
            name = field.decode("utf-8", "replace")
            if name not in self._places and len(self._places) >= MAX_MASTERS:
                continue
            if name not in self._places and client.type(f"{STREAM}{name}") not in (b"stream", b"none"):
                if name not in self._odd:
                    self._odd.add(name)
                    log.warning("%s%.64s in Redis is no stream, and is not read: delete that key", STREAM, name)
                continue
            self._places.setdefault(name, start)
            if name not in self._beats or self._beats[name][0] != beat:
                self._beats[name] = beat, now
        oldest = now - self._pace.stale
        self.stale = frozenset(name for name, (_, at) in self._beats.items() if at < oldest and name != self._own)
