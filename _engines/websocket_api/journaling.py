"""Opens the journal at the start of a process, and gives it to the parts."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .core.events.history import Restored
from .core.journal.journal import JournalFile as Writer
from .core.journal.restore import Continued, restore, start, take_over
from .salt_master.journal_database import JournalError
from .salt_master.journal_file import JournalFile, journal_path
from .settings import History
from .wiring import Parts

LOCK_SECONDS = 5.0
"""Seconds to wait for an earlier process of the same master to end."""


@dataclass(frozen=True)
class Opened:
    """An open journal, or the reason why there is none."""

    file: Writer | None = None
    continued: Continued | None = None
    failure: str | None = None

    @property
    def restored(self) -> Restored | None:
        """What the history continues."""
        return None if self.continued is None else self.continued.history

    def begin(self, parts: Parts) -> None:
        """Write the history of these parts to the journal."""
        journal = parts.services.journal
        if journal is None:
            return
        if self.file is not None and self.continued is not None:
            journal.begin(self.file, self.continued)
        else:
            journal.fail(self.failure or "it was not opened")


def open_journal(
    opts: Mapping[str, Any], limits: History, now: float, epoch: str | None = None, seq: int = 0
) -> Opened:
    """Open the journal of this master; blocks. Without ``history.store: disk`` delete the one of an earlier start.

    A process that got the history from the last one names its position: then the file only continues it, once the last
    process has closed it.

    :param now: seconds since the epoch
    :param epoch: of the history that this process has already; None to continue what the file has
    :param seq: the newest number of that history
    """
    file = JournalFile(journal_path(opts))
    if limits.store != "disk":
        file.remove()
        return Opened()
    try:
        return Opened(file, _continued(file, limits, now, epoch, seq))
    except JournalError as error:
        return Opened(failure=str(error))


def _continued(file: JournalFile, limits: History, now: float, epoch: str | None, seq: int) -> Continued:
    kept = file.open(wait=LOCK_SECONDS, since=now - limits.seconds)
    found: Continued | None = None
    if kept is not None:
        try:
            found = restore(kept, now) if epoch is None else take_over(kept, epoch, seq)
            reason = "it has another numbering"
        except (ValueError, TypeError) as error:
            reason = f"it is damaged ({error})"
        if found is None:
            file.drop(reason)
    if found is None:
        found = start(epoch or uuid.uuid4().hex[:12])
        file.create(found.history.epoch, now)
    return found
