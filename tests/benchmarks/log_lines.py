"""Lines at ERROR or above, and tracebacks, in the log of a master that was disturbed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

HEAD = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} \[(?P<logger>.*?) *:\d+ *\]\[(?P<level>[A-Z]+) *\]")
BAD = frozenset({"ERROR", "CRITICAL"})
TRACEBACK = "Traceback (most recent call last)"
MOST = 2000  # characters of an entry that are reported


def entries(lines: Iterable[str]) -> Iterator[str]:
    """Yield the entries of a log, each with the lines that follow its first one."""
    entry: list[str] = []
    for line in lines:
        if HEAD.match(line) and entry:
            yield "\n".join(entry)
            entry = []
        entry.append(line.rstrip("\n"))
    if entry:
        yield "\n".join(entry)


def unexpected(lines: Iterable[str], expected: Iterable[str]) -> list[str]:
    """Return the entries at ERROR or above or with a traceback.

    :param expected: regular expressions for entries that may be there
    """
    patterns = [re.compile(one) for one in expected]
    return [
        entry[:MOST]
        for entry in entries(lines)
        if _is_bad(entry) and not any(pattern.search(entry) for pattern in patterns)
    ]


def _is_bad(entry: str) -> bool:
    head = HEAD.match(entry)
    return TRACEBACK in entry or (head is not None and head["level"] in BAD)
