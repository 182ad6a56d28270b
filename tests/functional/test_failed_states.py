"""What Salt itself fires for failed states, so that nobody is shown a job's return by its second event."""

from __future__ import annotations

import copy
from typing import Any

import pytest

pytest.importorskip("salt")

import salt.utils.event
from websocket_api.core.events.tags import Kind, topic

pytestmark = pytest.mark.both_lines

JID = "20261123120000000001"
LOAD = {
    "jid": JID,
    "id": "web",
    "fun": "state.sls",
    "user": "ann",
    "retcode": 2,
    "return": {
        "file_|-conf_|-/etc/x.y_|-managed": {"name": "/etc/x.y", "changes": {"diff": "+secret"}, "result": False},
        "no_|-states_|-states_|-None": {"name": "No States", "changes": {}, "comment": "", "result": False},
        "pkg_|-fine_|-fine_|-installed": {"name": "fine", "changes": {}, "result": True},
    },
}


class Bus(salt.utils.event.SaltEvent):  # type: ignore[misc]
    """Salt's own code around an event bus that keeps what is fired."""

    def __init__(self) -> None:
        self.fired: list[tuple[str, dict[str, Any]]] = []

    def fire_event(self, data: dict[str, Any], tag: str, timeout: int = 1000) -> bool:
        self.fired.append((tag, copy.deepcopy(data)))
        return True

    def __del__(self) -> None:
        """Nothing was opened."""


def test_each_event_of_a_failed_state_is_judged_as_its_job_or_kept_back() -> None:
    """Salt fires two for each failed state; only the one that tells whose it is is a part of the job."""
    bus = Bus()
    bus.fire_ret_load(copy.deepcopy(LOAD))
    kinds = {tag: topic(tag, data).kind for tag, data in bus.fired}
    assert kinds == {
        "file.managed": Kind.CONTROL,
        "no.None": Kind.CONTROL,
        f"salt/job/{JID}/sub/web/error/state.sls": Kind.JOB_MINION,
    }
