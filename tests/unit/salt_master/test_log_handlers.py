"""Handlers of Salt's log_handlers modules after a fork."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.with_salt


@pytest.mark.parametrize(("handlers", "calls"), [(["sentry"], ["shutdown", "setup"]), ([], []), (None, [])])
def test_only_handlers_that_need_it_are_set_up_again(
    monkeypatch: pytest.MonkeyPatch, handlers: list[str] | None, calls: list[str]
) -> None:
    """A thread that sends lines does not outlive a fork; the file and the console need nothing."""
    from salt._logging.impl import setup_extended_logging
    from websocket_api.salt_master import log_handlers

    found: list[str] = []
    monkeypatch.setattr(setup_extended_logging, "__handlers__", handlers, raising=False)
    monkeypatch.setattr(log_handlers, "shutdown_logging", lambda: found.append("shutdown"))
    monkeypatch.setattr(log_handlers, "setup_logging", lambda: found.append("setup"))
    log_handlers.renew()
    assert found == calls
