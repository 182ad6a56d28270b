"""The function that an event or a publish load names."""

from __future__ import annotations

from collections.abc import Mapping
from sys import intern
from typing import Any

COMPOUND = ","
"""Separates the functions of a compound command, as on Salt's command line; no function has it in its name."""


def function_of(load: Mapping[str, Any]) -> str | None:
    """Return the function of an event or a publish load: ``test.ping``, or ``test.ping,test.echo`` if compound.

    :return: None if there is none, or it has no valid form
    """
    fun = load.get("fun")
    if isinstance(fun, (list, tuple)) and fun and all(isinstance(name, str) for name in fun):
        return COMPOUND.join(fun)
    return intern(fun) if type(fun) is str else fun if isinstance(fun, str) else None
