"""Two masters with a shared Redis: each shows the other's batches, and continues them if the other is dead."""

from __future__ import annotations

import shutil
from typing import Any

import pytest

from tests.integration.pair import paired
from tests.support.waiting import wait_until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(400),
    pytest.mark.skipif(shutil.which("redis-server") is None, reason="redis-server is not installed"),
]

MINIONS = ["m1", "m2"]


@pytest.mark.parametrize("job_cache", ["salt_cache", pytest.param("local_cache", marks=pytest.mark.costly)])
def test_a_batch_of_a_dead_master_continues_on_the_other(job_cache: str) -> None:
    """Nothing is sent twice. Requests that ran at that time have an unknown outcome; unsent ones are sent and succeed.

    The masters share the first job cache, and each has its own of the second kind.
    """
    with paired(job_cache, MINIONS) as pair:
        one = pair.client(0)
        token = one.ask("auth", username="demo", password="demo")["token"]
        two = pair.client(1, token)
        first, second = (client.ask("describe")["master"]["id"] for client in (one, two))
        items = [{"fun": "test.sleep", "arg": [20], "tgt": MINIONS}, {"fun": "test.echo", "arg": ["hi"], "tgt": ["m1"]}]
        made = one.ask("batch", concurrency=1, batch=items)
        number = two.ask("subscribe", subscription="batch", batch=made["id"])["subscription"]
        # Followed there while it is driven here.
        two.frames(until=lambda frame: "resolved" in _statuses(frame), subscription=number, timeout=60)
        wait_until(lambda: _of(two, made) == ["resolved", "sent", "pending"], "the second being sent", 20, 0.1)

        def published() -> Any:
            batch = two.ask("get_batch", batch=made["id"], collection=True)
            return batch if _part(batch, 1)["jid"] else None

        # Stored as sent comes first, and its id when the master has told it.
        before = wait_until(published, "the second being published", 20, 0.1)
        assert (made["master"], before["master"]) == (first, first)
        pair.kill(0)
        two.frames(
            until=lambda frame: frame["type"] == "batch" and frame["batch"]["finished_at"],
            subscription=number,
            timeout=150,
        )
        after = two.ask("get_batch", batch=made["id"], collection=True)
        assert [_part(after, place)["status"] for place in range(3)] == ["resolved", "error", "resolved"]
        assert _part(after, 1)["result"]["error"] == "outcome_unknown"
        assert (after["status"], after["done_count"], after["error_count"]) == ("error", 2, 1)
        assert _part(after, 1)["jid"] == _part(before, 1)["jid"]
        assert "fun=test.sleep" not in pair.log(1)
        assert pair.log(1).count("fun=test.echo") == 1
        assert after["master"] == second
        for master in (first, second):
            assert [batch["id"] for batch in two.ask("list_batches", master=master)] == [made["id"]]
        assert two.ask("cancel_batch", batch=made["id"], forget=True) is None
        assert two.ask("list_batches") == []


def _statuses(frame: dict[str, Any]) -> list[str]:
    return [one["status"] for one in frame.get("requests", ())]


def _part(batch: dict[str, Any], place: int) -> dict[str, Any]:
    part: dict[str, Any] = batch["requests"][place]
    return part


def _of(client: Any, made: dict[str, Any]) -> list[str]:
    return _statuses(client.ask("get_batch", batch=made["id"], collection=True))
