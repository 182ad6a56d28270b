"""The conditions of an auth list's entries: functions, their arguments, and patterns of tags, as Salt reads them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

TAG_PREFIX = "tag:"  # keeps Salt 3007 from reading an event pattern as a function


@lru_cache(maxsize=4096)
def matches(pattern: str, text: str) -> bool:
    """Match a regular expression at the start of a text, as ``CkMinions.match_check``. Invalid ones match nothing."""
    return _fits(pattern, text)


def _fits(pattern: Any, text: str) -> bool:
    try:
        return re.match(pattern, text) is not None
    except (re.error, TypeError, RecursionError, OverflowError):
        return False


def conditions_of(funs: Any) -> tuple[Any, ...]:
    """Return the conditions of an entry, which may be a single one."""
    return tuple(funs) if isinstance(funs, (list, tuple)) else (funs,)


def names_function(conditions: tuple[Any, ...], fun: str) -> bool:
    """Return whether a condition names a function, with any arguments."""
    for condition in conditions:
        name = next(iter(condition)) if isinstance(condition, Mapping) and len(condition) == 1 else condition
        if isinstance(name, str) and matches(name, fun):
            return True
    return False


def allows(conditions: tuple[Any, ...], fun: str, arg: Sequence[Any] | None) -> bool:
    """Return whether a condition allows a function with these arguments.

    :param arg: as a publish load carries it; None when unknown
    """
    for condition in conditions:
        if isinstance(condition, str):
            if matches(condition, fun):
                return True
        elif isinstance(condition, Mapping) and len(condition) == 1:
            pattern, arguments = next(iter(condition.items()))
            if isinstance(pattern, str) and matches(pattern, fun) and _arguments_fit(arguments, arg):
                return True
    return False


def _arguments_fit(wanted: Any, arg: Sequence[Any] | None) -> bool:
    """Return whether one of the conditions holds for every argument it names, as Salt's ``__args_check``."""
    if arg is None:
        return False  # unknown arguments meet no condition
    positional, keywords = split_arguments(arg)
    for condition in wanted if isinstance(wanted, list) else [wanted]:
        if not isinstance(condition, Mapping):
            continue
        by_position = condition.get("args", [])
        by_name = condition.get("kwargs", {})
        if not isinstance(by_position, (list, tuple)) or not isinstance(by_name, Mapping):
            continue  # Salt refuses the whole command
        if len(positional) < len(by_position) or any(name not in keywords for name in by_name):
            continue
        pairs = [*zip(by_position, positional, strict=False)]
        pairs += [(pattern, keywords[name]) for name, pattern in by_name.items()]
        # ``matches`` would cache the arguments, which are long and may be secrets.
        if all(pattern is None or _fits(pattern, str(value)) for pattern, value in pairs):
            return True
    return False


def split_arguments(arg: Sequence[Any]) -> tuple[list[Any], dict[str, Any]]:
    """Return the positional and the keyword arguments of a publish load's ``arg``."""
    values = list(arg)
    if values and isinstance(values[-1], Mapping) and "__kwarg__" in values[-1]:
        keywords = {str(name): value for name, value in values.pop().items() if name != "__kwarg__"}
        return values, keywords
    return values, {}


def tag_patterns(conditions: tuple[Any, ...]) -> list[str]:
    """Return the patterns of tags among the conditions of ``@events`` or ``@fire``."""
    return [text[len(TAG_PREFIX) :] for text in conditions if isinstance(text, str) and text.startswith(TAG_PREFIX)]
