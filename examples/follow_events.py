"""Follow the event bus and resume after a lost connection: ``follow_events.py [TAG]``.

A subscription with the position of the last event (`since`) first gets the events in between. If the server does not
have all of them any more, it sends a frame `gap`.
"""

from __future__ import annotations

import json
import random
import sys
import time
from typing import Any

from salt_connection import ask, connect
from websocket import WebSocketException


def follow(tag: str, since: dict[str, Any] | None) -> dict[str, Any] | None:
    """Print events until the connection breaks; return the position after the last one."""
    position = since
    try:
        connection = connect()
        wanted = {"type": "subscribe", "subscription": "event", "tag": tag, **({"since": since} if since else {})}
        started = ask(connection, wanted)
        # Missed events are replayed from `since`. If that position is unknown, the stream begins here.
        position = since if started["recovered"] else {"epoch": started["epoch"], "seq": started["seq"]}
        while True:
            frame = json.loads(connection.recv())
            if frame["type"] == "event":
                print(frame["tag"], json.dumps(frame["data"]), flush=True)
            elif frame["type"] == "gap":
                print(f"gap: {json.dumps(frame)}", file=sys.stderr, flush=True)
            if position is not None and "seq" in frame:
                position = {"epoch": position["epoch"], "seq": frame["seq"]}
    except (OSError, WebSocketException) as error:
        print(f"connection lost: {error}", file=sys.stderr)
    return position


def main() -> None:
    """Follow until Ctrl-C."""
    tag = sys.argv[1] if len(sys.argv) > 1 else ""
    since = None
    while True:
        since = follow(tag, since)
        time.sleep(random.uniform(0.5, 2))  # noqa: S311 - so that clients do not reconnect all at once


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
