"""Globs with commas. Salt 3008's master splits them into several globs; 3007's master and all minions do not.

So ``web1,web2`` would promise minions on which nothing runs, and ``not web1,web2`` would be authorized without the
minions on which it runs. A regular expression means the same everywhere.
"""

from __future__ import annotations

import fnmatch
import re


def with_comma(glob: str) -> str | None:
    """Return the regular expression of a glob with a comma, or None for other globs.

    Any minion's Python can read it, unlike the result of ``fnmatch.translate``. As there, each ``*`` matches at the
    first possible place only, or a few dozen of them could take minutes.
    """
    if "," not in glob:
        return None
    first, *others = [_without_stars(part) for part in _parts(glob)]
    if not others:
        return first + r"\Z"
    middle = "".join(f"(?=(?P<g{place}>.*?{part}))(?P=g{place})" for place, part in enumerate(others[:-1]))
    return f"{first}{middle}.*{others[-1]}" + r"\Z"


def _parts(glob: str) -> list[str]:
    """Return the parts between the stars. A star in brackets is a letter, and adjacent stars count as one."""
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
    """Return the end of the set of letters that begins here, or 0 if it has no end."""
    start = place + 1
    start += glob[start : start + 1] == "!"
    return glob.find("]", start + 1) + 1  # a bracket as the first letter belongs to the set


def _without_stars(part: str) -> str:
    # The frame that fnmatch puts around a pattern: (?s:...)\Z, or \z since Python 3.14.
    found = re.fullmatch(r"\(\?s:(.*)\)\\[Zz]", fnmatch.translate(part), re.DOTALL)
    return found[1] if found else re.escape(part)
