"""One token of a user, and what the user has open over all tokens."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from ...errors import ApiError
from ...fair_share import Share
from .memory import Memory
from .permissions import Permissions
from .visibility import Viewer


@dataclass(eq=False)
class Holdings:
    """Counts what one user has, over all tokens and connections."""

    connections: int = 0
    subscriptions: int = 0
    commands: int = 0
    """Requests without a reply."""
    memory: Memory = field(default_factory=Memory)

    def check_limit(self, name: str, maximum: int) -> None:
        """Check that the user may have one more.

        :param name: the name of the field
        :raises ApiError: ``too_many``
        """
        if getattr(self, name) >= maximum:
            raise ApiError("too_many", f"you have {maximum} {name}", {"limit": f"{name}_per_user"})


class Session:
    """One token. ``ended`` is the reason after it became invalid.

    :param holdings: the counters of its user
    """

    def __init__(self, info: Mapping[str, Any], viewer: Viewer, holdings: Holdings | None = None) -> None:
        self.holdings = holdings or Holdings()
        self.token: str = info["token"]
        self.user: str = info["name"]
        self.eauth: str = info["eauth"]
        self.share = Share(self.user, self.eauth)
        """The share that its work is charged to."""
        self.start: float = info["start"]
        self.expire: float = info["expire"]
        self.viewer = viewer
        self.ended: ApiError | None = None
        self.held = 0
        """Connections, subscriptions, requests and batches that use it: :meth:`hold` and :meth:`release` count."""
        self.used = 0.0

    @property
    def permissions(self) -> Permissions:
        """The permissions of the user at the last check."""
        return self.viewer.permissions

    def hold(self, kind: str | None = None) -> None:
        """Keep the session in use, so that its token is checked from time to time.

        :param kind: the field of :class:`Holdings` that counts this for the user; None for what has no such limit
        """
        self.held += 1
        if kind is not None:
            setattr(self.holdings, kind, getattr(self.holdings, kind) + 1)

    def release(self, kind: str | None = None) -> None:
        """Undo one :meth:`hold` of the same kind."""
        self.held -= 1
        if kind is not None:
            setattr(self.holdings, kind, getattr(self.holdings, kind) - 1)

    @contextmanager
    def holding(self, kind: str | None = None) -> Iterator[None]:
        """Hold the session during a block."""
        self.hold(kind)
        try:
            yield
        finally:
            self.release(kind)

    def login_reply(self) -> dict[str, Any]:
        """Return the reply to a login."""
        return {
            "token": self.token,
            "start": self.start,
            "expire": self.expire,
            "name": self.user,
            "user": self.user,
            "username": self.user,
            "eauth": self.eauth,
            "perms": self.permissions.auth_list,
        }
