"""Reports of the benchmarks, for the terminal and for docs/benchmarks.md."""

from __future__ import annotations

import datetime
import os
import platform
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.benchmarks.stage import CHECKOUT

# Percent of all cores, just before the first measurement, because other processes affect every figure.
BUSY_BEFORE = psutil.cpu_percent(interval=1)

PAGE = CHECKOUT / "docs" / "benchmarks.md"

INTRODUCTION = """# Benchmarks

The master, the minions, the other APIs and the measuring clients all run on one machine. So the figures compare several
ways of doing the same thing. They do not predict the capacity of your machine:
[operating](operating.md#ten-thousand-minions) says what to plan for a large fleet, and how to measure your own.

Each section ends with the goals of the project and whether this run reached them. A goal in *times* or *%* compares two
ways of the same run, so it holds on other machines; one in ms or MiB depends on the machine. *Busy before* in the last
line of a section is the use of all cores just before: above a few percent, times mean little.

`make bench` measures and prints; `make bench ARGS=--write` also writes this page. Each of these is run by itself, and
`ARGS=--help` lists its options:

| command | measures |
| --- | --- |
| `make bench-scale` | a fleet of 10,000 simulated minions with 1,000 clients; `ARGS=--hostile`: those that misbehave |
| `make bench-consoles` | 1,000 consoles that come back after a reload |
| `make bench-beside` | what the engine costs its master |
| `make bench-client` | the command line `salt-live` beside pepper and `salt`; a part of `make bench` |
| `make bench-absence` | for how long events are missing after a kill, an upgrade and a restart |
| `make bench-kills MINUTES=10` | kills the engine at random, and counts |
| `make bench-chaos MINUTES=10` | does the same to two masters, Redis and connections |
| `make soak MINUTES=60` | whether memory, descriptors, threads or files grow, or an event is lost without a gap |
"""


@dataclass
class Section:
    """The results of one benchmark as Markdown, with its goals."""

    name: str
    title: str
    parts: list[str] = field(default_factory=list)
    goals: list[list[str]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    """Missed goals that do not depend on the machine."""

    def say(self, text: str) -> None:
        self.parts.append(text)

    def add(self, text: str) -> None:
        self.parts.append(text)

    def goal(self, what: str, found: float, wanted: float, reached: bool) -> None:
        self.goals.append([what, f"{found:.2f}", f"{wanted:g}", "reached" if reached else "missed"])

    def count(self, what: str, found: int, wanted: int) -> None:
        """Add a goal that holds on every machine: another count is a failure."""
        self.must(what, found, wanted, found == wanted)

    def must(self, what: str, found: float, wanted: float, reached: bool) -> None:
        """Add a goal that holds on every machine."""
        self.goals.append([what, f"{found:,.10g}", f"{wanted:,.10g}", "reached" if reached else "missed"])
        if not reached:
            self.failures.append(what)

    def markdown(self) -> str:
        parts = [f"## {self.title}", *self.parts]
        if self.goals:
            parts.append(table(["goal", "measured", "wanted", ""], self.goals))
        return "\n\n".join([*parts, f"*{machine()}*"])


def table(head: list[str], rows: list[list[str]]) -> str:
    """Return an aligned Markdown table."""
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    lines = [head, ["-" * width for width in widths], *rows]
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    )


def machine() -> str:
    """Return where and when this was measured, as text."""
    import orjson
    import salt.version
    import tornado

    cpu = next(iter(re.findall(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())), platform.processor())
    versions = f"Salt {salt.version.__version__}, tornado {tornado.version}, orjson {orjson.__version__}"
    python = f"Python {sys.version.split()[0]}"
    today = datetime.datetime.now(tz=datetime.timezone.utc).date()
    return f"{today}; {cpu}, {os.cpu_count()} cores, {BUSY_BEFORE:.0f} % busy before; {python}, {versions}"


def write(sections: list[Section], path: Path = PAGE) -> None:
    """Write the sections to a page, docs/benchmarks.md by default, each in place of its previous version."""
    page = path.read_text() if path.exists() else INTRODUCTION
    for section in sections:
        begin, end = f"<!-- {section.name}: begin -->", f"<!-- {section.name}: end -->"
        block = f"{begin}\n{section.markdown()}\n{end}"
        if begin in page:
            page = page[: page.index(begin)] + block + page[page.index(end) + len(end) :]
        else:
            page = f"{page.rstrip()}\n\n{block}\n"
    path.write_text(page)
