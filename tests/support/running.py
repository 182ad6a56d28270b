"""Wait until minions run a job: a signal to one that has not started it yet does nothing."""

from __future__ import annotations

from collections.abc import Collection

from tests.client import Client
from tests.support.waiting import SECONDS, wait_until


def wait_running(client: Client, jid: str, minions: Collection[str], timeout: float = SECONDS) -> None:
    """Wait until all these minions run the job. A master shows it as running as soon as it is published.

    :param client: may run ``saltutil.find_job``
    """

    def run() -> bool:
        asked = {"fun": "saltutil.find_job", "arg": [jid], "tgt": list(minions), "mode": "sync"}
        found = client.ask("cmd", patience=timeout, **asked)["minions"]
        return {name for name, part in found.items() if part["return"]} == set(minions)

    wait_until(run, f"the job on {', '.join(minions)}", timeout)
