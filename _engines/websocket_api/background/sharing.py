"""Shares events and minions with other masters, if that is configured."""

from __future__ import annotations

import asyncio
import contextlib

from ..wiring import Parts

HOLD_SECONDS = 5.0  # maximum delay until the bus is read, if the log has many events from before this start


def start_sharing(parts: Parts) -> None:
    """Begin to write and read the common log."""
    share, following, log_ = parts.share, parts.following, parts.master.event_log
    if share is None or following is None or log_ is None:
        return
    health = parts.services.health.register("redis")
    share_minions(parts)
    bus, loop = parts.master.bus, asyncio.get_running_loop()

    def go_on() -> None:
        following.start()
        bus.release()

    if share.is_behind:
        bus.hold()  # else clients get new events before older ones of this master
        loop.call_later(HOLD_SECONDS, go_on)

    def on_fault(fault: str | None) -> None:
        health.fault = fault
        if fault is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(go_on)

    log_.start(following.deliver, share.writer.begin, on_fault, following.note_end, go_on)


async def stop_sharing(parts: Parts, seconds: float) -> None:
    """Write the last events, and apply no more of the other masters.

    :param seconds: to wait at most
    """
    share, following, log_ = parts.share, parts.following, parts.master.event_log
    if share is None or following is None or log_ is None:
        return
    following.stop()
    share.writer.flush()
    await log_.stop(seconds)


def share_minions(parts: Parts) -> None:
    """List this master's minions for the others again."""
    if parts.notes is not None:
        parts.notes.minions.refresh()
