"""Regular expressions of clients on tags, run by RE2.

RE2 needs time proportional to the size of the expression and the length of the tag. No expression makes it backtrack,
so the bounds here are fixed numbers and need no clock.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ...errors import ApiError

try:
    import re2
except ImportError:
    re2 = None

MAX_PATTERN = 256  # characters of one expression
MAX_TAG = 512  # bytes of a tag that expressions are tried on; Salt's own tags have at most 350
MAX_INSTRUCTIONS = 2000  # of all expressions of one filter: at most 0.2 ms for a tag of 40 bytes, 2 ms for 512
INSTRUCTIONS_PER_PATTERN = 10  # this many count as one pattern of `patterns_per_user`
MEMORY_BYTES = 64 * 1024  # that RE2 may use for one expression; beyond it RE2 searches slower, but finds the same


class Expressions:
    """The compiled expressions of one filter.

    :param patterns: pairs of a JSON pointer in the message and the expression there
    :raises ApiError: ``bad_message`` if an expression is invalid or too large, or if RE2 is not installed
    """

    def __init__(self, patterns: Iterable[tuple[str, str]]) -> None:
        self._searches = []
        self.instructions = 0
        for path, pattern in patterns:
            compiled = _compile(pattern, path)
            self.instructions += compiled.programsize
            if self.instructions > MAX_INSTRUCTIONS:
                raise _error(path, "makes the regular expressions too large; shorten them or repeat less")
            self._searches.append(compiled.search)

    @property
    def weight(self) -> int:
        """The patterns that these expressions count as."""
        return -(-self.instructions // INSTRUCTIONS_PER_PATTERN)

    def match(self, tag: str) -> bool:
        """Return whether an expression is found anywhere in the tag. Longer tags than :data:`MAX_TAG` never match."""
        text = tag.encode(errors="replace")
        return len(text) <= MAX_TAG and any(search(text) for search in self._searches)


def _compile(pattern: str, path: str) -> Any:
    if re2 is None:
        raise _error(path, "cannot be a regular expression: the master lacks the Python package google-re2; install it")
    if len(pattern) > MAX_PATTERN:
        raise _error(path, f"must be at most {MAX_PATTERN} characters")
    options = re2.Options()
    options.max_mem = MEMORY_BYTES
    options.never_capture = True
    options.log_errors = False  # RE2 writes to stderr otherwise
    try:
        return re2.compile(pattern, options)
    except UnicodeEncodeError:
        raise _error(path, "is not valid Unicode") from None
    except re2.error as error:
        reason = error.args[0].decode(errors="replace")
        raise _error(path, f"is not a regular expression of RE2: {reason}") from None


def _error(path: str, problem: str) -> ApiError:
    return ApiError("bad_message", f"{path} {problem}", [{"path": path, "message": problem}])
