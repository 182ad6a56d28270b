"""The body of an event that names minions, with those only that a viewer may see."""

from __future__ import annotations

from typing import Any

from .event import Event, encode_body


def reduce_body(event: Event, seen: frozenset[str], lists: tuple[str, ...], hide: tuple[str, ...] = ()) -> bytes:
    """Return the event's body without the minions that are not seen.

    :param lists: names of the lists of minions in its data
    :param hide: names of data that are left out
    """
    derived = event.derived
    made = derived.cut.get((seen, hide))
    if made is None:
        shown = derived.decoded
        if shown is None:
            shown = derived.decoded = event.decoded()
        data: dict[str, Any] = {name: value for name, value in shown["data"].items() if name not in hide}
        for name in lists:
            if isinstance(data.get(name), list):
                data[name] = _select(data[name], seen, derived.places.setdefault(name, {}))
        made = derived.cut[seen, hide] = encode_body(  # no minion sent it
            shown["seq"], shown["tag"], data, master=shown.get("master"), origin=shown.get("origin")
        )
    return made


def _select(values: list[Any], seen: frozenset[str], places: dict[Any, int]) -> list[Any]:
    """Return the values that are seen, in their order. It takes the time of the smaller one: a few of thousands.

    :param places: the places of the values; filled at the first call
    """
    if not places:
        places.update((value, place) for place, value in enumerate(values))
    if len(places) != len(values):
        return [value for value in values if value in seen]  # one occurs twice
    return sorted(seen & places.keys(), key=places.__getitem__)
