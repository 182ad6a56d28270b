"""For how long events wait on the master's bus: longest while nobody could notice."""

from __future__ import annotations

from websocket_api.background.tasks import BackgroundTasks
from websocket_api.core.subscriptions.hub import ALONE_SECONDS, IDLE_SECONDS, SINGLE_SECONDS

from tests.unit.operations.test_batches import started


async def test_events_wait_longest_while_there_is_no_client_and_no_batch() -> None:
    """A client may ask for something at any time. A batch sends its next job when a minion returns."""
    engine, clients = await started(), ["someone"]
    bus = BackgroundTasks(engine.parts, list, lambda: bool(clients)).bus
    assert bus.max_delay(1) == IDLE_SECONDS
    clients.clear()
    assert bus.max_delay(1) == ALONE_SECONDS
    with engine.services.job_watcher.starting():
        assert bus.max_delay(1) == SINGLE_SECONDS
    await (await engine.user()).ask("batch", batch=[{"fun": "test.ping", "tgt": "web1"}])
    assert bus.max_delay(1) == IDLE_SECONDS
