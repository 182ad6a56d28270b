"""Reduce the body of an event that names minions to those that a viewer may see."""

from __future__ import annotations

from typing import Any

from .event import Event, encode_body


def reduce_body(event: Event, seen: frozenset[str], lists: tuple[str, ...], hide: tuple[str, ...] = ()) -> bytes:
    """Return the event's body with the minions in ``seen`` only.

    :param lists: names of the lists of minions in its data
    :param hide: names of the fields that are left out
    """
    derived = event.derived
    made = derived.reduced.get((seen, hide))
    if made is None:
        shown = derived.decoded
        if shown is None:
            shown = derived.decoded = event.decoded()
        data: dict[str, Any] = {name: value for name, value in shown["data"].items() if name not in hide}
        for name in lists:
            if isinstance(data.get(name), list):
                data[name] = _select(data[name], seen, derived.indexes.setdefault(name, {}))
        made = derived.reduced[seen, hide] = encode_body(  # without a sender: no minion sent it
            shown["seq"], shown["tag"], data, master=shown.get("master"), origin=shown.get("origin")
        )
    return made


def _select(values: list[Any], seen: frozenset[str], indexes: dict[Any, int]) -> list[Any]:
    """Return the values in ``seen``, in their order. The time depends on the smaller of the two: a few of thousands.

    :param indexes: the index of each value; filled at the first call
    """
    if not indexes:
        indexes.update((value, index) for index, value in enumerate(values))
    if len(indexes) != len(values):
        return [value for value in values if value in seen]  # a value occurs twice
    return sorted(seen & indexes.keys(), key=indexes.__getitem__)
