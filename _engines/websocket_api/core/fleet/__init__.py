"""Numbers of the fleet for ``/metrics``: minions, jobs and highstates.

Each is counted where it happens, so that a scrape walks over neither jobs nor minions. Labels are bounded, and carry
neither arguments nor returns.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..jobs.registry import JobRegistry
from ..minions.registry import MinionRegistry
from ..timing import Clock
from .functions import JobCounts
from .highstates import Highstates
from .minions import MinionCounts


@dataclass(frozen=True)
class Fleet:
    """What is counted of the fleet."""

    minions: MinionCounts
    jobs: JobCounts
    highstates: Highstates


def build(*, jobs: JobRegistry, minions: MinionRegistry, max_highstates: int, wall: Clock) -> Fleet:
    """Return counts that follow these registries.

    :param max_highstates: minions whose last highstate is kept; 0: none
    :param wall: seconds since the epoch
    """
    fleet = Fleet(MinionCounts(minions), JobCounts(), Highstates(max_highstates, wall))
    minions.on_change(fleet.minions.update)
    jobs.on_end(fleet.jobs.add)
    if max_highstates:
        jobs.on_return(fleet.highstates.apply)
        minions.on_change(lambda name: None if minions.get(name) else fleet.highstates.forget(name))
    return fleet
