"""Reduce the body of an event that names minions to those that a viewer may see."""

from __future__ import annotations

from typing import Any

from .event import Event, encode_body


def reduce_body(event: Event, seen: frozenset[str], lists: tuple[str, ...], hide: tuple[str, ...] = ()) -> bytes:
    """Return the event's body as JSON, with the minions in ``seen`` only. Equal results are made once for an event.

    :param seen: ids of the minions that the viewer may see
    :param lists: names of the fields of its data that are lists of minions
    :param hide: names of the fields that are left out
    """
    derived = event.derived
    made = derived.reduced.get((seen, hide))
    if made is None:
        shown = derived.decoded
        if shown is None:
            shown = derived.decoded = event.decoded()
        data: dict[str, Any] = {name: value for name, value in shown["data"].items() if name not in hide}
        for name in data.keys() & set(lists):
            values = data[name] if isinstance(data[name], list) else []  # who sees what else it is cannot be known
            data[name] = _select(values, seen, derived.indexes.setdefault(name, {}))
        made = derived.reduced[seen, hide] = encode_body(  # without a sender: no minion sent it
            shown["seq"], shown["tag"], data, master=shown.get("master"), origin=shown.get("origin")
        )
    return made


def _select(values: list[Any], seen: frozenset[str], indexes: dict[Any, int]) -> list[Any]:
    """Return the values in ``seen``, in their order.

    It takes the time of the smaller of the two: most viewers see a few of thousands of minions.

    :param values: names of minions, and anything else that an event on the bus may have there, which nobody gets
    :param indexes: the index of each value in the list; filled by the first call, for the next viewers
    """
    if not indexes:
        indexes.update((value, index) for index, value in enumerate(values) if isinstance(value, str))
    if len(indexes) != len(values):  # a name occurs twice, or not all are names
        return [value for value in values if isinstance(value, str) and value in seen]
    return sorted(seen & indexes.keys(), key=indexes.__getitem__)
