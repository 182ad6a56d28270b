"""``salt.utils.event`` over the network: a script changes its import line to ``from salt_live import salt``.

The address and the login are in the environment: ``SALT_LIVE_URL`` (several addresses are separated by commas),
``SALT_LIVE_TOKEN``, or ``SALT_LIVE_USERNAME``, ``SALT_LIVE_PASSWORD`` and ``SALT_LIVE_EAUTH``, and ``SALT_LIVE_CA``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any

from salt_live.client import Client
from salt_live.errors import ConnectionFailed, EventsLost
from salt_live.models import Event, Gap

DEFAULT_URL = "ws://127.0.0.1:8000"
TAGS = {
    "auth": "auth",
    "job": "job",
    "key": "key",
    "minion": "minion",
    "syndic": "syndic",
    "run": "run",
    "wheel": "wheel",
    "cloud": "cloud",
    "fileserver": "fileserver",
    "queue": "queue",
}


def from_environment(on_gap: Callable[[Gap], None] | None = None) -> Client:
    """Return a client for the address and the login in the environment.

    :raises ConnectionFailed: the environment has no login
    """

    def setting(name: str) -> str | None:
        return os.environ.get(f"SALT_LIVE_{name}") or None

    if not setting("TOKEN") and not (setting("USERNAME") and setting("PASSWORD")):
        raise ConnectionFailed("set SALT_LIVE_TOKEN, or SALT_LIVE_USERNAME and SALT_LIVE_PASSWORD")
    return Client(
        (setting("URL") or DEFAULT_URL).split(","),
        username=setting("USERNAME"),
        password=setting("PASSWORD"),
        eauth=setting("EAUTH"),
        token=setting("TOKEN"),
        ca=setting("CA"),
        on_gap=on_gap,
    )


class SaltEvent:
    """The event bus of the master, with the methods of ``salt.utils.event.SaltEvent``.

    :param node: ``master``
    :param sock_dir: ignored, as ``opts``, ``io_loop`` and ``keep_loop`` are: there is no socket file
    :param listen: whether to receive events from now on
    :param raise_errors: raise ``EventsLost`` where events are missing, instead of logging it
    """

    def __init__(
        self,
        node: str,
        sock_dir: str | None = None,
        opts: Mapping[str, Any] | None = None,
        listen: bool = True,
        io_loop: Any = None,
        keep_loop: bool = False,
        raise_errors: bool = False,
    ) -> None:
        self.node = node
        self.raise_errors = raise_errors
        self._gaps: list[Gap] = []
        self._client = from_environment(self._gaps.append if raise_errors else None)
        if listen:
            self._client.get_event(no_block=True, tag="\0")

    def __enter__(self) -> SaltEvent:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _value: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self.destroy()

    def get_event(
        self,
        wait: float = 5,
        tag: str = "",
        full: bool = False,
        match_type: str | None = None,
        no_block: bool = False,
        auto_reconnect: bool = False,
    ) -> Any:
        """Return the data of the next event whose tag matches; None if none arrived in time. ``wait=0`` is forever."""
        found = self._client.get_event(wait, tag, full, match_type, no_block, auto_reconnect)
        if self._gaps:
            raise EventsLost(self._gaps.pop(0))
        return found

    def get_event_noblock(self) -> Any:
        """Return the tag and data of the next event that has already arrived, or None."""
        return self.get_event(full=True, no_block=True)

    def get_event_block(self) -> Any:
        """Return the tag and data of the next event."""
        return self.get_event(wait=0, full=True)

    def iter_events(
        self, tag: str = "", full: bool = False, match_type: str | None = None, auto_reconnect: bool = False
    ) -> Iterator[Any]:
        """Yield the data of each event whose tag matches, forever."""
        while True:
            found = self.get_event(0, tag, full, match_type, False, auto_reconnect)
            if found is not None:
                yield found

    def subscribe(self, tag: str | None = None, match_type: str | None = None) -> None:
        """Keep events whose tag matches for later calls of ``get_event``."""
        self._client.subscribe(tag, match_type)

    def unsubscribe(self, tag: str | None, match_type: str | None = None) -> None:
        """Undo ``subscribe``."""
        self._client.unsubscribe(tag, match_type)

    def set_event_handler(self, event_handler: Callable[[Event], None]) -> None:
        """Call a function with each event. ``SaltEvent.unpack`` returns its tag and data."""
        self._client.set_event_handler(event_handler)

    def fire_event(self, data: Mapping[str, Any], tag: str, timeout: float = 1000) -> bool:
        """Fire an event on the master's bus."""
        return self._client.fire_event(data, tag, timeout)

    def fire_master(self, data: Mapping[str, Any], tag: str, timeout: float = 1000) -> bool:
        """Do the same as ``fire_event``: the bus is the master's."""
        return self._client.fire_master(data, tag, timeout)

    def connect_pub(self, timeout: float | None = None) -> bool:
        """Connect, unless that was done."""
        self._client.connect()
        return True

    @staticmethod
    def unpack(raw: Event) -> tuple[str, Any]:
        """Return the tag and the data of what an event handler is called with."""
        return raw.tag, raw.data

    def destroy(self) -> None:
        """Close the connection."""
        self._client.close()


class MasterEvent(SaltEvent):
    """The event bus of the master."""

    def __init__(
        self,
        sock_dir: str | None = None,
        opts: Mapping[str, Any] | None = None,
        listen: bool = True,
        io_loop: Any = None,
        keep_loop: bool = False,
        raise_errors: bool = False,
    ) -> None:
        super().__init__("master", sock_dir, opts, listen, io_loop, keep_loop, raise_errors)


class LocalClientEvent(MasterEvent):
    """The same as ``MasterEvent``."""


def get_event(
    node: str,
    sock_dir: str | None = None,
    opts: Mapping[str, Any] | None = None,
    listen: bool = True,
    io_loop: Any = None,
    keep_loop: bool = False,
    raise_errors: bool = False,
) -> SaltEvent:
    """Return the event bus of the master."""
    return SaltEvent(node, sock_dir, opts, listen, io_loop, keep_loop, raise_errors)


def get_master_event(
    opts: Mapping[str, Any] | None,
    sock_dir: str | None,
    listen: bool = True,
    io_loop: Any = None,
    raise_errors: bool = False,
) -> SaltEvent:
    """Return the event bus of the master."""
    return MasterEvent(sock_dir, opts, listen, io_loop, False, raise_errors)


def tagify(suffix: str | Iterable[Any] = "", prefix: str = "", base: str = "salt") -> str:
    """Return a tag from its parts: ``tagify("new", "job")`` is ``salt/job/new``."""
    parts = [base, TAGS.get(prefix, prefix), *([suffix] if isinstance(suffix, str) else suffix)]
    return "/".join(str(part) for part in parts if str(part))
