"""One request without protocol or master: tests give its services, and read its effects."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from websocket_api.core.minions.answers import Answers
from websocket_api.operations.call import Call
from websocket_api.settings import Settings

from tests.unit.core.support import Client, World


class Asking:
    """A user with an auth list, who sends requests.

    :param world: the core of the engine
    :param given: further services, by name
    """

    def __init__(self, world: World, *auth_list: Any, user: str = "ann", **given: Any) -> None:
        self.world = world
        self.client = Client()
        self.session = world.session(*auth_list, user=user)
        self.fired: list[tuple[str, dict[str, Any]]] = []
        services = {
            "settings": Settings(),
            "history": world.history,
            "hub": world.hub,
            "jobs": world.jobs,
            "minions": world.minions,
            "job_feed": world.job_feed,
            "minion_feed": world.minion_feed,
            "visibility": world.visibility,
            "answers": Answers(jobs=world.jobs, minions=world.minions, clock=world.time),
            "fire": self._fire,
            "wall": world.time,
            **given,
        }
        self.services = SimpleNamespace(**services)

    def call(self, **message: Any) -> Call:
        """Return a request with Salt's field names, as the dispatcher passes it to an operation."""
        return Call(self.services, self.client.connection, message, self.session)  # type: ignore[arg-type]

    async def _fire(self, tag: str, data: dict[str, Any]) -> None:
        self.fired.append((tag, data))
