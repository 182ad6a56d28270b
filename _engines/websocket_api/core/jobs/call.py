"""The call in a publish load: one function, or Salt's compound command, which runs several in one job."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..events.encoding import encode
from ..events.function import function_of
from ..events.redaction import PEM_MARK, redact, redact_arguments, redact_private_keys


def call_of(load: Mapping[str, Any]) -> tuple[str | None, list[Any]]:
    """Return the function and the arguments of a publish load.

    Salt's compound command has a list of functions, and a list of arguments for each. The functions are returned as on
    Salt's command line, ``test.ping,test.echo``; the arguments stay one list for each.
    """
    fun, arg = load.get("fun"), load.get("arg")
    arguments = list(arg) if isinstance(arg, (list, tuple)) else []
    is_one_of_a_list = isinstance(fun, (list, tuple)) and len(fun) == 1
    if is_one_of_a_list and arguments and isinstance(arguments[0], (list, tuple)):
        arguments = list(arguments[0])
    return function_of(load), arguments


def load_arguments(arg: Sequence[Any], kwarg: Mapping[str, Any]) -> list[Any]:
    """Return arguments in the form of a publish load."""
    return [*arg, {"__kwarg__": True, **kwarg}] if kwarg else list(arg)


def each(value: Any) -> list[Any]:
    """Return the values of a compound command, one for each function; or the one value of another command."""
    if isinstance(value, Mapping):
        return list(value.values())
    return list(value) if isinstance(value, (list, tuple)) else [value]


def retcode_of(value: Any) -> int | None:
    """Return the retcode of a return, or the worst one of a compound command; None if it has none."""
    if type(value) is int:
        return value
    # True and False are integers too.
    return max((int(one) for one in each(value) if isinstance(one, int)), key=abs, default=None)


def success_of(value: Any) -> bool | None:
    """Return whether a return, or each function of a compound command, succeeded; None if it does not say."""
    if value is None or isinstance(value, bool):
        return value
    successes = each(value)
    return None if None in successes else all(successes)


def redact_call(arg: Sequence[Any], kwarg: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """Return the arguments of a call without the secrets that job objects and events hide too."""
    *positional, named = redact_arguments([*arg, {"__kwarg__": True, **kwarg}])
    clean = positional, {name: value for name, value in named.items() if name in kwarg}
    return redact_private_keys(clean) if PEM_MARK in encode(clean) else clean


def redact_load(load: dict[str, Any]) -> dict[str, Any]:
    """Return a publish load without its secrets; a private key may be anywhere in its arguments."""
    clean = redact(load)
    if PEM_MARK in encode(clean.get("arg")):
        clean = {**clean, "arg": redact_private_keys(clean["arg"])}
    return clean
