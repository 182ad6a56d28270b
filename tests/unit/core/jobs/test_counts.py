"""What a job knows about all its parts without a look at each of them."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest
from websocket_api.core.delivery.chunked_encoding import weight
from websocket_api.core.events.encoding import encode, footprint
from websocket_api.core.jobs.job import Job
from websocket_api.core.jobs.job_object import job_object, part_objects
from websocket_api.core.jobs.part import ENDED, Part

from tests.unit.core.support import JID

NOW = 1_000_000.0
NAMES = [f"m{number}" for number in range(12)]
VALUES: list[Any] = [
    True,
    None,
    "text " * 500,
    [[], {}, [1, [2, {"a": None}]]] * 40,
    {f"name {number}": {"result": True, "changes": {}} for number in range(50)},
    {"a": "x" * 4000, "b": ["y" * 300] * 20},
    list(range(3000)),
]


def random_step(job: Job, rng: random.Random) -> None:
    """Change a job in one of the ways in which jobs change."""
    names = rng.sample(NAMES, rng.randint(1, 3))
    kind = rng.randrange(7)
    if kind == 0:
        job.expect(names, rng.sample(NAMES, 1))
    elif kind == 1:
        job.apply_return(names[0], {"return": 1, "retcode": rng.choice([0, 1]), "success": True}, 10, NOW)
    elif kind == 2:
        job.apply_progress(names[0], rng.uniform(-10, 120), None)
    elif kind == 3:
        job.give_up(names, rng.choice(["missing", "canceled"]), NOW)
    elif kind == 4:
        job.leave_out(names)
    elif kind == 5:
        job.set_part(names[0], Part(rng.choice(["pending", "running", "returned"]), progress=rng.choice([0.0, 30.0])))
    else:
        job.gathering = not job.gathering
        job.end_gathering(NOW)


@pytest.mark.parametrize("seed", range(20))
def test_counts_follow_every_change(seed: int) -> None:
    """They are those that a look at all parts gives: states, what has not ended, and the progress of that."""
    rng, job = random.Random(seed), Job(JID, fun="test.ping", parts={"m0": Part("running", progress=5.0)})
    for _ in range(200):
        random_step(job, rng)
        parts = job.parts
        assert job.states == Counter(part.state for part in parts.values())
        assert set(job.waiting) == {name for name, part in parts.items() if part.state not in ENDED}
        running = sum(part.progress for part in parts.values() if part.state not in ENDED)
        assert job.running_progress == pytest.approx(running)
        assert job_object(job) == {**job_object(job, list(parts)), "state": job.state}


@pytest.mark.parametrize("value", VALUES, ids=lambda value: str(value)[:20])
def test_a_part_knows_how_long_it_takes_to_encode(value: Any) -> None:
    """Rather too long than too short; with and without its return."""
    data = {"cmd": "_return", "id": "m0", "jid": JID, "fun": "test.ping", "return": value, "retcode": 0}
    body = encode(data)
    job = Job(JID, fun="test.ping")
    job.apply_return("m0", data, len(body) + 200, NOW, footprint(body))
    job.apply_progress("m1", 10, "message " * 100)
    for without_return in (False, True):
        found = part_objects(job.parts, without_return=without_return)
        for name, known in zip(found, found.weights, strict=True):
            assert weight(found[name], 10**6) <= known
        assert found.weight <= 4 * weight(dict(found), 10**6) + 100
