"""Measure this engine on a real master: `make bench`, or `python -m tests.benchmarks.run --help`."""

from __future__ import annotations

import argparse
import logging
import time

from tests.benchmarks import formatted, local_times, lows, publish, startup
from tests.benchmarks.guarded import guarded
from tests.benchmarks.report import write
from tests.benchmarks.stage import Stage

BENCHMARKS = {module.NAME: module for module in (startup, publish, lows, local_times, formatted)}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.run", description=__doc__)
    parser.add_argument("--only", choices=BENCHMARKS, action="append", help="run this one only; may be given again")
    parser.add_argument("--write", action="store_true", help="put the figures into docs/benchmarks.md")
    parser.add_argument("--samples", type=int, default=150, help="requests of one client per way (%(default)s)")
    parser.add_argument("--clients", type=int, default=20, help="clients at once (%(default)s)")
    parser.add_argument("--seconds", type=float, default=6.0, help="of many clients per way and round (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="of many clients (%(default)s)")
    parser.add_argument("--minions", type=int, default=1, help="minions on this machine (%(default)s)")
    parser.add_argument("--starts", type=int, default=2, help="starts of the engine alone (%(default)s)")
    parser.add_argument("--rest", type=float, default=10.0, help="seconds to watch it do nothing (%(default)s)")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    logging.basicConfig(level=logging.ERROR)
    began = time.monotonic()
    sections = []
    print("starting a master, minions and salt-api ...", flush=True)
    with Stage(minions=options.minions, cherrypy=True) as stage:
        for name in options.only or BENCHMARKS:
            print(f"measuring {name} ...", flush=True)
            section = BENCHMARKS[name].measure(stage, options)
            sections.append(section)
            print(f"\n{section.markdown()}\n", flush=True)
    if options.write:
        write(sections)
    print(f"took {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    guarded(main)
