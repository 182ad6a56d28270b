"""The master's own side while requests are recorded: its event bus, and jobs that nobody sent through a server."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Any

from tests.goldens.frames import MARK

# Seconds until an event that was fired, or the returns of a small job, must be there.
PATIENCE = 20


class Bus:
    """What the master whose options these are has on its bus, and a way to put something there.

    :param opts: the master's options, as ``salt.config.client_config`` gives them
    :param token: Salt's token of a user who may run everything
    """

    def __init__(self, opts: dict[str, Any], token: str) -> None:
        self._opts = opts
        self._token = token

    def _event(self, listen: bool) -> Any:
        import salt.utils.event

        return salt.utils.event.get_event("master", sock_dir=self._opts["sock_dir"], opts=self._opts, listen=listen)

    @contextlib.contextmanager
    def listening(self) -> Iterator[Any]:
        """Yield a function that returns the next event ``{"tag", "data"}`` below a tag, or None if none comes."""
        with self._event(listen=True) as event:
            yield lambda tag: event.get_event(wait=PATIENCE, tag=tag, full=True, match_type="startswith")

    def fire(self, tag: str, data: dict[str, Any]) -> None:
        with self._event(listen=False) as event:
            event.fire_event(data, tag, timeout=PATIENCE * 1000)

    def publish(self, fun: str, tgt: str, arg: tuple[Any, ...] = ()) -> str:
        """Start a job and return its jid."""
        import salt.client

        with salt.client.get_local_client(mopts=self._opts) as client:
            return str(client.run_job(tgt, fun, list(arg), token=self._token)["jid"])

    def finished(self, jid: str, minions: int) -> None:
        """Wait until so many minions have returned the job."""
        import salt.client

        deadline = time.monotonic() + PATIENCE
        with salt.client.get_local_client(mopts=self._opts) as client:
            while len(client.get_cache_returns(jid)) < minions:
                if time.monotonic() > deadline:
                    raise TimeoutError(f"job {jid} was not returned by {minions} minions")
                time.sleep(0.1)

    def stir(self, grains: bool) -> None:
        """Let the bus carry what every stream is watched for: an event of our own and a job, and one for grains."""
        if grains:
            self.publish("grains.items", "minion-1")
        self.fire(MARK, {"number": 1, "text": "häß\nlich", "nothing": None})
        self.publish("test.ping", "minion-1")
