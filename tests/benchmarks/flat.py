"""Judge whether figures that are read again and again stay flat. Nothing here knows what they mean."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

READINGS = 3
"""The fewest readings after the warm-up that can be judged."""


@dataclass(frozen=True)
class Limit:
    """How much a figure may grow.

    :param more: in its own unit
    :param share: of its value at the start; the larger of the two counts
    """

    more: float
    share: float = 0.0

    def of(self, start: float) -> float:
        """Return how much a figure may grow that starts at a value."""
        return max(self.more, self.share * start)


@dataclass(frozen=True)
class Course:
    """How a figure went after the warm-up.

    :param start: the median of the first third of its readings
    :param end: the median of the last third
    :param most: the highest reading
    :param limit: how much the end may exceed the start
    """

    name: str
    start: float
    end: float
    most: float
    limit: float

    @property
    def growth(self) -> float:
        """Return how much the end exceeds the start; negative if it is less."""
        return self.end - self.start

    @property
    def is_flat(self) -> bool:
        """Return whether the figure did not grow by more than its limit."""
        return self.growth <= self.limit


def courses(readings: Sequence[Mapping[str, float]], limits: Mapping[str, Limit]) -> list[Course]:
    """Return how each figure went.

    :param readings: figures by name, after the warm-up, in order
    :param limits: by the name of the figure, or by its first word for figures that have a name of their own after it
    :raises ValueError: there are too few readings to judge
    """
    if len(readings) < READINGS:
        raise ValueError(f"{len(readings)} readings after the warm-up are too few: let it last longer")
    names = sorted({name for reading in readings for name in reading})
    return [_course(name, [reading.get(name, 0.0) for reading in readings], _limit(name, limits)) for name in names]


def _course(name: str, values: list[float], limit: Limit) -> Course:
    third = max(1, len(values) // 3)
    start, end = statistics.median(values[:third]), statistics.median(values[-third:])
    return Course(name, start, end, max(values), limit.of(start))


def _limit(name: str, limits: Mapping[str, Limit]) -> Limit:
    return limits[name] if name in limits else limits[name.partition(":")[0]]
