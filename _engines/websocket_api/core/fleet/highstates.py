"""When each minion ran its last highstate, and whether it succeeded.

Minions run most highstates by themselves, on a schedule. So returns are read, not jobs that were started here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ..timing import Clock


class Highstate(NamedTuple):
    """The last highstate of one minion."""

    at: float
    """Seconds since the epoch."""
    success: bool


class Highstates:
    """The last highstate of each minion since the engine started.

    :param size: the maximum of minions; those that come first are kept
    :param wall: seconds since the epoch
    """

    def __init__(self, size: int, wall: Clock) -> None:
        self.size = size
        self._wall = wall
        self.last: dict[str, Highstate] = {}
        """By minion."""
        self.left_out = 0
        """Highstates of minions beyond the maximum."""

    def apply(self, minion: str, data: Mapping[str, Any]) -> None:
        """Note the return of a minion, if it is that of a highstate."""
        if not is_highstate(data.get("fun"), data.get("fun_args")):
            return
        if minion not in self.last and len(self.last) >= self.size:
            self.left_out += 1
            return
        success = not data.get("retcode") and data.get("success", True) is not False
        self.last[minion] = Highstate(self._wall(), success)

    def forget(self, minion: str) -> None:
        """Drop a minion that has no key any more."""
        self.last.pop(minion, None)


def is_highstate(fun: Any, arguments: Any) -> bool:
    """Return whether a function applied the whole highstate: no single states, and no dry run.

    :param arguments: ``fun_args`` of a return; keyword arguments are an object, or texts such as ``test=True``
    """
    if fun not in ("state.highstate", "state.apply"):
        return False
    named: dict[str, Any] = {}
    for argument in arguments if isinstance(arguments, (list, tuple)) else ():
        if isinstance(argument, Mapping):
            named.update(argument)
        elif isinstance(argument, str) and "=" in argument:
            name, _, value = argument.partition("=")
            named[name] = value.lower() not in ("false", "no", "0", "")
        elif fun == "state.apply" and argument:
            return False
    return not (named.get("test") or (fun == "state.apply" and named.get("mods")))
