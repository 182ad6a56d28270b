"""Requests to a simulated master that is slow, silent or dead."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("salt")

from websocket_api.errors import ApiError, NotSent
from websocket_api.fair_share import Share, on_behalf_of
from websocket_api.salt_master.channels import Channels

from tests.support.waiting import LOOP_SECONDS, until

pytestmark = pytest.mark.both_lines


class Transport:
    """A stand-in for Salt's transport, which can be closed."""

    socket = None

    def __init__(self) -> None:
        self.closed = False

    def close(self) -> None:
        """Record the close."""
        self.closed = True


class Channel:
    """A request channel that answers as the test says."""

    def __init__(self, master: Master) -> None:
        self.master = master
        self.transport = Transport()
        self.busy = False

    async def send(self, load: dict[str, Any], tries: int, timeout: float) -> Any:
        """Send one request."""
        assert tries == 1
        assert not self.busy, "two requests at once on one channel"
        assert not self.transport.closed
        self.busy = True
        self.master.sent.append(load)
        self.master.most = max(self.master.most, sum(channel.busy for channel in self.master.opened))
        answer = await self.master.answer(load)
        self.busy = False
        return answer


class Master:
    """A master that opens channels and records what was sent."""

    def __init__(self, answer: Callable[[dict[str, Any]], Any]) -> None:
        self.answer = answer
        self.opened: list[Channel] = []
        self.sent: list[dict[str, Any]] = []
        self.most = 0

    def open(self) -> Channel:
        """Open a channel."""
        self.opened.append(Channel(self))
        return self.opened[-1]


def channels_to(master: Master, monkeypatch: pytest.MonkeyPatch, **options: Any) -> Channels:
    """Return channels that lead to this master."""
    opts = {"interface": "0.0.0.0", "ret_port": 4506, "worker_threads": 3}
    channels = Channels(opts, **{"size": 8, "seconds": 0.2, **options})
    monkeypatch.setattr("websocket_api.salt_master.channels.NOTICE_SECONDS", 0.01)

    def new() -> Channel:
        channel = master.open()
        channels._open.add(channel)
        return channel

    monkeypatch.setattr(channels, "_new", new)
    return channels


async def never(load: dict[str, Any]) -> Any:
    """Give no answer."""
    await asyncio.Event().wait()


async def soon(load: dict[str, Any]) -> Any:
    """Give an answer after 10 ms."""
    await asyncio.sleep(0.01)
    return load["n"]


def test_salt_knows_the_thread_of_a_loop_of_uvloop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else it blocks the loop for seconds whenever a channel is closed."""
    uvloop = pytest.importorskip("uvloop")
    channels = Channels({"interface": "0.0.0.0", "ret_port": 4506, "worker_threads": 3}, size=8, seconds=0.2)
    monkeypatch.setattr("salt.channel.client.AsyncReqChannel.factory", lambda *args, **kwargs: Channel(Master(soon)))

    async def thread() -> int:
        channels._new()
        return int(asyncio.get_running_loop()._thread_id)  # type: ignore[attr-defined]

    loop = uvloop.new_event_loop()
    try:
        assert loop.run_until_complete(thread()) == threading.get_ident()
    finally:
        loop.close()


async def test_no_more_channels_are_open_than_the_master_has_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """More would only wait in the master. Channels are kept, each for one request at a time, in order."""
    master = Master(soon)
    channels = channels_to(master, monkeypatch, seconds=LOOP_SECONDS)
    answers = await asyncio.gather(*(channels.request({"n": number}) for number in range(20)))
    assert answers == list(range(20))
    assert [load["n"] for load in master.sent] == list(range(20))
    assert len(master.opened) == master.most == 3
    channels.close()
    assert all(channel.transport.closed for channel in master.opened)


async def test_an_unanswered_request_ends_in_time_and_its_channel_is_not_used_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its late answer would be taken for that of the next request."""
    master = Master(never)
    channels = channels_to(master, monkeypatch, seconds=1.0)
    with pytest.raises(ApiError) as failed:
        await asyncio.wait_for(channels.request({"n": 1}), 5)
    assert failed.value.code == "master_unavailable"
    assert failed.value.details == {"sent": True}
    master.answer = soon
    assert await channels.request({"n": 2}) == 2
    assert [load["n"] for load in master.sent] == [1, 2]
    assert len(master.opened) == 2
    await until(lambda: master.opened[0].transport.closed)
    assert not master.opened[1].transport.closed
    channels.close()


async def test_a_request_that_waits_too_long_is_never_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says that it did not run."""
    master = Master(never)
    channels = channels_to(master, monkeypatch, size=1)
    results = await asyncio.gather(*(channels.request({"n": number}) for number in range(4)), return_exceptions=True)
    sent = [error.details["sent"] for error in results if isinstance(error, ApiError)]
    assert sent == [True, False, False, False]
    assert len(master.sent) == 1
    channels.close()


async def test_a_canceled_caller_leaves_the_channel_to_its_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """No other request gets the channel before, and it is kept."""
    master = Master(soon)
    channels = channels_to(master, monkeypatch, size=1, seconds=LOOP_SECONDS)
    first = asyncio.ensure_future(channels.request({"n": 1}))
    await until(lambda: master.sent)
    first.cancel()
    assert await channels.request({"n": 2}) == 2
    assert len(master.opened) == 1
    channels.close()


async def test_a_canceled_caller_learns_whether_it_was_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that still waited in the queue was not sent; for the other it is unknown."""
    master = Master(never)
    channels = channels_to(master, monkeypatch, size=1, seconds=LOOP_SECONDS)

    async def told(number: int) -> type[BaseException] | None:
        try:
            await channels.request({"n": number})
        except asyncio.CancelledError as canceled:
            return type(canceled)
        return None

    asking = [asyncio.ensure_future(told(number)) for number in range(2)]
    await until(lambda: master.sent)
    for one in asking:
        one.cancel()
    assert await asyncio.gather(*asking) == [asyncio.CancelledError, NotSent]
    assert [load["n"] for load in master.sent] == [0]
    channels.close()


async def test_a_failing_channel_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """The failed request is not sent again."""

    async def fail(load: dict[str, Any]) -> Any:
        raise OSError("no")

    master = Master(fail)
    channels = channels_to(master, monkeypatch, seconds=1.0)
    with pytest.raises(ApiError) as failed:
        await channels.request({"n": 1})
    assert failed.value.code == "master_unavailable"
    master.answer = soon
    assert await channels.request({"n": 2}) == 2
    assert len(master.sent) == 2
    channels.close()


ANN, BOB = Share("ann", "pam"), Share("bob", "pam")


def asked(channels: Channels, share: Share, load: dict[str, Any], **options: Any) -> asyncio.Future[Any]:
    """Send a request for a user."""
    with on_behalf_of(share):
        return asyncio.ensure_future(channels.request(load, **options))


async def test_a_channel_that_cannot_be_opened_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a free file there is no socket; once there are some, requests are sent again."""

    async def answer(load: dict[str, Any]) -> Any:
        return load

    master = Master(answer)
    channels = channels_to(master, monkeypatch, size=2)
    opens, left = channels._new, 5

    def open_later() -> Any:
        nonlocal left
        left -= 1
        if left >= 0:
            raise OSError("too many open files")
        return opens()

    monkeypatch.setattr(channels, "_new", open_later)
    for _ in range(5):
        with pytest.raises(ApiError, match="cannot open a channel") as caught:
            await channels.request({"cmd": "x"})
        assert (caught.value.code, caught.value.details) == ("master_unavailable", {"sent": False})
    assert await channels.request({"cmd": "x"}) == {"cmd": "x"}
    assert channels.publishes.shares.held == 0
    channels.close()


async def test_users_have_turns_at_the_channels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bob's request is sent next, however many of Ann's wait; hers do not fill the queue for his."""
    asked_by_bob = asyncio.Event()

    async def answer(load: dict[str, Any]) -> Any:
        await asked_by_bob.wait()
        return await soon(load)

    master = Master(answer)
    channels = channels_to(master, monkeypatch, size=1, seconds=60)
    hers = [asked(channels, ANN, {"n": number}) for number in range(1100)]
    await until(lambda: master.sent)
    his = asked(channels, BOB, {"n": "bob"})
    asked_by_bob.set()
    assert await his == "bob"
    assert {"n": "bob"} in master.sent[:3]
    for request in hers:
        request.cancel()
    refused = [one for one in await asyncio.gather(*hers, return_exceptions=True) if isinstance(one, ApiError)]
    assert {one.code for one in refused} == {"too_many"}
    channels.close()


@pytest.mark.parametrize(
    ("load", "options"),
    [
        ({"cmd": "wheel"}, {"wheel": True}),
        ({"tgt": [f"m{number}" for number in range(101)]}, {}),
        ({"tgt": "m1 or L@" + ",".join(f"m{number}" for number in range(102)), "tgt_type": "compound"}, {}),
    ],
)
async def test_slow_requests_leave_a_channel_to_the_next_user(
    load: dict[str, Any], options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ann's second request waits for her first, Bob's runs meanwhile; short requests have channels of their own."""
    sent = list[str]()

    async def answer(load: dict[str, Any]) -> Any:
        sent.append(load["n"])
        if load["n"] != "short":
            await asyncio.Event().wait()
        return "done"

    channels = channels_to(Master(answer), monkeypatch, seconds=60)
    asked(channels, ANN, {**load, "n": "ann"}, **options)
    asked(channels, ANN, {**load, "n": "ann too"}, **options)
    asked(channels, BOB, {**load, "n": "bob"}, **options)
    assert await asked(channels, ANN, {"n": "short", "tgt": ["m1"]}) == "done"
    assert sent == ["ann", "bob", "short"]
    channels.close()


async def test_publishes_do_not_wait_behind_wheels(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wheel call is answered only when it has run."""

    async def answer(load: dict[str, Any]) -> Any:
        await (never if load["n"] == "wheel" else soon)(load)
        return load["n"]

    channels = channels_to(Master(answer), monkeypatch, size=1, seconds=1.0)
    wheels = [asyncio.ensure_future(channels.request({"n": "wheel"}, wheel=True)) for _ in range(2)]
    await asyncio.sleep(0)
    assert await channels.request({"n": 1}) == 1
    channels.close()
    assert all(isinstance(error, ApiError) for error in await asyncio.gather(*wheels, return_exceptions=True))


async def test_a_long_wheel_call_is_waited_for_while_the_master_answers_a_ping(monkeypatch: pytest.MonkeyPatch) -> None:
    """One ping for each worker, for Salt deals requests out in turn and some land behind the wheel."""
    pings = 0

    async def answer(load: dict[str, Any]) -> Any:
        nonlocal pings
        if load["cmd"] == "ping":
            pings += 1
            return load if pings == 3 else await never(load)
        await asyncio.sleep(0.5)
        return "done"

    channels = channels_to(Master(answer), monkeypatch)
    assert await channels.request({"cmd": "wheel"}, wheel=True) == "done"
    assert pings == 3
    channels.close()


async def test_a_wheel_call_ends_when_the_master_does_not_answer_a_ping(monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends after twice the time that an answer may take."""
    channels = channels_to(Master(never), monkeypatch)
    with pytest.raises(ApiError) as failed:
        await channels.request({"cmd": "wheel"}, wheel=True)
    assert failed.value.code == "master_unavailable"
    channels.close()


async def test_a_wheel_call_that_runs_for_too_long_is_a_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """It continues in the master; the client stops waiting."""

    async def answer(load: dict[str, Any]) -> Any:
        return load if load["cmd"] == "ping" else await never(load)

    channels = channels_to(Master(answer), monkeypatch)
    channels.wheel_seconds = 0.3
    with pytest.raises(ApiError) as failed:
        await channels.request({"cmd": "wheel"}, wheel=True)
    assert failed.value.code == "timeout"
    channels.close()


async def test_closing_answers_all_requests_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """This includes requests in the queue; later requests are refused."""
    master = Master(never)
    channels = channels_to(master, monkeypatch, size=1, seconds=600)
    asking = [asyncio.ensure_future(channels.request({"n": number})) for number in range(3)]
    await until(lambda: master.sent)
    channels.close()
    answers = await asyncio.wait_for(asyncio.gather(*asking, return_exceptions=True), LOOP_SECONDS)
    assert {getattr(answer, "code", None) for answer in answers} == {"master_unavailable"}
    with pytest.raises(ApiError):
        await channels.request({"n": 9})
