"""For monitoring: ``/healthz`` for everybody, ``/metrics`` for users with ``.*``."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from typing import Any

from ..core.access.session import Session
from ..core.counters import Counters
from ..core.health import DOWN, OK
from ..core.journal.journal import Journal
from ..errors import ApiError
from ..fair_share import FairShare
from .connections import Connections
from .http import content
from .http.base import BaseHandler, OpenHandler

try:
    import prometheus_client
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    from .fleet_metrics import FleetCollector
except ImportError:
    prometheus_client = None  # type: ignore[assignment]

PREFIX = "websocket_api"
# Of what users have fair shares of.
_SHARES: tuple[tuple[str, str, Callable[[FairShare[Any]], int]], ...] = (
    ("share_places", "Places of what users have fair shares of.", lambda share: share.size),
    ("share_held", "Places that are taken.", lambda share: share.held),
    ("share_waiting", "What waits for a place.", lambda share: len(share.waiting)),
    ("share_users_waiting", "Users who wait for a place.", lambda share: share.waiting.users),
)


class HealthHandler(OpenHandler):
    """200 while the engine serves clients, even if it is degraded; 503 if a vital part fails."""

    def get(self) -> None:
        """Answer with the state and what fails, as JSON if ``Accept`` names it."""
        report = self.clients.services.health.report()
        as_json = content.prefers_json(self.request.headers.get("Accept"))
        self.set_status(503 if report["status"] == DOWN else 200)
        self.set_header("Content-Type", content.JSON if as_json else "text/plain")
        self.set_header("Cache-Control", "no-store")
        self.add_header("Vary", "Accept")
        self.finish(content.encoded(report, content.JSON) if as_json else _as_text(report))

    def head(self) -> None:
        """Answer load balancers as GET does; tornado leaves the body out."""
        self.get()


class MetricsHandler(BaseHandler):
    """Counters and gauges in Prometheus' text format, for users with ``.*`` and for programs on this host."""

    public = True

    def on_request(self) -> None:
        """Refuse where the library is missing."""
        if prometheus_client is None:
            raise ApiError("not_found", "metrics need the Python package prometheus_client on the master", status=501)

    async def authenticate(self) -> Session | None:
        """Return the session of a user with ``.*``; None for a loopback peer that speaks for itself."""
        session = await super().authenticate()
        if session is None and not self.access.speaks_for_itself(self.request):
            raise ApiError("unauthenticated", "metrics need a token")
        if session is not None and not session.permissions.everything:
            raise ApiError("forbidden", "metrics are for users with .*")
        return session

    def accepts_cookie(self) -> bool:
        """Accept the cookie whichever page made the request: a foreign page cannot read the answer."""
        return True

    def get(self) -> None:
        """Answer with the present numbers."""
        registry = prometheus_client.CollectorRegistry()
        registry.register(EngineCollector(self.clients))
        registry.register(FleetCollector(self.clients.services, PREFIX))
        self.set_header("Content-Type", prometheus_client.CONTENT_TYPE_LATEST)
        self.finish(prometheus_client.generate_latest(registry))


class EngineCollector:
    """Reads the engine's numbers when Prometheus scrapes them."""

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
            "history_events": ("Events that can be resumed from.", len(history)),
            "history_bytes": ("Bytes of the history.", history.bytes),
            "history_oldest_seconds": ("Age of the oldest event in the history.", self._oldest()),
            "bus_up": ("Whether the engine is connected to the master's event bus.", int(services.bus_connected())),
            "bus_lag_seconds": ("How old the newest event was when it was read.", lag(counters)),
            "jobs": ("Jobs in memory.", len(services.jobs)),
        }
        for name, (text, value) in gauges.items():
            yield GaugeMetricFamily(f"{PREFIX}_{name}", text, value=value)
        yield from _journal(services.journal)
        counts = {
            "events_read": ("Events read from the bus.", counters.events_read),
            "events_delivered": ("Events handed to clients.", counters.events_delivered),
            "events_dropped": ("Events not handed to slow clients.", counters.events_dropped),
            "bus_losses": ("Times that the bus was lost or found again.", counters.bus_losses),
            "login_failures": ("Refused logins.", counters.login_failures),
        }
        for name, (text, value) in counts.items():
            yield CounterMetricFamily(f"{PREFIX}_{name}", text, value=value)
        working = GaugeMetricFamily(f"{PREFIX}_part_up", "Whether a part of the engine works.", labels=["part"])
        for part in services.health.parts():
            working.add_metric([part.name], int(part.status == OK))
        yield working
        others = GaugeMetricFamily(
            f"{PREFIX}_master_up", "Whether another master that shares the stream writes to it.", labels=["master"]
        )
        for name, other in services.masters().items():
            others.add_metric([name], int(other.works))
        yield others
        memory = GaugeMetricFamily(
            f"{PREFIX}_user_memory_bytes", "Bytes that users take of `memory_per_user`.", labels=["kind"]
        )
        for kind, size in services.sessions.memory.items():
            memory.add_metric([kind], size)
        yield memory
        for name, text, value_of in _SHARES:
            family = GaugeMetricFamily(f"{PREFIX}_{name}", text, labels=["resource"])
            for resource, share in services.fair_shares.items():
                family.add_metric([resource], value_of(share))
            yield family
        yield _labelled("requests", "Requests by operation.", "operation", counters.requests)
        yield _labelled("errors", "Error replies by code.", "code", {"internal": 0, **counters.errors})
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


def _journal(journal: Journal | None) -> Iterator[Any]:
    """Yield the metrics of the journal, without values if there is none."""
    gauges: tuple[tuple[str, str, Callable[[Journal], int]], ...] = (
        ("journal_up", "Whether the journal is written.", lambda journal: int(journal.failed is None)),
        ("journal_waiting_events", "Events that are not in the journal yet.", lambda journal: journal.waiting),
        ("journal_bytes", "Bytes of the journal on disk.", lambda journal: journal.size),
    )
    for name, text, value_of in gauges:
        yield GaugeMetricFamily(f"{PREFIX}_{name}", text, value=None if journal is None else value_of(journal))


def _as_text(report: dict[str, Any]) -> str:
    """Return the state, then a line for each part that fails."""
    faults = [f"{name}: {part['fault']}" for name, part in report["parts"].items() if "fault" in part]
    return "".join(f"{line}\n" for line in (report["status"], *faults))


def _labelled(name: str, text: str, label: str, counts: dict[Any, int]) -> Any:
    family = CounterMetricFamily(f"{PREFIX}_{name}", text, labels=[label])
    for value, count in counts.items():
        family.add_metric([str(value)], count)
    return family
