"""How the common log of several masters is kept in Redis, and which Redis can be used.

Keys, all below ``websocket_api:``:

    masters      hash: a master's id -> its engine's run, a number that changes every few seconds, and the time
    log:MASTER   stream of chunks: ``v`` form, ``e`` epoch, ``a`` number before, ``l`` last number, ``d`` lines,
                 ``n`` notes. It expires when its master is gone
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import redis
import redis.exceptions

from ..errors import CannotRun

MASTERS, STREAM = "websocket_api:masters", "websocket_api:log:"
FORM = 1
"""Form of chunks. Those of another form are not read, so their events are missing."""
CONNECT_SECONDS = 10.0
MAX_DIGITS = 11
"""Digits of a time in seconds: a time after the year 5138 is invalid."""

MAX_NUMBER = 2**53 - 1
"""The largest number that clients read exactly, and may send back."""
MAX_NAME = 255
"""Characters of a master's id, as in a client's positions."""
PARAMETERS = frozenset({"db", "username", "password", "client_name", "socket_keepalive", "health_check_interval"})
"""That a URL may have, in addition to those of TLS. Others would change timeouts, or the form of answers."""

Chunk = tuple[str, int, int, bytes, bytes]
"""Epoch, number before the first line, last number, lines, and notes (core/sharing/records.py)."""


@dataclass(frozen=True)
class Pace:
    """Intervals and timeouts, in seconds."""

    beat: float = 5.0
    """Between two heartbeats of an engine."""
    stale: float = 20.0
    """Without a heartbeat, after which a master's events are reported as missing."""
    gone: float = 86_400.0
    """Without a heartbeat, after which a master is forgotten, but not before its events are too old to be kept."""
    look: float = 1.0
    """Between two looks for new masters."""
    block: float = 1.0
    """How long a read waits for new chunks."""
    answer: float = 10.0
    """For an answer. A slow Redis delays the other masters' events, never the own ones."""
    retry: float = 1.0
    """Between two attempts."""
    refused: float = 30.0
    """Between two attempts if Redis must not be used as it is configured."""


class Unusable(Exception):
    """This Redis must not be used as it is configured: the message says why and what to do."""


class ForeignKey(redis.exceptions.RedisError):
    """Another program uses a key of the common log: the message names it."""


def is_protected(url: str) -> bool:
    """Return whether a URL of Redis has a password, or names a unix socket."""
    return urlsplit(url).scheme == "unix" or bool(redis.Redis.from_url(url).get_connection_kwargs().get("password"))


def check_url(url: str) -> None:
    """Refuse a URL that redis does not understand. Its own errors would show a part of the password.

    :raises CannotRun: it does not
    """
    try:
        names = parse_qs(urlsplit(url).query)
        if any(name not in PARAMETERS and not name.startswith("ssl_") for name in names):
            raise ValueError
        redis.Redis.from_url(url).connection_pool.make_connection()
    except (ValueError, TypeError, redis.exceptions.RedisError):
        raise CannotRun(
            "the option history.share is not a URL of Redis: check host, port and parameters, and write special "
            "characters of the password percent-encoded, such as %2F for /"
        ) from None


def connect(url: str, seconds: float) -> Any:
    """Return a client of a Redis that never drops events unnoticed.

    :param seconds: to wait for an answer
    :raises Unusable: it may drop them
    """
    client = redis.Redis.from_url(url, socket_timeout=seconds, socket_connect_timeout=CONNECT_SECONDS)
    info = client.info()
    version = tuple(int(part) for part in str(info.get("redis_version", "0")).split(".")[:2] if part.isdigit())
    if version < (6, 2):
        raise Unusable(f"Redis {info.get('redis_version')} cannot limit streams by time: install 6.2 or newer")
    check_policy(info)
    return client


def check_policy(info: Mapping[str, Any]) -> None:
    """Refuse a Redis that may drop events. Its configuration can change while a client is connected.

    :param info: what Redis returns for ``INFO memory``
    :raises Unusable: it may drop events
    """
    policy = info.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        raise Unusable(
            f"Redis may evict whole streams (maxmemory-policy is {policy}): "
            "run redis-cli CONFIG SET maxmemory-policy noeviction, and set it in redis.conf"
        )


def check_keys(client: Any, own: str) -> None:
    """Check that no other program has replaced a key of the common log.

    :param own: the own master's id
    :raises ForeignKey: one has
    """
    for key, kind in ((MASTERS, b"hash"), (f"{STREAM}{own}", b"stream")):
        if client.type(key) not in (kind, b"none"):
            raise ForeignKey(f"{key} in Redis is not a {kind.decode()}: delete that key")


def name_of(field: bytes) -> str | None:
    """Return a master's id; None for one that no client could send back."""
    name = field.decode("utf-8", "replace")
    return name if 0 < len(name) <= MAX_NAME and name.encode() == field else None


def fields_of(chunk: Chunk) -> dict[str, Any]:
    """Return the fields of an entry."""
    epoch, after, last, lines, notes = chunk
    return {"v": FORM, "e": epoch, "a": after, "l": last, "d": lines, **({"n": notes} if notes else {})}


def chunk_of(fields: Mapping[bytes, bytes]) -> Chunk | None:
    """Return the chunk of an entry; None if it is of another form."""
    try:
        if int(fields[b"v"]) != FORM:
            return None
        epoch = fields[b"e"].decode()
        after, last = int(fields[b"a"]), int(fields[b"l"])
        if not (0 <= after <= last <= MAX_NUMBER and 0 < len(epoch) <= 64):
            return None
        return epoch, after, last, fields[b"d"], fields.get(b"n", b"")
    except (KeyError, ValueError):
        return None


def beat_of(run: str, number: int, seconds: int) -> str:
    """Return a heartbeat.

    :param seconds: now, by the clock of Redis
    """
    return f"{run}-{number}-{seconds}"


def time_of(beat: bytes) -> int | None:
    """Return when a heartbeat was written, by the clock of Redis; None if another program wrote it."""
    parts = beat.split(b"-")
    return int(parts[2]) if len(parts) == 3 and parts[2].isdigit() and len(parts[2]) <= MAX_DIGITS else None


def number_of(entry: bytes) -> tuple[int, int]:
    """Return the id of an entry: milliseconds since the epoch, and a number."""
    first, _, second = entry.partition(b"-")
    return int(first), int(second or 0)
