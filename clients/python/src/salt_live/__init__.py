"""A live client of a Salt master, over the websocket of its engine ``websocket_api``.

``AsyncClient`` is for asyncio, and ``Client`` blocks. ``errors`` describes all exceptions; ``error_codes`` has one for
each error code, and ``messages`` the types of all messages.
"""

from __future__ import annotations

from salt_live.async_client import AsyncClient
from salt_live.client import Client
from salt_live.errors import ApiError, ConnectionFailed, EventsLost, LoginFailed, SaltLiveError, Unknown
from salt_live.live import LiveMapping
from salt_live.models import BatchProgress, Event, Gap, Position, Progress
from salt_live.version import __version__

__all__ = [
    "ApiError",
    "AsyncClient",
    "BatchProgress",
    "Client",
    "ConnectionFailed",
    "Event",
    "EventsLost",
    "Gap",
    "LiveMapping",
    "LoginFailed",
    "Position",
    "Progress",
    "SaltLiveError",
    "Unknown",
    "__version__",
]
