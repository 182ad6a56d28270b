"""Run a function on minions and print what each returned: ``run_command.py TARGET FUNCTION [ARGUMENT ...]``."""

from __future__ import annotations

import json
import sys

from salt_connection import ask, connect


def main() -> int:
    """Return 0 if every minion succeeded."""
    if len(sys.argv) < 3:
        print(__doc__, file=sys.stderr)
        return 2
    target, function, *arguments = sys.argv[1:]
    job = ask(connect(), {"type": "cmd", "mode": "sync", "tgt": target, "fun": function, "arg": arguments})
    for minion, part in sorted(job["minions"].items()):
        print(f"{minion}: {part['state']}: {json.dumps(part['return'])}")
    return 0 if all(part["state"] == "returned" for part in job["minions"].values()) else 1


if __name__ == "__main__":
    sys.exit(main())
