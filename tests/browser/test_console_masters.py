"""Two masters that share a stream: the console shows whose an event, a job, a minion or a batch is, and filters by it.

There are engines without masters, and a real Redis.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

pytest.importorskip("salt")
pytest.importorskip("redis")
pytest.importorskip("playwright.sync_api")

import salt.cache
from playwright.sync_api import expect
from websocket_api.core.batches import records
from websocket_api.core.batches.batch import Batch
from websocket_api.core.batches.request import Label

from tests.browser.driving import log_in, row, view
from tests.functional.conftest import engine_root, make_engine, names  # noqa: F401
from tests.functional.masters import NAMES, Masters, running
from tests.functional.running import CHECKOUT, Engine
from tests.support.redis_server import RedisServer

pytestmark = pytest.mark.skipif(shutil.which("redis-server") is None, reason="redis-server is not installed")

JIDS = {"m1": "20261130080000000001", "m2": "20261130080000000002"}


@pytest.fixture
def masters(make_engine: Callable[..., Engine], engine_root: Any) -> Iterator[Masters]:  # noqa: F811
    """Two engines that serve the console; each master has a minion and a job."""
    folder = engine_root / "r"
    folder.mkdir(exist_ok=True)
    server = RedisServer(folder)
    server.start()
    try:
        made = Masters(make_engine, server, {"console": str(CHECKOUT / "websocket_api" / "console")})
        made.accept("m1", "web1")
        made.accept("m2", "db2")
        for number, name in enumerate(NAMES, 1):
            store_batch(made.engines["m1"], 4096 * number, name)
        with running(made):
            made.announce("m1", JIDS["m1"], "web1", fun="test.one")
            made.announce("m2", JIDS["m2"], "db2", fun="test.two")
            yield made
    finally:
        server.kill()


def store_batch(engine: Engine, number: int, master: str) -> None:
    """Put a batch that has ended into the store of an engine, as a master with the same store writes it."""
    batch = Batch(number, "demo", "sharedsecret", [], [], created=time.time(), label=Label(f"batch of {master}"))
    batch.set_master(master)
    batch.finish_if_done(time.time())
    driver = {"master": f"identity of {master}", "run": "1", "beat": 1, "lease_until": 0.0}
    record = {**records.record(batch), "driver": driver, "rev": 1, "chunks": []}
    store = salt.cache.factory({"cache": "localfs", "cachedir": str(engine.cachedir)})
    store.store("websocket_api/batches", str(number), record)


@pytest.fixture
def page(open_page: Callable[..., Any], masters: Masters) -> Any:
    """A page of the first master's console."""
    return open_page(f"http://127.0.0.1:{masters.engines['m1'].port}")


def choose(page: Any, master: str) -> None:
    """Choose a master in the filter of the view."""
    choice = page.get_by_role("combobox", name="Master", exact=True)
    expect(choice.get_by_role("option")).to_have_text(["All masters", *NAMES])
    choice.select_option(master)


def test_each_view_shows_and_filters_by_the_master(page: Any, masters: Masters) -> None:
    """The filter is part of the address; the pages of a job, a minion and a batch name their master."""
    log_in(page, path="#/jobs")
    expect(row(page, "test.one")).to_contain_text("m1")
    expect(row(page, "test.two")).to_contain_text("m2")
    choose(page, "m2")
    expect(row(page, "test.one")).to_have_count(0)
    page.wait_for_url("**/#/jobs?master=m2")
    page.reload()
    expect(row(page, "test.two")).to_be_visible()
    expect(page.get_by_role("combobox", name="Master", exact=True)).to_have_value("m2")
    expect(row(page, "test.one")).to_have_count(0)
    row(page, "test.two").get_by_role("link").click()
    facts = page.locator(".facts")
    expect(facts).to_contain_text("Masterm2")

    view(page, "Fleet")
    expect(row(page, "web1")).to_contain_text("m1")
    expect(row(page, "db2")).to_contain_text("m2")
    choose(page, "m1")
    expect(row(page, "db2")).to_have_count(0)
    page.wait_for_url("**/#/fleet?master=m1")
    choose(page, "m2")
    expect(row(page, "web1")).to_have_count(0)
    row(page, "db2").get_by_role("link", name="db2").click()
    expect(facts).to_contain_text("Masterm2")
    expect(page.get_by_text("from its own master only")).to_be_visible()
    expect(page.get_by_role("link", name="Pillar")).to_have_count(0)

    view(page, "Events")
    choose(page, "m2")
    page.wait_for_url("**/#/events?master=m2")
    masters.fire("m1", "t/one")
    masters.fire("m2", "t/two")
    expect(row(page, "t/two")).to_contain_text("m2")
    expect(row(page, "t/one")).to_have_count(0)
    choose(page, "")
    masters.fire("m1", "t/three")
    expect(row(page, "t/three")).to_contain_text("m1")
    page.get_by_role("button", name="t/two").click()
    expect(page.get_by_role("complementary", name="Event")).to_contain_text("m2")

    view(page, "Batches")
    expect(row(page, "batch of m1")).to_contain_text("m1")
    choose(page, "m2")
    expect(row(page, "batch of m1")).to_have_count(0)
    page.wait_for_url("**/#/batches?master=m2")
    row(page, "batch of m2").get_by_role("link").click()
    expect(facts).to_contain_text("Masterm2")

    view(page, "Connection")
    expect(page.get_by_text("m2 connected")).to_be_visible()
