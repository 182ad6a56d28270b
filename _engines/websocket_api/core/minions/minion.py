"""One minion, or one resource of a minion, as clients get it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..events.encoding import encode
from ..timing import timestamp

Grains = bool | tuple[str, ...]
"""Grains of a minion that a client wants: all, none, or those with these names."""


class Resource(NamedTuple):
    """The type of a resource, and the minion that manages it."""

    type: str
    minion: str


@dataclass
class Minion:
    """One minion: the state of its key, whether it is connected (None: unknown), and when it was last seen."""

    id: str
    key: str | None = None
    connected: bool | None = None
    seen: float | None = None
    grains: Mapping[str, Any] | None = None
    syndic: str | None = None
    """The syndic that the minion is below; None for a minion of this master."""
    resource: Resource | None = None
    """Set for a resource of Salt 3008: a device that a minion manages, with an id of its own."""
    master: str | None = None
    """The master that has its key, where there is more than one."""
    elsewhere: bool = False
    """Whether that is another master, which shares what it knows: functions cannot run on the minion from here."""
    _measured: tuple[Mapping[str, Any], int] | None = None

    @property
    def grains_bytes(self) -> int:
        """Bytes of its grains as JSON; measured once, when first needed."""
        if self.grains is None:
            return 0
        if self._measured is None or self._measured[0] is not self.grains:
            self._measured = self.grains, len(encode(self.grains))
        return self._measured[1]

    def to_dict(self, *, key: bool, grains: Grains) -> dict[str, Any]:
        """Return the minion as clients get it.

        :param key: whether to include the state of its key
        :param grains: grains to include
        """
        return {
            "id": self.id,
            "key": ("accepted" if self.elsewhere else self.key) if key else None,
            "connected": self.connected,
            "seen": None if self.seen is None else timestamp(self.seen),
            "grains": self._grains(grains),
            **({"master": self.master} if self.master else {}),
            **({"syndic": self.syndic} if self.syndic else {}),
            **({"resource": {"type": self.resource.type, "minion": self.resource.minion}} if self.resource else {}),
        }

    def _grains(self, wanted: Grains) -> Mapping[str, Any] | None:
        if self.grains is None or wanted is False:
            return None
        if wanted is True:
            return self.grains
        return {name: self.grains[name] for name in wanted if name in self.grains}
