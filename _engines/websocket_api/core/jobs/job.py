"""One job object for everything that runs: published jobs, runners and wheels.

A :class:`Job` changes only by what the master itself put on the bus and by the engine's own actions. A minion can only
report the progress of its own part.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..events.encoding import footprint
from ..events.tags import interned
from ..timing import timestamp
from .call import retcode_of, success_of
from .part import ENDED, OUT_CHARACTERS, PART_BYTES, RETURNED, Part, state_of
from .short_targets import bytes_left_out

SIGNALS = {"term": "saltutil.term_job", "kill": "saltutil.kill_job"}
"""Functions that stop a job, by the name of the signal."""
JOB_BYTES = 1700  # of memory for a job, in addition to its parts and what was requested


@dataclass(slots=True)
class Job:
    """What is known of a job.

    ``arg`` is that of Salt's publish load: positional arguments, then keywords as ``{"__kwarg__": true, ...}``.
    """

    jid: str
    kind: str = "job"
    fun: str | None = None
    arg: list[Any] | None = None
    tgt: Any = None
    tgt_type: str | None = None
    user: str | None = None
    eauth: str | None = None
    """Set for jobs started here: the owner is the user of this eauth, not any user of that name."""
    master: str | None = None
    """The master that announced it, where there is more than one."""
    elsewhere: bool = False
    """Whether that master shares only its events: its minions are out of reach here."""
    reported_by: str | None = None
    """Set if only this minion's return tells what ran: it is believed for its own part only."""
    start_time: str | None = None
    end_time: str | None = None
    metadata: Any = None
    parts: dict[str, Part] = field(default_factory=dict)
    ended: bool = False
    certain: bool = True
    """False for a job of the job cache if minions may still run it."""
    restored: bool = False
    """Known from before this start: the job cache may have returns of it, and was not read yet."""
    value: Any = None
    success: bool | None = None
    """``value`` and ``success`` are those of a runner or wheel; a published job has them in its parts."""
    size: int = 0
    memory: int = JOB_BYTES
    """Bytes of memory that all of it takes, about: a few bytes of arguments can stand for many small values."""
    call_memory: int = 0
    """Bytes of these for what was asked for."""
    call_size: int = 0
    """Bytes of what was asked for as JSON: every message about the job has it."""
    call_size_cut: int = 0
    """How many of these a short target leaves out, about."""
    revision: int = field(default=0, repr=False, compare=False)
    """A new number after each change, unique among all jobs; 0 for a job that is not in the registry."""
    end_reported: bool = False
    """Whether its end was reported: a late return does not end it a second time."""
    gathering: bool = False
    """Whether masters below may still name minions; until then the job does not end."""
    gathered: bool = False
    """Whether these masters had their time: a job without minions ends too."""
    passing: frozenset[str] = frozenset()
    """Syndics among its minions: they pass the job on, and are not expected to return."""
    unnamed: dict[str, None] = field(default_factory=dict)
    """Minions in the target that no master has named yet."""
    _waiting: dict[str, None] = field(default_factory=dict, init=False, repr=False, compare=False)
    """Minions that have not ended; updated with each part, because a search at each return takes quadratic time."""
    _reporting: dict[str, None] = field(default_factory=dict, init=False, repr=False, compare=False)
    """Those of them that reported progress."""
    states: dict[str, int] = field(default_factory=dict, init=False, repr=False, compare=False)
    """The number of parts in each state that a part has, updated with each part too."""

    def __post_init__(self) -> None:
        """Find the minions that have not ended."""
        self._waiting = {minion: None for minion, part in self.parts.items() if part.state not in ENDED}
        self._reporting = {minion: None for minion in self._waiting if self.parts[minion].progress}
        self.states = dict(Counter(part.state for part in self.parts.values()))
        self.memory += sum(PART_BYTES + part.memory for part in self.parts.values())

    @property
    def cancels(self) -> str | None:
        """The id of the job that this one cancels, by the master's own record of it."""
        if self.fun not in SIGNALS.values() or self.reported_by is not None or not self.arg:
            return None
        return str(self.arg[0])

    @property
    def total(self) -> int:
        """Number of minions that should return."""
        return len(self.parts)

    def count(self, *states: str) -> int:
        """Return the number of parts in one of the states."""
        return sum(self.states.get(state, 0) for state in states)

    @property
    def running_progress(self) -> float:
        """The sum of the progress of all minions that have not ended, in percent of one."""
        return sum(self.parts[minion].progress for minion in self._reporting)

    @property
    def waiting(self) -> list[str]:
        """The minions that have not ended."""
        return list(self._waiting)

    @property
    def state(self) -> str:
        """running, complete, failed, partial, canceled or unknown."""
        if self.fun is None or not (self.ended or self.certain):
            return "unknown"
        if not self.ended:
            return "running"
        if self.kind != "job":
            return "complete" if self.success else "failed"
        return state_of({part.state for part in self.parts.values()})

    def expect(self, minions: Iterable[str], missing: Iterable[str] = (), now: float | None = None) -> None:
        """Add minions that should return, and those that were named but have no key.

        While masters below may still name minions, those without a key stay pending.

        :param now: the time, in case the job has ended by this
        """
        named = dict.fromkeys(map(interned, minions))
        self._add_parts([minion for minion in named if minion not in self.parts])
        if self.unnamed:
            self.unnamed = {minion: None for minion in self.unnamed if minion not in named}
        for minion in map(interned, missing):
            part = self._part(minion)
            if part.state == "pending" and self.gathering:
                self.unnamed[minion] = None
            elif part.state == "pending":
                self._set_state(minion, part, "missing")
        self._update_ended(now)

    def apply_return(
        self, minion: str, data: Mapping[str, Any], size: int, now: float, memory: int | None = None
    ) -> None:
        """Apply a minion's return, however late."""
        part = self._part(minion)
        memory = size if memory is None else memory
        self.memory += memory - part.memory
        part.memory = memory
        self.unnamed.pop(minion, None)
        self.size += size - part.size
        part.retcode, success = retcode_of(data.get("retcode")), success_of(data.get("success"))
        # A syndic's or a custom return may have neither; Salt's own clients then count it as a success.
        part.success = not part.retcode if success is None else success
        self._set_state(minion, part, "returned" if part.success and not part.retcode else "failed")
        part.value, part.size, part.progress = data.get("return"), size, 100.0
        part.out = out if isinstance(out := data.get("out"), str) and len(out) <= OUT_CHARACTERS else None
        self._update_ended(now)

    def end_gathering(self, now: float) -> list[str]:
        """Expect no further minions; return those that no master has named, which are missing now."""
        self.gathering, self.gathered = False, True
        silent, self.unnamed = list(self.unnamed), {}
        return self.give_up(silent, "missing", now)

    def leave_out(self, minions: Iterable[str]) -> None:
        """Expect nothing from these minions."""
        for minion in minions:
            part = self.parts.get(minion)
            if part is not None and part.state not in RETURNED:
                del self.parts[minion]
                self._count(part.state, -1)
                self._note(minion, part, ended=True)
                self.memory -= PART_BYTES + part.memory

    def inherit(self, known: Job) -> None:
        """Take over what an earlier process knew of the job: the job cache does not have the ``eauth`` of its owner."""
        for name in ("kind", "fun", "arg", "tgt", "tgt_type", "user", "eauth", "reported_by", "master", "elsewhere"):
            setattr(self, name, getattr(known, name))
        if self.metadata is None:
            self.metadata = known.metadata
        self.expect(known.parts)
        # At a reload nothing was missed: a minion that has not returned still runs the job.
        self.certain = known.certain or (self.certain and not self.waiting)

    def restore(self, minion: str, part: Part, now: float) -> None:
        """Set a minion's part from the job cache."""
        self.set_part(minion, part)
        self._update_ended(now)

    def weigh_call(self, encoded: bytes) -> None:
        """Note what was asked for as JSON, to know how much memory it takes."""
        memory = footprint(encoded)
        self.memory += memory - self.call_memory
        self.call_memory, self.call_size = memory, len(encoded)
        self.call_size_cut = min(len(encoded), bytes_left_out(self.tgt))

    def set_part(self, minion: str, part: Part) -> None:
        """Set a minion's part without an update of ``ended``."""
        before = self.parts.get(minion)
        self.memory += part.memory - (-PART_BYTES if before is None else before.memory)
        self.size += part.size - (0 if before is None else before.size)
        self.parts[minion] = part
        if before is not None:
            self._count(before.state, -1)
        self._count(part.state, 1)
        self._note(minion, part, ended=part.state in ENDED)

    def apply_progress(self, minion: str, percent: float, message: str | None) -> bool:
        """Apply a progress report of a minion that has not ended; progress never decreases.

        :return: whether the minion belongs to the job and has not ended
        """
        part = self.parts.get(minion)
        if part is None or part.state in ENDED:
            return False
        self.certain = True
        self.unnamed.pop(minion, None)
        part.progress = max(part.progress, min(100.0, max(0.0, percent)))
        self._set_state(minion, part, "running")
        if message is not None:
            part.message = message
        return True

    def give_up(self, minions: Iterable[str], state: str, now: float) -> list[str]:
        """End the parts of minions that will not return.

        :param state: ``missing`` or ``canceled``
        :return: the minions whose part ended by this
        """
        changed = [minion for minion in dict.fromkeys(minions) if minion in self._waiting]
        for minion in changed:
            self._set_state(minion, self.parts[minion], state)
        self._update_ended(now)
        return changed

    def finish(self, value: Any, success: bool, size: int, now: float) -> None:
        """End a runner or wheel."""
        self.value, self.success = value, success
        self.size += size
        self.ended = True
        self.end_time = timestamp(now)

    def _set_state(self, minion: str, part: Part, state: str) -> None:
        self._count(part.state, -1)
        self._count(state, 1)
        part.state = state
        self._note(minion, part, ended=state in ENDED)

    def _count(self, state: str, more: int) -> None:
        number = self.states.get(state, 0) + more
        if number:
            self.states[state] = number
        else:
            self.states.pop(state, None)

    def _note(self, minion: str, part: Part, *, ended: bool) -> None:
        """Note whether a minion has ended, and whether it reported progress before that."""
        if ended:
            self._waiting.pop(minion, None)
            self._reporting.pop(minion, None)
            if not self._waiting:
                self._waiting = {}  # an emptied dict keeps its table
        else:
            self._waiting[minion] = None
            if part.progress:
                self._reporting[minion] = None

    def _add_parts(self, minions: Collection[str]) -> None:
        """Add parts of new minions: there are thousands in an announcement."""
        if minions:
            self.parts.update({minion: Part() for minion in minions})
            self._waiting.update(dict.fromkeys(minions))
            self._count("pending", len(minions))
            self.memory += PART_BYTES * len(minions)

    def _part(self, minion: str) -> Part:
        part = self.parts.get(minion)
        if part is None:
            part = Part()
            self.set_part(minion, part)
        return part

    def _update_ended(self, now: float | None = None) -> None:
        # A return can come before the job's announcement, which names the other minions.
        if self.kind != "job" or self.fun is None or self.gathering or not (self.parts or self.gathered):
            return
        self.ended = not self._waiting
        if not self.ended:
            self.end_time = None
        elif now is not None and self.end_time is None:
            self.end_time = timestamp(now)
