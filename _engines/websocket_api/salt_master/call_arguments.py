"""Check the arguments of calls before they are sent: Salt cannot pass all of them unchanged."""

from __future__ import annotations

from typing import Any

import salt.utils.args

from ..errors import MAX_FAULTS, MAX_NAME, ApiError
from . import arguments

#: Fields of a wheel's load. Its keyword arguments are on the same level, so these names are not available for them.
_WHEEL_RESERVED = frozenset(
    (
        *("cmd", "fun", "token", "eauth", "username", "password"),
        *("print_event", "full_return", "arg", "kwarg", "client"),
    )
)


def check_arguments(arg: list[Any], kwarg: dict[str, Any], parse: bool) -> None:
    faults: list[dict[str, str]] = []
    for number, value in enumerate(arg):
        if len(faults) == MAX_FAULTS:
            break
        # The minion makes the same test (salt.minion.load_args_and_kwargs).
        if isinstance(value, str) and not parse and (name := salt.utils.args.parse_kwarg(value)[0]):
            name = name[:MAX_NAME]
            message = f"Salt reads a string that begins with '{name}=' as a keyword argument; send it in `kwarg`"
            faults.append({"path": f"/args/{number}", "message": message})
        elif isinstance(value, dict) and "__kwarg__" in value and (not parse or value["__kwarg__"] is True):
            faults.append({"path": f"/args/{number}", "message": "__kwarg__ is Salt's own mark"})
    faults += [
        {"path": f"/kwargs/{str(name)[:MAX_NAME]}", "message": "is one of Salt's own names"}
        for name in kwarg
        if not isinstance(name, str) or name == "__kwarg__" or name.startswith("__pub_")
    ]
    if faults:
        raise ApiError("bad_message", "Salt cannot pass these arguments unchanged", faults[:MAX_FAULTS])


def bind(fun: str, spec: dict[str, Any], arg: list[Any], kwarg: dict[str, Any]) -> dict[str, Any]:
    names = spec["args"]
    if len(arg) > len(names):
        raise ApiError("unknown_function", f"{fun} accepts at most {len(names)} positional arguments")
    arguments.check_names(kwarg)
    bound = dict(zip(names, arg, strict=False))
    for name, value in kwarg.items():
        if name in bound:
            raise ApiError("unknown_function", f"{fun} got two values for {name}")
        if name not in names and not spec["keywords"]:
            raise ApiError("unknown_function", f"{fun} has no argument {name}")
        # Salt does not pass a keyword `match` to a function that does not name it.
        if name.startswith("_") or name in _WHEEL_RESERVED or (name == "match" and name not in names):
            raise ApiError("bad_message", f"Salt reserves the name {name} in wheel calls")
        bound[name] = value
    if reserved := [name for name in bound if name.startswith("_") or name in _WHEEL_RESERVED]:
        raise ApiError("bad_message", f"Salt reserves the name {reserved[0]} in wheel calls")
    required = names[: len(names) - len(spec["defaults"] or ())]
    if absent := [name for name in required if name not in bound]:
        raise ApiError("unknown_function", f"{fun} needs {', '.join(absent)}")
    return bound
