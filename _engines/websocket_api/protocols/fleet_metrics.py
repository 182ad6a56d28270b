"""The metrics of the fleet: minions, jobs, highstates, and waiting requests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from ..fair_share import ENGINE, FairQueue, Share, as_one_user
from ..operations.services import Services

MAX_USERS = 20
"""Users with a label of their own at each resource: those with most that waits. Others are counted together."""
STRANGERS, OTHERS = "(not logged in)", "(other users)"
"""Labels that are no user's name."""


class FleetCollector:
    """Reads what is counted of the fleet when Prometheus scrapes it.

    :param prefix: the start of each metric's name
    """

    def __init__(self, services: Services, prefix: str) -> None:
        self._services = services
        self._prefix = prefix

    def collect(self) -> Iterator[Any]:
        """Yield the metric families."""
        yield from self._minions()
        jobs = CounterMetricFamily(
            f"{self._prefix}_jobs_ended",
            "Jobs that ended, by function and outcome.",
            labels=["kind", "function", "outcome"],
        )
        for labels, count in self._services.fleet.jobs.ended.items():
            jobs.add_metric(labels, count)
        yield jobs
        yield from self._highstates()
        yield self._waiting()

    def _minions(self) -> Iterator[Any]:
        counts = self._services.fleet.minions
        family = self._gauge("minions", "Minions by the state of their key and by connection.", "key", "connection")
        for state in counts.by_state:
            family.add_metric(state, counts.by_state[state])
        yield family
        family = self._gauge("minions_below", "Minions of masters below, by syndic.", "syndic")
        for syndic, count in counts.below.items():
            family.add_metric([syndic], count)
        yield family
        family = self._gauge("syndic_connected", "Whether a syndic is connected, where that is known.", "syndic")
        for syndic, connected in counts.syndics.items():
            family.add_metric([syndic], int(connected))
        yield family

    def _highstates(self) -> Iterator[Any]:
        highstates = self._services.fleet.highstates
        ran = self._gauge(
            "last_highstate_timestamp_seconds", "When a minion's last highstate ended, since the epoch.", "minion"
        )
        success = self._gauge("last_highstate_success", "Whether a minion's last highstate succeeded.", "minion")
        for minion, last in highstates.last.items():
            ran.add_metric([minion], last.at)
            success.add_metric([minion], int(last.success))
        yield ran
        yield success
        yield CounterMetricFamily(
            f"{self._prefix}_highstates_left_out",
            "Highstates of minions beyond the option `metrics_highstates`.",
            value=highstates.left_out,
        )

    def _waiting(self) -> Any:
        family = self._gauge(
            "user_waiting", "What waits for a place, by resource and user.", "resource", "user", "eauth"
        )
        for resource, share in self._services.fair_shares.items():
            for one, count in longest(share.waiting):
                family.add_metric([resource, one.user, one.where], count)
        return family

    def _gauge(self, name: str, text: str, *labels: str) -> Any:
        return GaugeMetricFamily(f"{self._prefix}_{name}", text, labels=labels)


def longest(waiting: FairQueue[Any]) -> list[tuple[Share, int]]:
    """Return how much waits for each of the users with most, and for all others together."""
    counts: Counter[Share] = Counter()
    for share in waiting.shares:
        counts[as_one_user(share)] += waiting.count(share)
    found: Counter[Share] = Counter()
    for number, (share, count) in enumerate(counts.most_common()):
        found[_label(share) if number < MAX_USERS else Share(OTHERS, "")] += count
    return list(found.items())


def _label(share: Share) -> Share:
    if share == ENGINE:
        return Share("(engine)", "")
    return share if share.user else Share(STRANGERS, "")
