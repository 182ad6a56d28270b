"""Keys of minions that do not run, in each state."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from tests.browser.conftest import FIRST
from tests.client import Client
from tests.integration.staging import Stage
from tests.support.waiting import wait_until

FOLDERS = {
    "accepted": "minions",
    "pending": "minions_pre",
    "rejected": "minions_rejected",
    "denied": "minions_denied",
}


@contextlib.contextmanager
def keys(stage: Stage, states: dict[str, str]) -> Iterator[None]:
    """Give the master keys until the engine knows them; delete them at the end, whatever state they have then.

    :param states: the state of the key by the id of its minion; each is a copy of the first minion's
    """
    pki = Path(stage.master.config["pki_dir"])
    for name, state in states.items():
        (pki / FOLDERS[state]).mkdir(exist_ok=True)
        shutil.copy(pki / "minions" / FIRST, pki / FOLDERS[state] / name)
    with stage.client() as client:
        try:
            _read_again(client, pki)
            wait_until(lambda: _known(client, states) == states, "the engine knowing the keys")
            yield
        finally:
            for folder in FOLDERS.values():
                for name in states:
                    (pki / folder / name).unlink(missing_ok=True)
            _read_again(client, pki)
            wait_until(lambda: not _known(client, states), "the engine knowing that the keys are deleted")


def _known(client: Client, states: dict[str, str]) -> dict[str, str]:
    found = client.ask("list_minions", minions=list(states), grains=False)
    return {one["id"]: one["key"] for one in found}


def _read_again(client: Client, pki: Path) -> None:
    """Let the engine read all keys, which it does at the event of a change of one."""
    other, folder = "a-key-that-is-deleted", pki / FOLDERS["rejected"]
    folder.mkdir(exist_ok=True)
    shutil.copy(pki / "minions" / FIRST, folder / other)
    client.ask("wheel", method="key.delete_dict", kwargs={"match": {folder.name: [other]}}, mode="sync")
