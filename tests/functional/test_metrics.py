"""Monitoring: /metrics for users with all permissions, /healthz for everyone and without details."""

from __future__ import annotations

import contextlib
import http.client
import json
from collections.abc import Callable, Iterator

import pytest

pytest.importorskip("salt")
pytest.importorskip("websocket")
parser = pytest.importorskip("prometheus_client.parser")

from tests.client import Refused  # noqa: E402
from tests.functional.running import Engine  # noqa: E402
from tests.support.buses import Publisher  # noqa: E402
from tests.support.waiting import wait_until  # noqa: E402

pytestmark = [pytest.mark.both_lines]

Metrics = dict[str, float]
SHARED = (
    *("threads", "login_threads", "channels", "wheel_channels", "long_list_channels"),
    *("jobs_in_flight", "runners_in_flight", "batch_jobs_in_flight"),
)


@pytest.fixture(scope="module")
def engine(run_engine: Callable[..., Engine]) -> Engine:
    """An engine whose bus is missing until a test starts it."""
    return run_engine()


@pytest.fixture
def bus(engine: Engine) -> Iterator[Publisher]:
    """The master's bus."""
    publisher = Publisher(engine.sock_dir)
    with contextlib.closing(publisher):
        read = engine.metric("events_read_total")
        publisher.send(("first", {}))
        wait_until(lambda: engine.metric("events_read_total") > read, "the first event")
        yield publisher


def get(engine: Engine, path: str, method: str = "GET", **headers: str) -> tuple[int, str, str]:
    """Return status, content type and body."""
    connection = http.client.HTTPConnection("127.0.0.1", engine.port, timeout=30)
    with contextlib.closing(connection):
        connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        return response.status, response.headers["Content-Type"], response.read().decode()


def metrics(engine: Engine) -> Metrics:
    """Return all samples by name, those with labels as ``name{value}{value}`` in the order of the labels' names."""
    status, kind, body = get(engine, "/metrics")
    assert (status, kind.partition(";")[0]) == (200, "text/plain")
    samples = [sample for family in parser.text_string_to_metric_families(body) for sample in family.samples]
    named = {"".join([one.name, *(f"{{{label}}}" for label in one.labels.values())]): one.value for one in samples}
    return {name.removeprefix("websocket_api_"): value for name, value in named.items()}


def risen(before: Metrics, after: Metrics) -> Metrics:
    """Return the samples that changed."""
    return {name: value - before.get(name, 0) for name, value in after.items() if value != before.get(name, 0)}


# Who may


def test_a_client_on_loopback_may_read_metrics(engine: Engine) -> None:
    """Prometheus on the master needs no token."""
    assert get(engine, "/metrics")[0] == 200


@pytest.mark.parametrize(
    ("host", "status"),
    [("127.0.0.1", 200), ("localhost:8000", 200), ("[::1]", 200), ("evil.example:8000", 401), ("localhost.evil", 401)],
)
def test_dns_rebinding_reads_no_metrics(engine: Engine, host: str, status: int) -> None:
    """The browser's request comes from loopback; only its Host header shows the foreign page."""
    assert get(engine, "/metrics", Host=host)[0] == status
    token = {"X_Auth_Token": engine.token("demo")}
    assert get(engine, "/metrics", Host=host, **token)[0] == 200


def test_guessing_tokens_at_metrics_is_slowed_down(run_engine: Callable[..., Engine]) -> None:
    """Failures count as in every other login."""
    engine = run_engine({"limits": {"login_failures_per_minute": 3}})
    wrong = [get(engine, "/metrics", X_Auth_Token=f"{number:064x}")[0] for number in range(5)]
    assert wrong == [401, 401, 401, 429, 429]


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-Ip", "Via", "X-Forwarded-Proto"])
def test_a_client_of_a_proxy_on_the_master_needs_a_token(engine: Engine, header: str) -> None:
    """The peer is the proxy, and its client may be anyone."""
    assert get(engine, "/metrics", **{header: "for=10.0.0.1"})[0] == 401
    token = {"Authorization": f"Bearer {engine.token('demo')}"}
    assert get(engine, "/metrics", **{header: "for=10.0.0.1"}, **token)[0] == 200


@pytest.mark.parametrize(("user", "status"), [("demo", 200), ("viewer", 403)])
def test_metrics_need_all_permissions(engine: Engine, user: str, status: int) -> None:
    """Metrics are about all users: a token without ``.*`` is refused, even from loopback."""
    assert get(engine, "/metrics", X_Auth_Token=engine.token(user))[0] == status


def test_a_wrong_token_reads_no_metrics(engine: Engine) -> None:
    """Not even from loopback."""
    assert get(engine, "/metrics", X_Auth_Token="0" * 64)[0] == 401


def test_metrics_can_be_switched_off(run_engine: Callable[..., Engine]) -> None:
    """The path is then unknown, and /healthz still works."""
    silent = run_engine({"metrics": False})
    assert get(silent, "/metrics")[0] == 404
    assert get(silent, "/healthz")[0] in (200, 503)


# What they tell


def test_every_metric_is_there_from_the_start(engine: Engine, bus: Publisher) -> None:
    """A dashboard need not wait for a first event; only counters by operation, error or code appear later."""
    found = set(metrics(engine))
    assert found >= {
        *("connections", "subscriptions", "outbox_bytes", "jobs", "bus_up", "bus_lag_seconds"),
        *("part_up{bus}", "part_up{disk}", "part_up{store}"),
        *("history_events", "history_bytes", "history_oldest_seconds"),
        *("events_read_total", "events_delivered_total", "events_dropped_total", "bus_losses_total"),
        *("login_failures_total", "highstates_left_out_total"),
        *(f"share_{what}{{{of}}}" for what in ("places", "held", "waiting", "users_waiting") for of in SHARED),
    }


def test_what_happens_is_counted(engine: Engine, bus: Publisher) -> None:
    """Connections, subscriptions, events, requests, errors and failed logins have counters of their own."""
    wait_until(lambda: engine.is_unused, "the end of earlier connections")
    before = metrics(engine)
    with engine.client("demo") as client, engine.client() as stranger:
        number = client.ask("subscribe", subscription="event", tag="counted/")["subscription"]
        bus.send(("counted/1", {}), ("other/1", {}), ("counted/2", {}))
        client.frames(until=lambda frame: frame["tag"] == "counted/2", subscription=number)
        for type, fields in (("auth", {"username": "demo", "password": "wrong"}), ("whoami", {})):
            with pytest.raises(Refused):
                stranger.ask(type, **fields)
        changes = risen(before, metrics(engine))
    assert {name: change for name, change in changes.items() if not name.startswith(("history_", "bus_lag"))} == {
        "connections": 2,
        "subscriptions": 1,
        "events_read_total": 3,
        "events_delivered_total": 2,
        "login_failures_total": 1,
        "requests_total{auth}": 2,
        "requests_total{subscribe}": 1,
        "requests_total{whoami}": 1,
        "errors_total{unauthenticated}": 2,
    }
    assert changes["history_events"] == 3
    wait_until(lambda: metrics(engine)["connections"] == before["connections"], "the end of the connections")
    assert metrics(engine)["subscriptions"] == before["subscriptions"]


def test_the_fleet_is_counted(make_engine: Callable[..., Engine]) -> None:
    """Minions by key and connection, jobs by function and outcome, and the last highstate of each minion."""
    engine = make_engine({"metrics_highstates": 1})
    keys = engine.key_dir / "minions"
    keys.mkdir(parents=True)
    for name in ("web1", "web2"):
        (keys / name).write_text("a key that nobody looks at\n", encoding="utf-8")
    engine.start()
    engine.wait()
    jid = "20261123120000000001"
    announced = {"fun": "state.apply", "arg": [], "minions": ["web1", "web2"], "tgt": "*", "tgt_type": "glob"}
    returned = {"cmd": "_return", "jid": jid, "fun": "state.apply", "fun_args": [], "return": {}}
    with contextlib.closing(Publisher(engine.sock_dir)) as bus:
        wait_until(lambda: get(engine, "/healthz")[0] == 200, "a good state of health")
        wait_until(lambda: metrics(engine).get("minions{unknown}{accepted}") == 2, "the minions")
        bus.send(
            (f"salt/job/{jid}/new", {**announced, "_stamp": "2026-11-23T12:00:00.000000"}),
            (f"salt/job/{jid}/ret/web1", {**returned, "id": "web1", "retcode": 2, "success": False}),
            (f"salt/job/{jid}/ret/web2", {**returned, "id": "web2", "retcode": 0, "success": True}),
        )
        wait_until(lambda: metrics(engine)["jobs_ended_total{state.apply}{job}{failed}"] == 1, "the job's end")
    found = metrics(engine)
    assert found["minions{connected}{accepted}"] == 2
    assert found["last_highstate_success{web1}"] == 0
    assert found["last_highstate_timestamp_seconds{web1}"] > 1_700_000_000
    assert "last_highstate_success{web2}" not in found
    assert found["highstates_left_out_total"] == 1


def test_metrics_have_the_age_of_events_when_read(engine: Engine, bus: Publisher) -> None:
    """It is measured from the event's stamp, which Salt 3007 writes in UTC without a zone."""
    bus.send(("late", {"_stamp": "2026-01-01T00:00:00.000000"}))
    wait_until(lambda: metrics(engine)["bus_lag_seconds"] > 3600, "the late event")
    bus.send(("odd", {"_stamp": "never"}))
    wait_until(lambda: metrics(engine)["bus_lag_seconds"] == 0, "the odd event")


# Health


def test_health_follows_the_bus_and_names_no_details(engine: Engine, bus: Publisher) -> None:
    """200 while the bus is connected, else 503, for every client, and without paths or addresses."""
    wait_until(lambda: get(engine, "/healthz")[0] == 200, "a good state of health")
    assert get(engine, "/healthz", X_Forwarded_For="10.0.0.1") == (200, "text/plain", "ok\n")
    assert get(engine, "/healthz", "HEAD") == (200, "text/plain", "")
    bus.close()
    wait_until(lambda: get(engine, "/healthz")[0] == 503, "a bad state of health")
    fault = "the master's event bus is lost: no events arrive, commands are refused"
    assert get(engine, "/healthz")[2] == f"down\nbus: {fault}\n"
    report = json.loads(get(engine, "/healthz", Accept="application/json")[2])
    assert (report["status"], report["parts"]["bus"]) == ("down", {"status": "down", "fault": fault})
    found = metrics(engine)
    assert (found["bus_up"], found["part_up{bus}"], found["part_up{disk}"]) == (0, 0, 1)
