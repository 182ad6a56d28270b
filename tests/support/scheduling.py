"""Hand out test files so that few processes start a master: a process gets files that use the master it has."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from functools import cache
from pathlib import Path
from typing import Any

OWN = re.compile(r"\b(salt_factories|free_port|paired|Pair|clustered|tiered|formula\.host|Stage)\b")
"""What only files with masters of their own need."""
MAX_PROCESSES = 2  # that have the same shared master, as long as there are other files

Fits = Callable[[str | None], bool]


@cache
def master_of(file: Path) -> str | None:
    """Return which shared master a test file uses, or None."""
    if "browser" in file.parts:
        return "browser"
    if "integration" not in file.parts or {"formula", "systemd"} & set(file.parts) or not file.exists():
        return None
    return None if OWN.search(file.read_text(encoding="utf-8")) else "integration"


def choose(waiting: Mapping[str, str | None], mine: Collection[str | None], others: list[str | None]) -> str:
    """Return the file that a process gets next.

    :param waiting: files with the shared master of each, the longest first
    :param mine: the shared masters of this process
    :param others: those of the other processes
    """
    own: Fits = lambda master: master is not None and master in mine  # noqa: E731
    few: Fits = lambda master: master is None or others.count(master) < MAX_PROCESSES  # noqa: E731
    for fits in (own, few):
        for file, master in waiting.items():
            if fits(master):
                return file
    return next(iter(waiting))


def scheduler(config: Any, log: Any) -> Any:
    """Return a scheduler of pytest-xdist for ``--dist loadfile``."""
    from xdist.scheduler import LoadFileScheduling

    class ByMaster(LoadFileScheduling):  # type: ignore[misc]
        def _assign_work_unit(self, node: Any) -> None:
            waiting = {file: master_of(config.rootpath / file) for file in self.workqueue}
            masters = {
                one: {master_of(config.rootpath / file) for file in files} for one, files in self.assigned_work.items()
            }
            mine = masters.pop(node, set())
            others = [master for found in masters.values() for master in found]
            self.workqueue.move_to_end(choose(waiting, mine, others), last=False)
            super()._assign_work_unit(node)

    return ByMaster(config, log)
