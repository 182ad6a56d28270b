"""A plain listener on the master's bus, as in Salt's documentation: the cost of an event without a network.

Arguments: one JSON object ``{config, count}``. Prints ``{"ready": true}``, and after ``sent`` one JSON object.
"""

from __future__ import annotations

import json
import sys
import time

import salt.config
import salt.utils.event

from tests.benchmarks import marks

QUIET_SECONDS = 2.0


def listen(config: str, count: int) -> None:
    opts = salt.config.client_config(config)
    with salt.utils.event.get_event("master", sock_dir=opts["sock_dir"], opts=opts, listen=True) as bus:
        print(json.dumps({"ready": True}), flush=True)
        latencies: list[float] = []
        quiet_since = time.time() + 30  # the first event may be that late
        while len(latencies) < count and time.time() < quiet_since + QUIET_SECONDS:
            data = bus.get_event(wait=1, tag=marks.TAG)
            if data is not None:
                quiet_since = time.time()
                latencies.append(quiet_since - float(data["mark"][12:-1]))
    sys.stdin.readline()
    print(json.dumps({"delivered": len(latencies), "latencies": latencies}), flush=True)


if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    listen(asked["config"], asked["count"])
