"""Globs with commas: Salt 3008's master takes one for several globs, 3007's master and all minions do not.

A target such as ``web1,web2`` would then promise minions on which nothing runs, and ``not web1,web2`` would be
authorized without the minions on which it runs. As a regular expression it means the same to everybody.
"""

from __future__ import annotations

import fnmatch
import re


def with_comma(glob: str) -> str | None:
    """Return the regular expression of a glob that holds a comma, None for any other.

    It is written for the Python of any minion: ``fnmatch.translate`` uses what older ones cannot read. As there, each
    ``*`` takes the first place that fits and never another one, or a few dozen of them could take minutes.
    """
    if "," not in glob:
        return None
    first, *others = [_without_stars(part) for part in _parts(glob)]
    if not others:
        return first + r"\Z"
    middle = "".join(f"(?=(?P<g{place}>.*?{part}))(?P=g{place})" for place, part in enumerate(others[:-1]))
    return f"{first}{middle}.*{others[-1]}" + r"\Z"


def _parts(glob: str) -> list[str]:
    """Return what stands between the stars; one in brackets is a letter like others, several together are one."""
    parts, place = [""], 0
    while place < len(glob):
        end = place + 1
        if glob[place] == "[" and (found := _bracket_end(glob, place)):
            end = found
        if glob[place] != "*":
            parts[-1] += glob[place:end]
        elif len(parts) == 1 or parts[-1]:
            parts.append("")
        place = end
    return parts


def _bracket_end(glob: str, place: int) -> int:
    """Return where the set of letters that begins here ends, 0 where none does."""
    start = place + 1
    start += glob[start : start + 1] == "!"
    return glob.find("]", start + 1) + 1  # one that is the first letter belongs to the set


def _without_stars(part: str) -> str:
    # All that fnmatch puts around a pattern: (?s:...)\Z, or \z since Python 3.14.
    found = re.fullmatch(r"\(\?s:(.*)\)\\[Zz]", fnmatch.translate(part), re.DOTALL)
    return found[1] if found else re.escape(part)
