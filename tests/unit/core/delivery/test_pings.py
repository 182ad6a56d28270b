"""All connections are pinged, and those that do not answer are ended."""

from __future__ import annotations

import pytest
from websocket_api.core.delivery.pings import Pings

from tests.unit.core.support import Time

PING_SECONDS, PONG_SECONDS = 25.0, 10.0


class Peer:
    """A connection whose peer may answer."""

    def __init__(self, time: Time, *, answers: bool = True) -> None:
        self._time = time
        self._began = time()
        self._answers = answers
        self.awaits_pong = False
        self.pinged: list[float] = []
        self.ended: list[float] = []

    def ping(self) -> None:
        self.pinged.append(self._time() - self._began)
        self.awaits_pong = not self._answers

    def end_unanswered(self) -> None:
        self.ended.append(self._time() - self._began)


def pings(time: Time, ping_seconds: float = PING_SECONDS, pong_seconds: float = PONG_SECONDS) -> Pings:
    return Pings(ping_seconds, pong_seconds, time.later, time)


def test_a_connection_that_answers_is_pinged_again_and_again() -> None:
    """From the time when it was added."""
    time = Time()
    all_, peer = pings(time), Peer(time)
    all_.add(peer)
    time.pass_(80)
    assert (peer.pinged, peer.ended) == ([25.0, 50.0, 75.0], [])


@pytest.mark.parametrize(("pong_seconds", "ended"), [(10.0, 35.0), (25.0, 50.0), (60.0, 50.0)])
def test_a_connection_that_does_not_answer_is_ended_once(pong_seconds: float, ended: float) -> None:
    """After ``pong_seconds``, and at the latest when its next ping is due."""
    time = Time()
    all_, peer = pings(time, pong_seconds=pong_seconds), Peer(time, answers=False)
    all_.add(peer)
    time.pass_(200)
    assert (peer.pinged, peer.ended, len(all_)) == ([25.0], [ended], 0)


def test_a_late_answer_counts() -> None:
    """If it comes before the time is up."""
    time = Time()
    all_, peer = pings(time), Peer(time, answers=False)
    all_.add(peer)
    time.pass_(PING_SECONDS + PONG_SECONDS - 1)
    peer.awaits_pong = False
    time.pass_(PING_SECONDS - PONG_SECONDS)
    assert (peer.pinged, peer.ended) == ([25.0], [])


def test_a_removed_connection_is_left_alone() -> None:
    """Also one that has not answered."""
    time = Time()
    all_, quiet, waiting = pings(time), Peer(time), Peer(time, answers=False)
    all_.add(quiet)
    all_.add(waiting)
    all_.remove(quiet)
    time.pass_(PING_SECONDS)
    all_.remove(waiting)
    all_.remove(waiting)
    time.pass_(100)
    assert (quiet.pinged, waiting.pinged, waiting.ended, len(all_)) == ([], [25.0], [], 0)
