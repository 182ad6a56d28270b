"""Listening to a stream: server-sent events, or a websocket after its magic words.

Events that a server lost are common (saltnado does), and other things happen on a bus. So a stream is listened to,
and the bus stirred again, until one frame of each kind has come; the first of each kind is the answer's.
"""

from __future__ import annotations

import contextlib
import http.client
import queue
import socket
import threading
import time
from collections.abc import Callable, Mapping

import websocket

from tests.goldens.frames import EVENT_KINDS, FORMATTED_KINDS, kind_of
from tests.goldens.request import FORMATTED, SSE, Request
from tests.goldens.sending import PATIENCE, Answer, begin

READY = "websocket client ready"

# Seconds until the bus is stirred again, and until listening ends whatever has come.
STIR_EVERY = 3
LISTEN_FOR = 60


def listen(
    port: int, request: Request, values: Mapping[str, str], stir: Callable[[bool], None], seconds: float = LISTEN_FOR
) -> Answer:
    """Open the stream that the request asks for, and return the answer with the first frame of each kind.

    :param stir: puts on the bus what the frames are to tell; with True also a job that returns grains
    """
    if request.kind == SSE:
        return _listen_to_lines(port, request, values, stir, seconds)
    return _listen_to_websocket(port, request, values, stir, seconds)


def _collect(
    read: Callable[[], str],
    close: Callable[[], None],
    formatted: bool,
    stir: Callable[[bool], None],
    seconds: float,
) -> list[tuple[str, str]]:
    """Return the first frame of each kind. ``read`` blocks, and returns an empty text or raises after ``close``."""
    frames: queue.Queue[str] = queue.Queue()

    def pump() -> None:
        with contextlib.suppress(OSError, ValueError, http.client.HTTPException, websocket.WebSocketException):
            while text := read():
                frames.put(text)

    pumping = threading.Thread(target=pump, daemon=True)
    pumping.start()
    wanted = FORMATTED_KINDS if formatted else EVENT_KINDS
    found: dict[str, str] = {}
    end = time.monotonic() + seconds
    stirred = 0.0
    while time.monotonic() < end and not all(kind in found for kind in wanted):
        if time.monotonic() - stirred > STIR_EVERY:
            stir(formatted)
            stirred = time.monotonic()
        with contextlib.suppress(queue.Empty):
            text = frames.get(timeout=0.2)
            if kind := kind_of(text):
                found.setdefault(kind, text)
    close()
    pumping.join(timeout=PATIENCE)
    return [(kind, found[kind]) for kind in ("retry", *wanted) if kind in found]


def _listen_to_lines(
    port: int, request: Request, values: Mapping[str, str], stir: Callable[[bool], None], seconds: float
) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    connection.connect()
    line: socket.socket = connection.sock  # the connection forgets it when the server says that it will close
    try:
        begin(connection, request, values)
        response = connection.getresponse()
        answer = Answer(response.status, response.getheaders())
        if response.status != 200:
            answer.body = response.read()
            return answer
        line.settimeout(seconds)

        def block() -> str:
            text = response.readline().decode()
            # A retry line is taken for itself, though no blank line parts it from the first event.
            while text and not text.startswith("retry:") and not text.endswith("\n\n"):
                if not (more := response.readline().decode()):
                    return ""
                text += more
            return text

        answer.frames = _collect(block, lambda: line.shutdown(socket.SHUT_RDWR), False, stir, seconds)
        return answer
    except (TimeoutError, http.client.HTTPException, ConnectionError) as error:
        return Answer(None, fault="no answer" if isinstance(error, TimeoutError) else type(error).__name__)
    finally:
        connection.close()


def _listen_to_websocket(
    port: int, request: Request, values: Mapping[str, str], stir: Callable[[bool], None], seconds: float
) -> Answer:
    _, path, headers, _ = request.filled(values)
    own_origin = "Origin" not in headers
    try:
        # A program sends no Origin unless it wants to.
        client = websocket.create_connection(
            f"ws://127.0.0.1:{port}{path}", timeout=PATIENCE, header=headers, suppress_origin=own_origin or None
        )
    except websocket.WebSocketBadStatusException as refused:
        return Answer(refused.status_code, [*(refused.resp_headers or {}).items()], refused.resp_body or b"")
    except (websocket.WebSocketException, OSError) as error:
        return Answer(None, fault=type(error).__name__)
    client.settimeout(seconds)
    client.send(READY)
    # No close frame is waited for: not every server answers one.
    frames = _collect(
        client.recv, lambda: client.sock.shutdown(socket.SHUT_RDWR), request.kind == FORMATTED, stir, seconds
    )
    return Answer(101, [*(client.headers or {}).items()], frames=frames)
