"""What a verb does while the connection is lost: it says so once, waits, and gives up in the end."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from salt_live.errors import ConnectionFailed

LOST_SECONDS = 60.0  # the engine is back within seconds after a restart


class Patience:
    """Watches the connection of a client.

    :param say: writes a line to stderr
    :param resume: the command that comes back to what runs; without it nothing runs, and it never gives up
    """

    def __init__(
        self, client: Any, say: Callable[[str], None], resume: str = "", clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._client, self._say, self._resume, self._clock = client, say, resume, clock
        self._since: float | None = None
        self._address = client.address

    def check(self) -> None:
        """Say that the connection was lost or is back.

        :raises ConnectionFailed: it was lost too long ago
        """
        if self._client.state == "open":
            if self._since is not None:
                elsewhere = "" if self._client.address == self._address else f", to {self._client.address}"
                self._say(f"connected again{elsewhere}")
            self._since, self._address = None, self._client.address
        elif self._since is None:
            self._since = self._clock()
            continues = ", what was started continues on the master" if self._resume else ""
            self._say(f"connection lost; connecting again{continues}")
        elif self._resume and self._clock() - self._since > LOST_SECONDS:
            raise ConnectionFailed(f"no connection for {LOST_SECONDS:.0f} s; come back with: {self._resume}")
