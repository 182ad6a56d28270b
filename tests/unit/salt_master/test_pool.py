"""Blocking calls run in a few threads, in order, and never block the engine."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from websocket_api.errors import ApiError
from websocket_api.fair_share import ENGINE, Share, on_behalf_of
from websocket_api.salt_master.pool import Pool

from tests.support.waiting import LOOP_SECONDS

ENGINES = Path(__file__).resolve().parents[3] / "_engines"


@pytest.fixture
async def pool() -> AsyncIterator[Pool]:
    """Return a pool of one thread and a queue of two."""
    pool = Pool(1, "test", queue=2)
    yield pool
    pool.close()


async def test_a_call_has_the_result_or_the_error_of_its_function(pool: Pool) -> None:
    """The caller cannot tell that another thread ran it."""

    def fail() -> None:
        raise KeyError("x")

    assert await pool.run(divmod, 7, 2) == (3, 1)
    assert await pool.run(sorted, [1, 2], reverse=True) == [2, 1]
    with pytest.raises(KeyError):
        await pool.run(fail)


async def test_sys_exit_in_a_call_is_raised_as_an_error(pool: Pool) -> None:
    """Some of Salt's modules call it; the thread and the engine must go on."""
    with pytest.raises(RuntimeError, match="SystemExit"):
        await pool.run(sys.exit, 1)
    assert await pool.run(abs, -1) == 1


async def test_a_call_over_the_limit_of_the_queue_is_refused(pool: Pool) -> None:
    """An unlimited queue would answer all users too late."""
    gate = threading.Event()
    calls = [asyncio.ensure_future(pool.run(gate.wait)) for _ in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(ApiError) as refused:
        await pool.run(abs, 1)
    assert refused.value.code == "too_many"
    assert refused.value.retryable
    gate.set()
    assert await asyncio.gather(*calls) == [True] * 3
    assert await pool.run(abs, -2) == 2


async def test_users_take_turns_at_the_threads() -> None:
    """Bob's call is next, though Ann has sent many before; so is a call of the engine."""
    pool, gate, ran = Pool(1, "test"), threading.Event(), list[str]()
    first = asyncio.ensure_future(pool.run(gate.wait))
    calls = []
    for share, name in [(Share("ann", "pam"), "ann")] * 5 + [(Share("bob", "pam"), "bob"), (ENGINE, "engine")]:
        with on_behalf_of(share):
            calls.append(asyncio.ensure_future(pool.run(ran.append, name)))
    await asyncio.sleep(0)
    gate.set()
    await asyncio.gather(first, *calls)
    pool.close()
    assert ran == ["ann", "bob", "engine", "ann", "ann", "ann", "ann"]


async def test_a_user_may_use_all_idle_threads() -> None:
    """Four of Ann's calls run at once; all end, hers and Bob's."""
    pool, gate, began = Pool(4, "test"), threading.Event(), threading.Semaphore(0)

    def call() -> None:
        began.release()
        gate.wait()

    with on_behalf_of(Share("ann", "pam")):
        calls = [asyncio.ensure_future(pool.run(call)) for _ in range(9)]
    await asyncio.to_thread(lambda: [began.acquire(timeout=10) for _ in range(4)])
    with on_behalf_of(Share("bob", "pam")):
        calls += [asyncio.ensure_future(pool.run(abs, -1)) for _ in range(3)]
    gate.set()
    assert len(await asyncio.gather(*calls)) == 12
    pool.close()


async def test_the_cpu_time_of_calls_is_charged_to_their_user() -> None:
    """Whatever their outcome; waiting costs nothing."""
    charged: list[tuple[Share, float]] = []
    pool = Pool(1, "test", charge=lambda share, seconds: charged.append((share, seconds)))

    def fail() -> None:
        sum(range(100_000))
        raise KeyError("x")

    with on_behalf_of(Share("ann", "pam")):
        await pool.run(time.sleep, 0.02)
        with pytest.raises(KeyError):
            await pool.run(fail)
    pool.close()
    assert [share.user for share, _ in charged] == ["ann", "ann"]
    assert charged[0][1] < 0.02
    assert charged[1][1] > 0


async def test_a_canceled_caller_removes_its_waiting_call(pool: Pool) -> None:
    """Nobody needs the result any more."""
    gate, ran = threading.Event(), []
    first = asyncio.ensure_future(pool.run(gate.wait))
    second = asyncio.ensure_future(pool.run(ran.append, 2))
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)
    gate.set()
    await first
    await pool.run(ran.append, 3)
    assert ran == [3]


async def test_no_more_threads_than_configured_run_at_once() -> None:
    """The limit protects the master, whose store every call reads."""
    pool, running, most, lock, three = Pool(3, "test"), 0, 0, threading.Lock(), threading.Barrier(3)

    def call() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        three.wait(LOOP_SECONDS)
        with lock:
            running -= 1

    await asyncio.gather(*(pool.run(call) for _ in range(21)))
    pool.close()
    assert most == 3


async def test_closing_cancels_waiting_calls_and_refuses_new_ones() -> None:
    """It does not wait for a call that hangs."""
    pool, began, gate = Pool(1, "test"), threading.Event(), threading.Event()

    def hang() -> bool:
        began.set()
        return gate.wait()

    hangs = asyncio.ensure_future(pool.run(hang))
    waits = asyncio.ensure_future(pool.run(abs, 1))
    await asyncio.to_thread(began.wait, 10)
    pool.close()
    with pytest.raises(asyncio.CancelledError):
        await waits
    with pytest.raises(ApiError):
        await pool.run(abs, 1)
    gate.set()
    assert await hangs


def test_a_process_ends_at_once_although_a_call_hangs() -> None:
    """Salt kills the engine 5 s after SIGTERM; a hanging PAM call must not use up that time."""
    code = (
        "import asyncio, time\nfrom websocket_api.salt_master.pool import Pool\n"
        "async def main():\n    pool = Pool(1, 'x')\n    asyncio.ensure_future(pool.run(time.sleep, 600))\n"
        "    await asyncio.sleep(0.1)\n    pool.close()\nasyncio.run(main())\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ENGINES, check=True, timeout=100)
