"""Fire returns of minions on a master's bus, as its workers do."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable
from datetime import datetime, timezone
from typing import Any

import msgpack

AT_ONCE = 16  # in one write


def fire(path: str, jid: str, minions: Iterable[str], fun: str = "test.ping") -> None:
    """Fire minions' returns as fast as the bus accepts them.

    :param path: ``master_event_pull.ipc``
    """
    with socket.socket(socket.AF_UNIX) as pull:
        pull.connect(path)
        waiting = [framed(jid, minion, fun, True) for minion in minions]
        for start in range(0, len(waiting), AT_ONCE):
            pull.sendall(b"".join(waiting[start : start + AT_ONCE]))


def framed(jid: str, minion: str, fun: str, returned: Any, sender: str | None = None) -> bytes:
    """Return the event of one minion's return, in its frame.

    :param sender: the minion that sends it, if it is another one
    """
    data = {
        "cmd": "_return",
        "id": sender or minion,
        "success": True,
        "return": returned,
        "retcode": 0,
        "jid": jid,
        "fun": fun,
        "fun_args": [],
        "user": "demo",
    }
    return _event(f"salt/job/{jid}/ret/{minion}", data)


def announced(jid: str, minions: list[str], fun: str) -> bytes:
    """Return the event with which a master announces a job, in its frame."""
    load = {"jid": jid, "tgt": minions, "tgt_type": "list", "user": "demo", "fun": fun, "arg": []}
    return _event(f"salt/job/{jid}/new", {**load, "minions": minions, "missing": []})


def _event(tag: str, data: dict[str, Any]) -> bytes:
    stamped = {**data, "_stamp": datetime.now(timezone.utc).isoformat()}
    body = f"{tag}\n\n".encode() + msgpack.packb(stamped, use_bin_type=True)
    packed: bytes = msgpack.packb({"head": {}, "body": body}, use_bin_type=True)
    return struct.pack(">I", len(packed)) + packed
