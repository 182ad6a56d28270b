"""What a serving process knows of the process before it."""

from __future__ import annotations

import socket

import pytest
from websocket_api.supervisor.serving import Listeners, Serving


@pytest.mark.parametrize(("kept", "reload", "again"), [(True, False, True), (False, False, False), (True, True, False)])
def test_a_process_knows_whether_clients_wait_for_it(kept: bool, reload: bool, again: bool) -> None:
    """It replaces one that was killed: at its first start nobody waits, and at a reload the last one still serves."""
    with socket.socket() as listener, socket.socket() as last:
        listeners = Listeners("127.0.0.1", 8000, [listener] if kept else [])
        assert Serving(None, listeners, last if reload else None).again is again
