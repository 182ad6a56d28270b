"""Entries of the history and descriptions of jobs as bytes, for the journal. Bodies of events stay as they are.

An entry is one line: a JSON list, and for an event a tab and its body. JSON has neither tabs nor line breaks in it.
What decides who may see an event is stored and not derived from the body again: a body is not the data that was read.
"""

from __future__ import annotations

from typing import Any

from ..events.encoding import decode, encode
from ..events.event import Event
from ..events.history import BUS, HISTORY, RESTART, Gap
from ..events.origins import Origin
from ..events.tags import Kind, Topic, interned
from ..jobs.job import Job

_GAP = "gap"
_JOB_FIELDS = ("jid", "kind", "fun", "arg", "tgt", "tgt_type", "user", "eauth", "reported_by", "start_time", "metadata")
_MASTER_FIELDS = ("master", "elsewhere")
"""Fields of jobs that have more than one master."""


def encode_entry(entry: Event | Gap) -> bytes:
    """Return an entry as a line, without its line break."""
    if isinstance(entry, Gap):
        return encode([_GAP, entry.first, entry.seq, entry.time, entry.since, entry.reason, entry.origin])
    about, minions = entry.topic, entry.minions
    head = encode(
        [
            entry.seq,
            entry.time,
            entry.stamp,
            entry.tag,
            about.kind.name,
            about.jid,
            about.minion,
            about.action,
            about.believed,
            entry.fun,
            entry.has_return,
            entry.master,
            None if minions == (about.minion,) else minions,
            entry.origin,
        ]
    )
    return b"%b\t%b" % (head, entry.body)


def decode_entry(line: bytes) -> Event | Gap:
    """Return the entry of a line.

    :raises ValueError: it is not such a line
    """
    head, _, body = line.partition(b"\t")
    values = decode(head)
    try:
        if values[0] == _GAP:
            return _gap(*values[1:])
        return _event(body, *values)
    except (TypeError, KeyError, IndexError) as error:
        raise ValueError(f"an entry is not understood: {error}") from None


def _gap(first: int, seq: int, time: float, since: float | None, reason: str, origin: list[Any] | None = None) -> Gap:
    if not first <= seq or reason not in (BUS, RESTART, HISTORY):
        raise ValueError("a gap is not understood")
    return Gap(seq, time, reason, first, since, None if origin is None else Origin(*origin))


def _event(
    body: bytes,
    seq: int,
    time: float,
    stamp: str,
    tag: str,
    kind: str,
    jid: str | None,
    minion: str | None,
    action: str,
    believed: bool,
    fun: str | None,
    has_return: bool,
    master: str | None,
    minions: list[str] | None,
    origin: list[Any] | None = None,
) -> Event:
    if not body.startswith(b'"seq":%d,' % seq):
        raise ValueError("an event has another number")
    return Event(
        seq=seq,
        tag=tag,
        topic=Topic(Kind[kind], jid and interned(jid), minion and interned(minion), interned(action), believed),
        fun=fun and interned(fun),
        minions=(interned(minion),) if minions is None else tuple(map(interned, minions)),
        has_return=has_return,
        time=time,
        stamp=stamp,
        body=body,
        master=master,
        origin=None if origin is None else Origin(*origin),
    )


JobMark = tuple[Any, ...]
"""What of a job decides who may see it. It is written again when this has changed."""


def mark_of(job: Job) -> JobMark:
    """Return the mark of a job: quick, because it is asked for at each change. Arguments become known once."""
    return job.kind, job.fun, job.arg is None, job.call_size, job.user, job.eauth, job.reported_by, len(job.parts)


def encode_job(job: Job) -> bytes | None:
    """Return what is known of a job but for what minions returned; None if it cannot be read back as it is.

    Bytes among the arguments become text, for example. Permissions for arguments could match them then.
    """
    values = {name: getattr(job, name) for name in _JOB_FIELDS}
    if job.master is not None:
        values.update((name, getattr(job, name)) for name in _MASTER_FIELDS)
    encoded = encode({**values, "minions": list(job.parts)})
    return encoded if decode(encoded)["arg"] == job.arg else None


def decode_job(record: bytes) -> Job:
    """Return the job of a record. Its minions may have returned since.

    :raises ValueError: it is not such a record
    """
    values: dict[str, Any] = decode(record)
    try:
        known = {name: values[name] for name in _JOB_FIELDS}
        known.update((name, values[name]) for name in _MASTER_FIELDS if name in values)
        job = Job(**known, certain=False, restored=True)
        job.weigh_call(encode([job.arg, job.tgt, job.metadata]))
        job.expect(values["minions"])
    except (TypeError, KeyError) as error:
        raise ValueError(f"a job is not understood: {error}") from None
    return job
