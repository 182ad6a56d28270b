"""Start a job and watch it until it ends: ``follow_job.py TARGET FUNCTION [ARGUMENT ...]``."""

from __future__ import annotations

import json
import sys

from salt_connection import ask, connect

UNFINISHED = ("pending", "running")


def main() -> int:
    """Return 0 if the job succeeded on every minion."""
    if len(sys.argv) < 3:
        print(__doc__, file=sys.stderr)
        return 2
    target, function, *arguments = sys.argv[1:]
    connection = connect()
    started = ask(connection, {"type": "cmd", "tgt": target, "fun": function, "arg": arguments, "progress": True})
    connection.send(json.dumps({"type": "subscribe", "subscription": "job", "jid": started["jid"]}))
    while True:
        frame = json.loads(connection.recv())
        if frame.get("type") != "job":
            continue  # the reply to subscribe, or `live`
        for minion, part in sorted(frame["minions"].items()):
            print(f"{minion}: {part['state']}", flush=True)
        if frame["job"]["state"] not in UNFINISHED:
            print(f"job {started['jid']}: {frame['job']['state']}")
            return 0 if frame["job"]["state"] == "complete" else 1


if __name__ == "__main__":
    sys.exit(main())
