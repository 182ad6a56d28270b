"""For machines that watch: ``/healthz`` for anybody, ``/metrics`` for who may."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from typing import Any

from ..core.counters import Counters
from ..errors import ApiError
from ..fair_share import FairShare
from ..operations.session import take_up
from .connections import Connections
from .http.base import Base, handshake_token, refuse

try:
    import prometheus_client
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
except ImportError:
    prometheus_client = None  # type: ignore[assignment]

PREFIX = "websocket_api"
# Of what users have fair shares of. Who they are is nobody's business who may see these.
_SHARES: tuple[tuple[str, str, Callable[[FairShare[Any]], int]], ...] = (
    ("share_places", "Places of what users have fair shares of.", lambda share: share.size),
    ("share_held", "Places that are taken.", lambda share: share.held),
    ("share_waiting", "What waits for a place.", lambda share: len(share.waiting)),
    ("share_users_waiting", "Users who wait for a place.", lambda share: share.waiting.users),
)


class Machine(Base):
    """What both have in common."""

    def initialize(self, clients: Connections) -> None:
        """Take what the protocols share."""
        self.clients = clients


class HealthHandler(Machine):
    """200 while the engine hears the master's bus, 503 otherwise, and nothing else that a stranger could use."""

    def get(self) -> None:
        """Say ok or not."""
        ok = self.clients.services.bus_connected()
        self.set_status(200 if ok else 503)
        self.set_header("Content-Type", "text/plain")
        self.finish("ok\n" if ok else "not ok\n")

    def head(self) -> None:
        """Answer as to GET, as load balancers ask; tornado leaves the body out."""
        self.get()


class MetricsHandler(Machine):
    """Counters and gauges in Prometheus' text format."""

    async def get(self) -> None:
        """Answer users who have ``.*``, and a loopback peer that speaks for nobody else."""
        if prometheus_client is None:
            fault = ApiError("not_found", "metrics need the Python package prometheus_client on the master")
            refuse(self, 501, fault)
            return
        try:
            await self._check()
        except ApiError as fault:
            refuse(self, fault.status, fault)
            return
        registry = prometheus_client.CollectorRegistry()
        registry.register(GcTuning(self.clients))
        self.set_header("Content-Type", prometheus_client.CONTENT_TYPE_LATEST)
        self.finish(prometheus_client.generate_latest(registry))

    async def _check(self) -> None:
        token, _ = handshake_token(self.request)
        if token is not None:
            session = await take_up(self.clients.services, self.access.client(self.request), token)
            if not session.permissions.everything:
                raise ApiError("forbidden", "metrics are for users with .*")
        elif not self.access.speaks_for_itself(self.request):
            raise ApiError("unauthenticated", "metrics need a token")


class GcTuning:
    """Reads the engine's numbers at the moment of asking."""

    def __init__(self, clients: Connections) -> None:
        self._clients = clients

    def collect(self) -> Iterator[Any]:
        """Yield the metric families."""
        services, connections = self._clients.services, self._clients.all()
        history, counters = services.history, services.hub.counters
        gauges = {
            "connections": ("Open connections.", len(self._clients)),
            "subscriptions": ("Open subscriptions.", sum(len(one.subscriptions) for one in connections)),
            "outbox_bytes": ("Bytes that wait for slow clients.", sum(one.outbox.bytes for one in connections)),
            "history_events": ("Events that can be resumed from.", history.seq + 1 - history.oldest),
            "history_bytes": ("Bytes of the history.", history.bytes),
            "history_oldest_seconds": ("Age of the oldest event in the history.", self._oldest()),
            "bus_up": ("Whether the master's event bus is heard.", int(services.bus_connected())),
            "bus_lag_seconds": ("How old the newest event was when it was read.", lag(counters)),
            "jobs": ("Jobs in memory.", len(services.jobs)),
        }
        for name, (text, value) in gauges.items():
            yield GaugeMetricFamily(f"{PREFIX}_{name}", text, value=value)
        counts = {
            "events_read": ("Events read from the bus.", counters.events_read),
            "events_delivered": ("Events handed to clients.", counters.events_delivered),
            "events_dropped": ("Events not handed to slow clients.", counters.events_dropped),
            "bus_losses": ("Times that the bus was lost or found again.", counters.bus_losses),
            "login_failures": ("Refused logins.", counters.login_failures),
        }
        for name, (text, value) in counts.items():
            yield CounterMetricFamily(f"{PREFIX}_{name}", text, value=value)
        for name, text, value_of in _SHARES:
            family = GaugeMetricFamily(f"{PREFIX}_{name}", text, labels=["resource"])
            for resource, share in services.fair_shares.items():
                family.add_metric([resource], value_of(share))
            yield family
        yield _labelled("requests", "Requests by operation.", "operation", counters.requests)
        yield _labelled("errors", "Error replies by code.", "code", counters.errors)
        yield _labelled("closes", "Connections that the engine ended, by close code.", "code", counters.closes)

    def _oldest(self) -> float:
        services = self._clients.services
        oldest = services.history.oldest_time
        return 0.0 if oldest is None else max(0.0, services.wall() - oldest)


def lag(counters: Counters) -> float:
    """Return how many seconds passed between an event's stamp and its reading, of the newest event."""
    try:
        stamp = datetime.datetime.fromisoformat(counters.last_stamp)
    except ValueError:
        return 0.0
    if stamp.tzinfo is None:
        stamp = stamp.replace(tzinfo=datetime.timezone.utc)  # Salt 3007 stamps UTC without saying so
    return max(0.0, counters.last_read - stamp.timestamp())


def _labelled(name: str, text: str, label: str, counts: dict[Any, int]) -> Any:
    family = CounterMetricFamily(f"{PREFIX}_{name}", text, labels=[label])
    for value, count in counts.items():
        family.add_metric([str(value)], count)
    return family
