"""The Salt master as a live, safe API on one port.

Configure it in the master config and restart the master once::

    engines:
      - websocket_api:
          port: 8000

Salt's loader registers this package in ``sys.modules`` only after running this file, so nothing may be
imported relatively at module level (`Salt engines <https://docs.saltproject.io/en/latest/topics/engines/>`_).
"""

from __future__ import annotations

from typing import Any

__version__ = "0.1.0"

__opts__: dict[str, Any]  # put here by Salt's loader


def __virtual__() -> bool | tuple[bool, str]:
    """Load on a master only; every other obstacle is found in ``start``, where it can be said and watched."""
    if __opts__.get("__role") != "master":
        return False, "the websocket_api engine runs on a master"
    return True


def start(**options: Any) -> None:
    """Serve until the master stops this process.

    :param options: the engine's entry in the master config; see ``schemas/settings.json``
    """
    from . import startup

    startup.run(options, __opts__, __version__)
