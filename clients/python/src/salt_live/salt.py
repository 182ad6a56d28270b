"""Salt's own names for scripts that were written for Salt: replace ``import salt.utils.event`` and the like by

from salt_live import salt

``salt_live.event`` describes the settings.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from salt_live import event
from salt_live.client import Client


def _local_client(*_arguments: Any, **_options: Any) -> Client:
    """Return a client for the settings in the environment. LocalClient's arguments name files of the master."""
    return event.from_environment()


utils = SimpleNamespace(event=event)
client = SimpleNamespace(LocalClient=_local_client)
