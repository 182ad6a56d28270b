"""Where the master's publisher listens."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from .salt_compat import SALT_LINE


def bus_address(opts: Mapping[str, Any], side: str) -> str | tuple[str, int]:
    """Return the path of a unix socket, or host and port with ``ipc_mode: tcp``.

    :param side: ``pub``, where events are read, or ``pull``, where they are fired
    """
    if opts.get("ipc_mode") != "tcp":
        return os.path.join(opts["sock_dir"], f"master_event_{side}.ipc")
    host = "::1" if SALT_LINE >= 3008 and opts.get("ipv6") else "127.0.0.1"
    return host, int(opts[f"tcp_master_{side}_port"])
