"""Jobs whose minions return at a steady rate, on a master's bus, as a script.

Arguments: one JSON object ``{pull, minions, rate}``: the master's socket for events, the ids, and returns per second.
Prints ``{"ready": true}``, and returns until it is killed.
"""

from __future__ import annotations

import json
import socket
import sys
import time
from datetime import datetime, timezone

from tests.benchmarks.returns import announced, framed

FUN = "test.ping"
MINIONS = 1_000  # of each job


def main(pull: str, minions: list[str], rate: float) -> None:
    """Return until this process is killed."""
    with socket.socket(socket.AF_UNIX) as to_bus:
        to_bus.connect(pull)
        print(json.dumps({"ready": True}), flush=True)
        began, sent, chosen = time.monotonic(), 0, minions[:MINIONS]
        while True:
            jid = datetime.now(timezone.utc).strftime("%Y%m%d%H%M%S%f")
            to_bus.sendall(announced(jid, chosen, FUN))
            for minion in chosen:
                time.sleep(max(0.0, began + sent / rate - time.monotonic()))
                to_bus.sendall(framed(jid, minion, FUN, True))
                sent += 1


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
