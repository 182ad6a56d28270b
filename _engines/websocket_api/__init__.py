"""A live, safe API for the Salt master, on one port.

Configure the engine in the master's configuration, then restart the master once::

    engines:
      - websocket_api:
          port: 8000

Salt's loader adds this package to ``sys.modules`` only after it has run this file. So this file must not use relative
imports at module level (`Salt engines <https://docs.saltproject.io/en/latest/topics/engines/>`_).
"""

from __future__ import annotations

from typing import Any

__version__ = "0.1.0"

__opts__: dict[str, Any]  # set by Salt's loader


def __virtual__() -> bool | tuple[bool, str]:
    """Load on a master only. ``start`` checks everything else: it can log the cause and try again."""
    if __opts__.get("__role") != "master":
        return False, "the websocket_api engine runs on a master"
    return True


def start(**options: Any) -> None:
    """Supervise serving processes until the master stops this process. Each of them returns from here at its end.

    :param options: the engine's entry in the master's configuration; see ``schemas/settings.json``
    """
    from .supervisor.control import socket_path
    from .supervisor.supervisor import Supervisor

    serving = Supervisor(socket_path(__opts__["sock_dir"], options)).run()
    if serving is not None:
        from . import startup  # only in a serving process: it loads the code that is on disk now

        startup.run(options, __opts__, serving)
