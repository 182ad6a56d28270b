"""docs/monitoring: alert rules and the dashboard, held to Prometheus itself and to a running engine."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

pytest.importorskip("salt")
pytest.importorskip("websocket")
pytest.importorskip("prometheus_client")

from tests.client import Refused
from tests.functional.running import CHECKOUT, Engine
from tests.ports import free_port
from tests.support.buses import Publisher, stamp
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.slow]

FOLDER = CHECKOUT / "docs" / "monitoring"
PAGE = (CHECKOUT / "docs" / "monitoring.md").read_text(encoding="utf-8")
RULES = yaml.safe_load((FOLDER / "rules.yml").read_text(encoding="utf-8"))["groups"][0]["rules"]
DASHBOARD = json.loads((FOLDER / "dashboard.json").read_text(encoding="utf-8"))
QUERIES = [(panel["title"], target["expr"]) for panel in DASHBOARD["panels"] for target in panel["targets"]]


def need_prometheus() -> None:
    """Install Debian's Prometheus if it is missing, or skip the test."""
    command = [str(CHECKOUT / "tools" / "need.sh"), "tests", "command -v prometheus && command -v promtool"]
    needed = subprocess.run([*command, "prometheus"], capture_output=True, text=True, check=False)
    if needed.returncode:
        pytest.skip(needed.stderr.strip())


@pytest.mark.parametrize(
    "command",
    [("check", "rules", "rules.yml"), ("test", "rules", "rules_test.yml"), ("check", "config", "prometheus.yml")],
)
def test_promtool_accepts_the_rules(command: tuple[str, ...]) -> None:
    """Each alert fires in its case of rules_test.yml, and not before."""
    need_prometheus()
    result = subprocess.run(["promtool", *command], cwd=FOLDER, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_every_alert_has_a_test_and_a_row() -> None:
    """The page says what to do about it."""
    named = {rule["alert"] for rule in RULES}
    tested = yaml.safe_load((FOLDER / "rules_test.yml").read_text(encoding="utf-8"))["tests"]
    assert {one["alertname"] for test in tested for one in test["alert_rule_test"]} == named
    assert set(re.findall(r"^\| `(Salt\w+)` \|", PAGE, re.MULTILINE)) == named


def metric_names(text: str) -> set[str]:
    """Return the engine's metrics in a text."""
    return set(re.findall(r"websocket_api_[a-z_]*[a-z]", text))


@pytest.fixture(scope="module")
def busy(engine_root: Path, names: Iterator[int]) -> Iterator[Engine]:
    """An engine of a master of masters on which everything has happened that the dashboard shows."""
    master = {"order_masters": True}
    engine = Engine(engine_root / str(next(names)), {"metrics_highstates": 10}, master=master)
    engine.give_schemas()
    for folder, name in (("minions", "web1"), ("minions", "syndic1"), ("minions_pre", "new1")):
        (engine.key_dir / folder).mkdir(parents=True, exist_ok=True)
        (engine.key_dir / folder / name).write_text("a key that nobody looks at\n", encoding="utf-8")
    with contextlib.closing(Publisher(engine.sock_dir)) as bus:
        engine.start()
        try:
            engine.wait()
            happen(engine, bus)
            yield engine
        finally:
            engine.stop()


def happen(engine: Engine, bus: Publisher) -> None:
    """Let a minion fail its highstate, name minions below a syndic, and refuse a login."""
    wait_until(lambda: 'key="pending"' in read(engine), "the keys")
    jid = "20261123120000000001"
    announced = {"fun": "state.apply", "arg": [], "minions": ["web1"], "tgt": "web1", "tgt_type": "glob"}
    returned = {"cmd": "_return", "jid": jid, "fun": "state.apply", "fun_args": [], "return": {}, "id": "web1"}
    bus.send(
        (f"syndic/syndic1/salt/job/{jid[:-1]}2/new", {"minions": ["low1"]}),
        ("salt/minion/syndic1/start", {"id": "syndic1", "cmd": "_minion_event"}),
        (f"salt/job/{jid}/new", {**announced, "_stamp": stamp(jid)}),
        (f"salt/job/{jid}/ret/web1", {**returned, "retcode": 2, "success": False}),
    )
    wait_until(lambda: "last_highstate_success{" in read(engine), "the highstate")
    with engine.client() as stranger, contextlib.suppress(Refused):
        stranger.ask("auth", username="demo", password="wrong")


def read(engine: Engine) -> str:
    """Return the text of /metrics."""
    with urllib.request.urlopen(f"http://127.0.0.1:{engine.port}/metrics", timeout=30) as answer:
        return str(answer.read().decode())


def test_page_and_rules_name_metrics_that_exist(busy: Engine) -> None:
    """And the page has all of them."""
    served = set(re.findall(r"^# HELP (\S+)", read(busy), re.MULTILINE))
    files = "".join((FOLDER / name).read_text(encoding="utf-8") for name in ("rules.yml", "dashboard.json"))
    assert metric_names(files) <= served
    assert set(re.findall(r"^\| `(websocket_api_\w+)`", PAGE, re.MULTILINE)) == served


Ask = Callable[[str], Any]


@pytest.fixture(scope="module")
def ask(busy: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    """Ask a Prometheus that scrapes the engine, with the configuration and the rules of docs/monitoring."""
    need_prometheus()
    folder, port = tmp_path_factory.mktemp("prometheus"), free_port()
    text = (FOLDER / "prometheus.yml").read_text(encoding="utf-8")
    text = text.replace("scrape_interval: 15s", "scrape_interval: 1s\n  evaluation_interval: 1s")
    assert "127.0.0.1:8000" in text
    (folder / "prometheus.yml").write_text(text.replace("127.0.0.1:8000", f"127.0.0.1:{busy.port}"), encoding="utf-8")
    shutil.copy(FOLDER / "rules.yml", folder)
    options = [f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            ["prometheus", *options, f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log
        )

    def ask(path: str) -> Any:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/{path}", timeout=20) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            return {"result": [], "error": error.read().decode()}  # an invalid query
        except OSError:
            return {"result": []}  # it is starting

    try:
        # Rates need two scrapes.
        wait_until(lambda: value(ask, "count_over_time(websocket_api_bus_up[1m])") >= 3, "three scrapes")
        yield ask
    finally:
        process.terminate()
        process.wait(20)


def value(ask: Ask, query: str) -> float:
    """Return the first value of a query, or 0."""
    result = ask("query?" + urllib.parse.urlencode({"query": query}))["result"]
    return float(result[0]["value"][1]) if result else 0.0


@pytest.mark.parametrize(("title", "expr"), QUERIES, ids=[f"{title}-{n}" for n, (title, _) in enumerate(QUERIES)])
def test_every_query_of_the_dashboard_returns_data(ask: Ask, title: str, expr: str) -> None:
    """With the variables as Grafana fills them in for all masters."""
    query = expr.replace("$instance", ".*").replace("$__rate_interval", "1m")
    assert "$" not in query
    answer = ask("query?" + urllib.parse.urlencode({"query": query}))
    assert answer["result"], answer


def test_prometheus_evaluates_every_rule(ask: Ask) -> None:
    """Without an error, on the engine's own metrics."""

    def rules() -> Any:
        found = [rule for group in ask("rules").get("groups", []) for rule in group["rules"]]
        return found if found and all(rule["health"] != "unknown" for rule in found) else None

    found = wait_until(rules, "the evaluation of the rules")
    assert {rule["name"]: rule["health"] for rule in found} == {rule["alert"]: "ok" for rule in RULES}
    wait_until(
        lambda: {one["labels"]["alertname"] for one in ask("alerts").get("alerts", [])} >= {"SaltHighstateFailed"},
        "the alert about the failed highstate",
    )
