"""How one client that does not read affects the others; the goal is not at all."""

from __future__ import annotations

import contextlib
import json
import statistics
from collections.abc import Iterator
from dataclasses import dataclass

from tests.benchmarks import fanout, marks
from tests.benchmarks.fanout import Case, Outcome
from tests.benchmarks.stage import Stage
from tests.benchmarks.wire import connected, read_until, text_frame


@dataclass(frozen=True)
class Stalled:
    """The others' latencies, as multiples of those without such a client: medians over pairs of runs."""

    pairs: int
    median: float
    p99: float
    outbox: float
    """Maximum number of bytes that waited for the client, which proves that it was stalled."""
    outcomes: list[Outcome]


def measure(stage: Stage, token: str, case: Case, pairs: int) -> Stalled:
    """Run the case in pairs: with and without such a client."""
    calm: list[Outcome] = []
    held: list[Outcome] = []
    for number in range(pairs):
        # The two alternate in coming first, so that other load of the machine affects both alike.
        for stall in (number % 2 == 1, number % 2 == 0):
            with _stalled_client(stage, token) if stall else contextlib.nullcontext():
                (held if stall else calm).append(fanout.run(stage, case, token))

    def ratio(share: float) -> float:
        both = [(one.percentile(share), other.percentile(share)) for one, other in zip(calm, held, strict=True)]
        return statistics.median(other / one for one, other in both if one and other)

    outbox = max(one.outbox or 0.0 for one in held)
    return Stalled(pairs, ratio(0.5), ratio(0.99), outbox, [*calm, *held])


@contextlib.contextmanager
def _stalled_client(stage: Stage, token: str) -> Iterator[None]:
    """Subscribe as the others do, and then never read."""
    hello = {"id": 1, "type": "subscribe", "subscription": "event", "tag": marks.TAG, "bundle": True}
    with connected(stage.port, token, narrow=True) as sock:
        sock.sendall(text_frame(json.dumps(hello).encode()))
        read_until(sock, b'"recovered"')
        yield
