"""Commands on minions that end when the test says so, and not after a time."""

from __future__ import annotations

from pathlib import Path

MINION = "{{ grains.id }}"
"""As a name of :meth:`Gate.script`: each minion waits for its own id. The command needs ``template=jinja``."""
_ALL = "all"


class Gate:
    """A folder in which a file for each name lets the commands go on that wait for it.

    :param folder: does not exist yet
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder

    def script(self, then: str = "true", name: str = "go") -> str:
        """Return a shell command that waits until the name is opened, and then runs another one."""
        waits = f"[ -e {self.folder}/{name} ] || [ -e {self.folder}/{_ALL} ]"
        return f"until {waits}; do sleep 0.1; done; {then}"

    def open(self, *names: str) -> None:
        """Let the commands go on that wait for one of these names; without names, all."""
        for name in names or (_ALL,):
            (self.folder / name).touch()
