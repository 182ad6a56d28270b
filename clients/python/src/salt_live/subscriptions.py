"""Subscriptions over many connections, without I/O: which stream has which number, and when each is requested again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from salt_live.error_codes import BadMessage
from salt_live.errors import ApiError, ConnectionFailed
from salt_live.features import OPTIONAL
from salt_live.replies import error_of, login_ended
from salt_live.streams import EventStream, Stream

Handler = Callable[[Any, "ApiError | None"], None]
Ask = Callable[[dict[str, Any], Handler], None]


class Subscriptions:
    """The streams of a client.

    :param ask: sends a request of the session itself, and calls the handler with its reply
    """

    def __init__(self, ask: Ask) -> None:
        self.epoch: str | None = None
        self._ask = ask
        self._streams: list[Stream] = []
        self._by_number: dict[int, Stream] = {}
        self._changed: dict[Stream, None] = {}
        self._retries: list[Stream] = []

    @property
    def confirmed(self) -> int:
        """How many the engine has confirmed on this connection."""
        return len(self._by_number)

    def take_changed(self) -> list[Stream]:
        """Return the streams with something to read."""
        changed, self._changed = list(self._changed), {}
        return changed

    def take_retries(self) -> list[Stream]:
        """Return the streams that were refused for now."""
        retries, self._retries = self._retries, []
        return retries

    def add(self, stream: Stream) -> None:
        """Keep a stream from now on."""
        self._streams.append(stream)

    def remove(self, stream: Stream) -> None:
        """End a subscription."""
        if stream in self._streams:
            self._streams.remove(stream)
        self._unsubscribe(stream)

    def request(self, stream: Stream) -> None:
        """Subscribe a stream that has no number."""
        if stream.requested or stream not in self._streams:
            return
        if isinstance(stream, EventStream):
            stream.paused = False
        stream.requested = True
        self._ask({"type": "subscribe", **stream.message}, lambda result, error: self._answer(stream, result, error))

    def request_all(self, same_address: bool) -> None:
        """Subscribe all streams on a new connection; those that resume, after the engine has named its run."""
        resumed = [stream for stream in self._streams if isinstance(stream, EventStream) and stream.position]
        for stream in self._streams:
            if stream not in resumed:
                self.request(stream)
        if resumed:
            self._ask({"type": "ping"}, lambda result, _error: self._resume(result, same_address))

    def apply(self, frame: dict[str, Any], size: int) -> None:
        """Pass a frame of this many bytes to its stream."""
        stream = self._by_number.get(frame["subscription"])
        if stream is None:
            return
        if frame["type"] == "ended":
            error = error_of(frame["error"])
            stream.lost()
            if not login_ended(error):  # with the login it ends only until the next one
                self._end(stream, error)
            return
        stream.apply(frame, size)
        self._changed[stream] = None
        if stream.full and isinstance(stream, EventStream):
            stream.paused = True
            stream.pauses += 1
            self._unsubscribe(stream)

    def lost(self) -> None:
        """Apply the loss of the connection."""
        self._by_number.clear()
        for stream in self._streams:
            stream.lost()

    def refuse(self, failure: ConnectionFailed) -> None:
        """End all streams with a failure."""
        for stream in self._streams:
            stream.end(failure)
            self._changed[stream] = None
        self._streams.clear()

    def _resume(self, ping: dict[str, Any] | None, same_address: bool) -> None:
        for stream in list(self._streams):
            if ping is not None and not stream.requested:
                stream.rebase(ping["epoch"], same_address)
                self._changed[stream] = None
            if not (isinstance(stream, EventStream) and stream.paused):
                self.request(stream)

    def _answer(self, stream: Stream, result: Any, error: ApiError | None) -> None:
        if isinstance(error, BadMessage) and stream.place is not None:
            stream.place, stream.requested = None, False  # an older engine, which cannot resume
            self.request(stream)
            return
        if isinstance(error, BadMessage) and (unknown := OPTIONAL & stream.fields.keys()):
            stream.fields = {name: value for name, value in stream.fields.items() if name not in unknown}
            stream.requested = False
            self.request(stream)
            return
        if error is not None:
            stream.requested = False
            if error.retryable:
                self._retries.append(stream)
            elif not login_ended(error):
                self._end(stream, error)
            return
        self.epoch = result["epoch"]
        if stream not in self._streams:
            self._ask({"type": "unsubscribe", "subscription": result["subscription"]}, lambda _result, _error: None)
            return
        self._by_number[result["subscription"]] = stream
        stream.subscribed(result)
        self._changed[stream] = None

    def _unsubscribe(self, stream: Stream) -> None:
        if stream.number is not None and self._by_number.pop(stream.number, None) is not None:
            self._ask({"type": "unsubscribe", "subscription": stream.number}, lambda _result, _error: None)
        stream.number, stream.requested = None, False

    def _end(self, stream: Stream, error: ApiError) -> None:
        stream.end(error)
        if stream in self._streams:
            self._streams.remove(stream)
        self._changed[stream] = None
