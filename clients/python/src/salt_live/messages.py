"""The messages of the engine: requests, results, frames and the objects in them.

Made by `make docs` from schemas/ and the engine's tables of errors: change those.
"""

from __future__ import annotations

import sys
from typing import Any, Literal, TypedDict

if sys.version_info >= (3, 11):
    from typing import NotRequired, TypeAlias
else:
    from typing_extensions import NotRequired, TypeAlias

# Your own number or name for this request, repeated in its reply: an integer below 2^53 or a string of at most 64
# characters. It must differ from those of your other requests still in flight on this connection. Without it the
# reply is the bare result.
Id: TypeAlias = "int | str"

# A Salt token, from `auth` or from Salt itself, for this message only. By default the token of the connection's last
# `auth`.
Token: TypeAlias = "str"

# The trace context of your program, as in the HTTP header `traceparent` of W3C Trace Context. If the master traces
# (Salt 3008), the request and its job belong to this trace. An invalid one is ignored.
Traceparent: TypeAlias = "str"

# The name of one numbering of events: that of one run of the engine, or of several, after a reload or with a journal.
# Sequence numbers are only valid within one epoch.
Epoch: TypeAlias = "str"

# A position in the engine's history of events. The first event of an epoch has number 1, and each later event has the
# next number.
Seq: TypeAlias = "int"


class Position(TypedDict):
    """A position in the numbering of one master."""

    epoch: Epoch
    # A number in this epoch. In `since` it is that of the last event that you have: the events after it are sent. 0
    # is the position before the first event of the epoch.
    seq: int


class SnapshotPosition(TypedDict):
    """A position in the changes of jobs, minions or batches. Send it back as it is, as `since` of the same
    subscription.
    """

    # The name of one numbering of changes, other than that of events.
    epoch: str
    # The number of the newest change that you have.
    seq: int
    # A digest of what shapes the snapshot: its kind, your filters and your permissions.
    view: str

# A position at each master, by the master's id, where masters share a stream.
Positions: TypeAlias = "dict[str, Position]"

# Your last position, from a frame or a reply: `{"epoch", "seq"}` at this server, or such a position at each master
# that shares a stream with it, by the master's id. Events after it that are still in the history are sent first. A
# position of jobs, minions or batches also has `view`.
Since: TypeAlias = "dict[str, Any]"

# A job id: 20 digits, followed by `_` and a process id if the master's option `unique_jid` is set.
Jid: TypeAlias = "str"

# A job id, or a list of at most 64.
Jids: TypeAlias = "str | list[Jid]"

# The full name of a function, such as `test.ping`.
Fun: TypeAlias = "str"

# Positional arguments of the function, in order; each may be any value.
Arg: TypeAlias = "list[Any]"

# Keyword arguments of the function, by name, with any values.
Kwarg: TypeAlias = "dict[str, Any]"

# `async` replies as soon as the job has started. `sync` replies when it has ended, or after `timeout` seconds.
Mode: TypeAlias = 'Literal["async", "sync"]'

# Seconds that a `sync` request waits for the end of its job. It has no effect on `async` requests.
Timeout: TypeAlias = "float"

# Seconds to wait for the minion's answer. After that the error is `timeout`.
AnswerTimeout: TypeAlias = "float"

# Your own data about the job, such as a ticket number. It is stored in the job object and in Salt's job cache. All
# users who may see the job can see it.
Metadata: TypeAlias = "dict[str, Any]"

# The id of a minion.
MinionId: TypeAlias = "str"

# The id of a master, or a list of at most 64.
MasterIds: TypeAlias = "str | list[str]"

# A list of minion ids.
MinionIds: TypeAlias = "list[MinionId]"

# The grains of each minion: `true` for all (several KiB per minion), `false` for none, or a list of at most 64 names;
# grains that a minion does not have are missing. Only top-level names are possible: `os`, not `dns:nameservers`.
GrainsWanted: TypeAlias = "bool | list[str]"

# The target: an expression of the type in `tgt_type`, or a list of minion ids. A list of type `compound` has the
# words of the expression. An expression may have at most 32 patterns of 512 characters (a regular expression: 256).
# Use a list for more minions.
Tgt: TypeAlias = "str | list[str]"

# The type of the target, with Salt's names. A target that is a list has the type `list`, which is then the default,
# or `compound`; other types are refused. A string of type `list` has ids separated by commas.
TgtType: TypeAlias = 'Literal["glob", "pcre", "list", "grain", "grain_pcre", "pillar", "pillar_pcre", "pillar_exact", "nodegroup", "range", "compound", "ipcidr"]'

# The delimiter between levels of a grain or pillar in the target; Salt's default is a colon. Each word of a compound
# target can set its own (`G|@os|Debian`).
Delimiter: TypeAlias = "str"

# The tag of an event, such as `salt/job/20141103073312975821/new`.
Tag: TypeAlias = "str"

# The wanted tags, matched according to `match_type`. One string, or a list of at most 64 of which one must match. By
# default every event matches; so does the empty string, except with `fnmatch`.
Tags: TypeAlias = "str | list[str]"

# How `tag` is compared, as in Salt: with the tag's start, its end, any part of it, a shell pattern, or a regular
# expression found anywhere in it. Regular expressions have the syntax of RE2: no look-around, no backreferences;
# `\d`, `\w`, `\s` and `\b` only know ASCII; `$` and `\z` are the very end of the tag, and `\Z` is invalid. An
# expression has at most 256 characters. All expressions of one filter have at most 2,000 instructions; repetitions
# multiply them. They never match a tag of more than 512 bytes. A server without the package `google-re2` refuses
# them. All shell patterns of one filter have at most 4,096 characters and 512 wildcards together.
MatchType: TypeAlias = 'Literal["startswith", "endswith", "find", "fnmatch", "regex"]'

# Full names of functions, in which `*`, `?` and `[...]` match as in a shell: one string, or a list of at most 64 of
# which one must match.
FunctionGlobs: TypeAlias = "str | list[str]"

# The number of a subscription, counted from 1 on each connection.
Subscription: TypeAlias = "int"

# A time in seconds since 1970-01-01 UTC.
UnixTime: TypeAlias = "float"

# A time as ISO 8601 in UTC, such as `2014-11-03T07:33:12.975821+00:00`; null if unknown.
IsoTime: TypeAlias = "str | None"

# The user's permissions as Salt's `external_auth` grants them: names or patterns of functions, objects of a target
# and its functions, and entries such as `@runner`.
Perms: TypeAlias = "list[Any]"

# `running`; `complete`: every minion returned and none failed; `failed`: every minion returned and at least one
# failed; `partial`: it ended without some minions; `canceled`; `unknown`: neither the bus nor the job cache has the
# state.
JobState: TypeAlias = 'Literal["running", "complete", "failed", "partial", "canceled", "unknown"]'

# `job` runs on minions, `runner` and `wheel` on the master.
JobKind: TypeAlias = 'Literal["job", "runner", "wheel"]'

# How much is done, from 0 to 100.
Percent: TypeAlias = "float"

JobMinion = TypedDict(
    "JobMinion",
    {
        # `pending`: no report yet; `running`: it reports progress, or that it runs the job; `returned`: it returned
        # with success; `failed`: it returned without success; `missing`: it ended without a return; `canceled`.
        "state": 'Literal["pending", "running", "returned", "failed", "missing", "canceled"]',
        # The return of the function on this minion; null before it returns. Omitted in a subscription with
        # `without_return`.
        "return": "NotRequired[Any]",
        # The return code; 0 is success, null if unknown.
        "retcode": "int | None",
        # Whether the function succeeded; null if unknown.
        "success": "bool | None",
        # The name of the Salt outputter that the minion sends with its return, such as `highstate`; omitted if it
        # sends none.
        "out": "NotRequired[str]",
        # The progress of this minion, from 0 to 100, as the minion reports it; 100 when it has returned.
        "progress": "Percent",
        # The minion's last message about its progress; null without a message.
        "message": "str | None",
    },
)
"""One minion's part of a job."""

JobFields = TypedDict(
    "JobFields",
    {
        "kind": "JobKind",
        "jid": "Jid",
        # The id of the master that announced it, where there is more than one.
        "master": "NotRequired[str]",
        # The function's full name; null if unknown. For a compound command, which Salt's own clients can send, all
        # functions separated by commas; `arg` is then a list for each.
        "fun": "str | None",
        # The arguments in Salt's form: positional ones, then keyword arguments, if any, in an object with `__kwarg__:
        # true`. Null if unknown, and if you may see only some of the job's minions.
        "arg": "list[Any] | None",
        # The target as it was sent. Null if unknown, for jobs that run on the master, and if you may see only some of
        # the job's minions.
        "tgt": "str | list[Any] | None",
        # Only if `tgt` was cut because it is long, in the result of `list_jobs` and in frames of a subscription with
        # `short_targets`: how many names the whole target has, or how many characters if it is text.
        "tgt_length": "NotRequired[int]",
        # The type of the target, such as `glob`; null if unknown and for jobs that run on the master.
        "tgt_type": "str | None",
        # The user who started the job, under Salt's name; null if unknown.
        "user": "str | None",
        # When the job started, as ISO 8601 in UTC; null if unknown.
        "start_time": "IsoTime",
        # When the job ended, as ISO 8601 in UTC; null while it runs and if unknown.
        "end_time": "IsoTime",
        # The `metadata` that the job was started with; null without metadata.
        "metadata": "Any",
        "state": "JobState",
        # How many minions the job has, of those that you may see; 0 for a job that runs on the master.
        "total": "int",
        # How many of them have returned, or ended without a return.
        "done": "int",
        # How many of them have returned without success.
        "failed": "int",
        # How many of them have ended without a return, other than those that were canceled.
        "missing": "int",
        # How many of them were canceled before they returned.
        "canceled": "int",
        # The progress of the whole job, from 0 to 100. It increases with returns and with reports of minions.
        "progress": "Percent",
        # Only of a runner or wheel: its return; null before it returns.
        "return": "NotRequired[Any]",
        # Only of a runner or wheel: whether it succeeded; null while unknown.
        "success": "NotRequired[bool | None]",
    },
)
"""The fields of a job object without its minions."""

JobSummary = TypedDict(
    "JobSummary",
    {
        "kind": "JobKind",
        "jid": "Jid",
        # The id of the master that announced it, where there is more than one.
        "master": "NotRequired[str]",
        # The function's full name; null if unknown. For a compound command, which Salt's own clients can send, all
        # functions separated by commas; `arg` is then a list for each.
        "fun": "str | None",
        # The arguments in Salt's form: positional ones, then keyword arguments, if any, in an object with `__kwarg__:
        # true`. Null if unknown, and if you may see only some of the job's minions.
        "arg": "list[Any] | None",
        # The target as it was sent. Null if unknown, for jobs that run on the master, and if you may see only some of
        # the job's minions.
        "tgt": "str | list[Any] | None",
        # Only if `tgt` was cut because it is long, in the result of `list_jobs` and in frames of a subscription with
        # `short_targets`: how many names the whole target has, or how many characters if it is text.
        "tgt_length": "NotRequired[int]",
        # The type of the target, such as `glob`; null if unknown and for jobs that run on the master.
        "tgt_type": "str | None",
        # The user who started the job, under Salt's name; null if unknown.
        "user": "str | None",
        # When the job started, as ISO 8601 in UTC; null if unknown.
        "start_time": "IsoTime",
        # When the job ended, as ISO 8601 in UTC; null while it runs and if unknown.
        "end_time": "IsoTime",
        # The `metadata` that the job was started with; null without metadata.
        "metadata": "Any",
        "state": "JobState",
        # How many minions the job has, of those that you may see; 0 for a job that runs on the master.
        "total": "int",
        # How many of them have returned, or ended without a return.
        "done": "int",
        # How many of them have returned without success.
        "failed": "int",
        # How many of them have ended without a return, other than those that were canceled.
        "missing": "int",
        # How many of them were canceled before they returned.
        "canceled": "int",
        # The progress of the whole job, from 0 to 100. It increases with returns and with reports of minions.
        "progress": "Percent",
        # Only of a runner or wheel: its return; null before it returns.
        "return": "NotRequired[Any]",
        # Only of a runner or wheel: whether it succeeded; null while unknown.
        "success": "NotRequired[bool | None]",
    },
)
"""A job object without its `minions`."""

Job = TypedDict(
    "Job",
    {
        "kind": "JobKind",
        "jid": "Jid",
        # The id of the master that announced it, where there is more than one.
        "master": "NotRequired[str]",
        # The function's full name; null if unknown. For a compound command, which Salt's own clients can send, all
        # functions separated by commas; `arg` is then a list for each.
        "fun": "str | None",
        # The arguments in Salt's form: positional ones, then keyword arguments, if any, in an object with `__kwarg__:
        # true`. Null if unknown, and if you may see only some of the job's minions.
        "arg": "list[Any] | None",
        # The target as it was sent. Null if unknown, for jobs that run on the master, and if you may see only some of
        # the job's minions.
        "tgt": "str | list[Any] | None",
        # Only if `tgt` was cut because it is long, in the result of `list_jobs` and in frames of a subscription with
        # `short_targets`: how many names the whole target has, or how many characters if it is text.
        "tgt_length": "NotRequired[int]",
        # The type of the target, such as `glob`; null if unknown and for jobs that run on the master.
        "tgt_type": "str | None",
        # The user who started the job, under Salt's name; null if unknown.
        "user": "str | None",
        # When the job started, as ISO 8601 in UTC; null if unknown.
        "start_time": "IsoTime",
        # When the job ended, as ISO 8601 in UTC; null while it runs and if unknown.
        "end_time": "IsoTime",
        # The `metadata` that the job was started with; null without metadata.
        "metadata": "Any",
        "state": "JobState",
        # How many minions the job has, of those that you may see; 0 for a job that runs on the master.
        "total": "int",
        # How many of them have returned, or ended without a return.
        "done": "int",
        # How many of them have returned without success.
        "failed": "int",
        # How many of them have ended without a return, other than those that were canceled.
        "missing": "int",
        # How many of them were canceled before they returned.
        "canceled": "int",
        # The progress of the whole job, from 0 to 100. It increases with returns and with reports of minions.
        "progress": "Percent",
        # Only of a runner or wheel: its return; null before it returns.
        "return": "NotRequired[Any]",
        # Only of a runner or wheel: whether it succeeded; null while unknown.
        "success": "NotRequired[bool | None]",
        # The parts of all minions that you may see, by minion id; empty for a job that runs on the master.
        "minions": "dict[str, JobMinion]",
    },
)
"""A job, its counts and the parts of its minions."""


class Started(TypedDict):
    """A job that was started."""

    jid: Jid
    # The ids of the job's minions.
    minions: list[str]

# The id of a batch. Ids of batches and requests are below 2^53 and unique, whichever master gave them.
BatchId: TypeAlias = "int"

# `pending`: nothing was sent yet; `dispatching`: it runs; `resolved`: all requests were successful; `error`: all
# requests have ended, and some failed; `timeout`: its timeout expired; `canceled`.
BatchStatus: TypeAlias = 'Literal["pending", "dispatching", "resolved", "error", "timeout", "canceled"]'

# `pending`: not sent yet; `sent`: it runs on its minion, or is about to; `resolved`: the function returned
# successfully; `error`: it failed, or there is no return; `timeout`: the timeout of the batch expired; `canceled`.
RequestStatus: TypeAlias = 'Literal["pending", "sent", "resolved", "error", "timeout", "canceled"]'

# A time in UTC, such as `2011-12-19T15:28:46.493Z`; null if it has not happened yet.
BatchTime: TypeAlias = "str | None"

# Seconds after which the batch and all its requests end; null: no timeout. Functions that run on minions are not
# stopped.
BatchTimeout: TypeAlias = "int | None"

# The maximum number of requests that run at once. 0: no maximum.
Concurrency: TypeAlias = "int"

# What to do when a request ends as `error`: `continue`, or `stop`: send nothing more and cancel the unsent requests.
OnError: TypeAlias = 'Literal["continue", "stop"]'

# A name for people, such as `kernel update, rack 4`; null without one. Names need not be unique.
BatchName: TypeAlias = "str | None"


class BatchFields(TypedDict):
    """The fields that every batch object has."""

    id: BatchId
    # When it was created, in UTC.
    created_at: BatchTime
    # When it ended, in UTC; null until then.
    finished_at: BatchTime
    timeout: BatchTimeout
    concurrency: Concurrency
    on_error: OnError
    status: BatchStatus
    # Percent: ended requests count fully, running ones with the progress that they report.
    progress: int
    # How many requests there are.
    total_count: int
    # How many of them are `resolved`.
    done_count: int
    # How many of them are `error` or `timeout`.
    error_count: int
    name: BatchName
    # The functions that it runs, sorted, at most 20.
    functions: list[Fun]
    # The target, if all items have the same expression; null for lists of ids, several expressions, and more than
    # 1,000 characters.
    tgt: str | None
    # The type of `tgt`; null without it.
    tgt_type: str | None
    # Whether it is paused: nothing more is sent, and what runs goes on to its end.
    paused: bool
    # The owner of the batch.
    user: str
    # The id of the master that runs it, or ran it to its end, where there is more than one.
    master: NotRequired[str]


class BatchSummary(TypedDict):
    """A batch object without its `requests`."""

    id: BatchId
    # When it was created, in UTC.
    created_at: BatchTime
    # When it ended, in UTC; null until then.
    finished_at: BatchTime
    timeout: BatchTimeout
    concurrency: Concurrency
    on_error: OnError
    status: BatchStatus
    # Percent: ended requests count fully, running ones with the progress that they report.
    progress: int
    # How many requests there are.
    total_count: int
    # How many of them are `resolved`.
    done_count: int
    # How many of them are `error` or `timeout`.
    error_count: int
    name: BatchName
    # The functions that it runs, sorted, at most 20.
    functions: list[Fun]
    # The target, if all items have the same expression; null for lists of ids, several expressions, and more than
    # 1,000 characters.
    tgt: str | None
    # The type of `tgt`; null without it.
    tgt_type: str | None
    # Whether it is paused: nothing more is sent, and what runs goes on to its end.
    paused: bool
    # The owner of the batch.
    user: str
    # The id of the master that runs it, or ran it to its end, where there is more than one.
    master: NotRequired[str]


class Batch(TypedDict):
    """A batch: many requests to many minions, tracked as one."""

    id: BatchId
    # When it was created, in UTC.
    created_at: BatchTime
    # When it ended, in UTC; null until then.
    finished_at: BatchTime
    timeout: BatchTimeout
    concurrency: Concurrency
    on_error: OnError
    status: BatchStatus
    # Percent: ended requests count fully, running ones with the progress that they report.
    progress: int
    # How many requests there are.
    total_count: int
    # How many of them are `resolved`.
    done_count: int
    # How many of them are `error` or `timeout`.
    error_count: int
    name: BatchName
    # The functions that it runs, sorted, at most 20.
    functions: list[Fun]
    # The target, if all items have the same expression; null for lists of ids, several expressions, and more than
    # 1,000 characters.
    tgt: str | None
    # The type of `tgt`; null without it.
    tgt_type: str | None
    # Whether it is paused: nothing more is sent, and what runs goes on to its end.
    paused: bool
    # The owner of the batch.
    user: str
    # The id of the master that runs it, or ran it to its end, where there is more than one.
    master: NotRequired[str]
    # The requests of the batch: their ids, or with `collection` the requests.
    requests: list[BatchId | Request]


class Request(TypedDict):
    """One call on one minion."""

    # The id of the request.
    id: BatchId
    # The id of the minion.
    minion: str
    # The full name of the function, such as `system.reboot`.
    fun: str
    # The positional arguments. Secrets are replaced by `(redacted)`, as in a job.
    arg: list[Any]
    # The keyword arguments. Secrets are replaced by `(redacted)`, as in a job.
    kwarg: dict[str, Any]
    # The `method` of the item, or `post`.
    method: str
    # The function as a path, such as `/system/reboot`.
    resource: str
    # The `tunnel` of the item; omitted if the item had none.
    tunnel: NotRequired[str]
    # When it was created, in UTC.
    created_at: BatchTime
    # When it ended, in UTC; null until then.
    finished_at: BatchTime
    status: RequestStatus
    # Percent, as the minion reports it; 100 after a successful return.
    progress: int
    # What the function returned, successful or not. An empty object until the request ends. Without a return,
    # `{"error", "message"}`: `missing`, `outcome_unknown`, `no_minions`, `canceled`, `stopped`, `timeout` or an error
    # code. A return above 64 KiB is kept in its job only: `{"jid", "bytes", "message"}`.
    result: Any
    # The return code; null if there is none.
    retcode: int | None
    # The last message that the minion sent with its progress; null if there is none.
    message: str | None
    # The job that sent the request, for `get_job`; null until it was sent.
    jid: str | None


class MinionResource(TypedDict):
    """For a resource of Salt 3008: what it is. It has an id and returns of its own, and no key. The field is absent
    for a minion.
    """

    # The type of the resource, as in the target `T@type`.
    type: str
    # The id of the minion that manages it.
    minion: str


class Minion(TypedDict):
    """A minion as the master knows it. No command is sent for this."""

    # The minion's id.
    id: str
    # The state of the minion's key on this master; null if unknown, and if you may not see keys.
    key: Literal["accepted", "pending", "rejected", "denied"] | None
    # Whether the minion is connected, according to the master's presence events and the minion's returns; null if
    # unknown.
    connected: bool | None
    # When the minion was last seen, as ISO 8601 in UTC; null if not since the engine started.
    seen: IsoTime
    # The requested grains from the master's cache; null if it has none, if you may not see them, and if none were
    # requested.
    grains: dict[str, Any] | None
    # The id of the master that has its key, where masters share a stream; this one, if it has the key too. Functions
    # run on the minions of the serving master only.
    master: NotRequired[str]
    # The syndic that passed on an event about the minion: it belongs to a master below. The field is absent for a
    # minion of this master.
    syndic: NotRequired[str]
    # For a resource of Salt 3008: what it is. It has an id and returns of its own, and no key. The field is absent
    # for a minion.
    resource: NotRequired[MinionResource]


class Error(TypedDict):
    """The reason why a request failed."""

    # The kind of error: a code of the table of errors.
    code: str
    # What went wrong, in one sentence for people.
    message: str
    # Details that depend on the code. For `bad_message`, a list of all faults, each with its `path` (a JSON Pointer
    # into your message) and `message`. If a command may run although its request failed, an object with `sent: true`.
    # It also has `jid`, the command's job, or `batch`, the batch that was created, or else `since`: if the command
    # runs, `list_jobs` with this `since` has its job. Without `sent: true` the command did not run. Null without
    # details.
    details: Any
    # Whether the same request may succeed later, unchanged.
    retryable: bool


class AuthRequest(TypedDict):
    """Logs in with a name and a password, or with an existing Salt token. The connection belongs to this user until
    the next `auth`. Earlier subscriptions keep the token that they were made with. A user without any permission
    is refused.
    """

    # Always `auth`.
    type: Literal["auth"]
    id: NotRequired[Id]
    # The name to log in with.
    username: NotRequired[str]
    # The password, or what the backend accepts instead. It must not be empty, because some directories treat an empty
    # password as an anonymous login.
    password: NotRequired[str]
    # The backend that checks the password, such as `pam` or `ldap`. By default the one in the server's option `eauth`
    # (`pam`, if that is not set).
    eauth: NotRequired[str]
    # An existing Salt token, instead of a name and a password.
    token: NotRequired[str]
    traceparent: NotRequired[Traceparent]


class AuthResult(TypedDict):
    """The token and its user."""

    # The token. It is valid in all protocols of this server and for Salt itself. Keep it secret.
    token: str
    # When the token was created, in seconds since 1970-01-01 UTC.
    start: UnixTime
    # When the token expires, in seconds since 1970-01-01 UTC. The connection is then closed with code 4401, unless it
    # has logged in again.
    expire: UnixTime
    # The name that the user logged in with.
    name: str
    # The same as `name`, under the name that other parts of Salt use.
    user: str
    # The same as `name`.
    username: str
    # The backend that the user logged in with.
    eauth: str
    perms: Perms

BatchRequestBatchItemData = TypedDict(
    "BatchRequestBatchItemData",
    {
        # Positional arguments, in order.
        "__args": "NotRequired[list[Any]]",
    },
)
"""With `resource`: the keyword arguments of the function, and under `__args` the positional ones."""

BatchRequestBatchItemRequest = TypedDict(
    "BatchRequestBatchItemRequest",
    {
        # The id of a minion, or a list of ids: each becomes a request.
        "destination": "NotRequired[str | list[MinionId]]",
        # The same as `destination`; give one of the two.
        "__destination": "NotRequired[str | list[MinionId]]",
    },
)
"""With `resource`: the target."""

BatchRequestBatchItem = TypedDict(
    "BatchRequestBatchItem",
    {
        # With `resource`: an HTTP method. It is stored and returned, but not used.
        "method": "NotRequired[str]",
        # The function to run as a path: `/system/reboot` is `system.reboot`.
        "resource": "NotRequired[str]",
        # With `resource`: the keyword arguments of the function, and under `__args` the positional ones.
        "data": "NotRequired[BatchRequestBatchItemData]",
        # With `resource`: a field of the puppetmaster's messages, such as `/remote`. It is stored and returned, but
        # not used.
        "tunnel": "NotRequired[str]",
        # With `resource`: the target.
        "__request": "NotRequired[BatchRequestBatchItemRequest]",
        # The full name of the function to run, such as `system.reboot`; give this or `resource`.
        "fun": "NotRequired[Fun]",
        "arg": "NotRequired[Arg]",
        "kwarg": "NotRequired[Kwarg]",
        # With `fun`: the target, an expression of the type `tgt_type`, or a list of ids. Each minion becomes a
        # request.
        "tgt": "NotRequired[Tgt]",
        "tgt_type": "NotRequired[TgtType]",
    },
)
"""A function and its target, in one of two forms: `method`, `resource`, `data` and `__request`, or `fun`, `arg`,
`kwarg`, `tgt` and `tgt_type`.
"""


class BatchRequest(TypedDict):
    """Creates a batch: every item becomes one request for each of its minions, and all are tracked as one. Requests
    with the same function and arguments, in the same form, are sent as one job, in the order of the items, at
    most `concurrency` of them at once. The batch is sent with your token; when the token ends, unsent requests
    end as `error`. The batch continues when you disconnect, and when the engine or the master restarts. The
    server's option `clients` must name `local_async` or `local`. If anything is invalid, nothing is created. An
    id without an accepted key becomes a request that ended as `error`, if any other minion is matched.
    """

    # Always `batch`.
    type: Literal["batch"]
    id: NotRequired[Id]
    token: NotRequired[Token]
    traceparent: NotRequired[Traceparent]
    # The functions and their targets. The limit `batch_requests` applies to the requests of all items together.
    batch: list[BatchRequestBatchItem]
    name: NotRequired[BatchName]
    # Seconds after which the batch and all its requests end; null or `"infinity"`: no timeout, which is returned as
    # null. Functions that run on minions are not stopped.
    timeout: NotRequired[int | str | None]
    concurrency: NotRequired[Concurrency]
    on_error: NotRequired[OnError]

# The batch, with the ids of its requests.
BatchResult: TypeAlias = "Batch"


class CancelRequest(TypedDict):
    """Stops a job on the minions that still run it. You may always cancel your own jobs. To cancel other jobs you
    need permission to run `saltutil.term_job` or `saltutil.kill_job` on their minions. A job that has ended
    cannot be canceled: error `conflict`. A minion that stopped the job becomes `canceled`. A cancel that reaches
    a minion before it has started the job is lost, as with Salt's own `saltutil.term_job`, and the minion runs
    the job. So if a minion is still `pending` or `running` some seconds later, cancel again.
    """

    # Always `cancel`.
    type: Literal["cancel"]
    id: NotRequired[Id]
    token: NotRequired[Token]
    traceparent: NotRequired[Traceparent]
    # The id of the job to cancel.
    jid: Jid
    # `term` asks the job's process to end (`saltutil.term_job`); `kill` kills it (`saltutil.kill_job`).
    signal: NotRequired[Literal["term", "kill"]]


class CancelResult(TypedDict):
    """The job, and the minions that the request was sent to."""

    # The id of the canceled job.
    jid: Jid
    # The ids of the minions that the request was sent to.
    minions: list[str]


class CancelBatchRequest(TypedDict):
    """Cancels a batch: nothing more is sent, and running functions are stopped on their minions
    (`saltutil.term_job`). You may cancel every batch that you may see. If another master drives the batch, that
    one stops it within some seconds.
    """

    # Always `cancel_batch`.
    type: Literal["cancel_batch"]
    id: NotRequired[Id]
    token: NotRequired[Token]
    traceparent: NotRequired[Traceparent]
    batch: BatchId
    # Whether to forget the batch as well. Without it the batch stays with the status `canceled`, and a batch that has
    # ended cannot be canceled.
    forget: NotRequired[bool]

# The batch; null if it was forgotten.
CancelBatchResult: TypeAlias = "BatchSummary | None"


class CmdRequest(TypedDict):
    """Runs one function on the minions that a target matches, as a Salt job. The server's option `clients` must
    contain `local`; for `mode: async`, `local_async` is enough. Salt itself checks your permissions. To see the
    job's progress, subscribe to it (`subscription: job`) or request it (`get_job`). If you may run the function
    on some minions only, a target that depends on grains or pillar matches only those minions; `minions` lists
    them.
    """

    # Always `cmd`.
    type: Literal["cmd"]
    id: NotRequired[Id]
    token: NotRequired[Token]
    traceparent: NotRequired[Traceparent]
    # The full name of the function to run, such as `test.ping`.
    method: NotRequired[Fun]
    # The same as `method`, under Salt's name. Send exactly one of the two.
    fun: NotRequired[Fun]
    # The target: an expression of the type in `pattern_type`, or a list of minion ids.
    pattern: NotRequired[Tgt]
    # The same as `pattern`, under Salt's name. Send exactly one of the two.
    tgt: NotRequired[Tgt]
    pattern_type: NotRequired[TgtType]
    # The same as `pattern_type`, under Salt's name. Send at most one of the two.
    tgt_type: NotRequired[TgtType]
    # Positional arguments of the function, in order. They can be any values, with two exceptions. A string of the
    # form `name=value` needs `parse`. An object with the key `__kwarg__` is refused, because Salt marks keyword
    # arguments with this key.
    args: NotRequired[Arg]
    # The same as `args`, under Salt's name. Send at most one of the two.
    arg: NotRequired[Arg]
    kwargs: NotRequired[Kwarg]
    # The same as `kwargs`, under Salt's name. Send at most one of the two.
    kwarg: NotRequired[Kwarg]
    mode: NotRequired[Mode]
    timeout: NotRequired[Timeout]
    metadata: NotRequired[Metadata]
    # Whether state functions (`state.apply`, `state.sls`, `state.highstate`) report each state that they have run, so
    # that the job has a progress. The minions need no configuration for this.
    progress: NotRequired[bool]
    # Whether positional strings of the form `name=value` are keyword arguments, as on Salt's command line. Otherwise
    # such a string is refused, because minions would still read it as a keyword argument.
    parse: NotRequired[bool]
    delimiter: NotRequired[Delimiter]
    # Salt returners that the minions also send their returns to, separated by commas. Refused unless the server's
    # option `allow_ret` is set.
    ret: NotRequired[str]

# With `mode: async`: the job's id and its minions, as soon as it has started; on a master of masters, minions below
# are named later, in the job. With `mode: sync`: the job object, when the job has ended or after the timeout; after
# the timeout its `state` is still `running`.
CmdResult: TypeAlias = "Started | Job"


class DescribeRequest(TypedDict):
    """Describes this server: its version, what is enabled, its limits, all errors and close codes, and the JSON
    Schema of every operation. A client can build forms from the schemas, and check its own messages.
    """

    # Always `describe`.
    type: Literal["describe"]
    id: NotRequired[Id]
    token: NotRequired[Token]
    traceparent: NotRequired[Traceparent]


class DescribeResultMaster(TypedDict):
    """The Salt master that this server runs in."""

    # The master's `id` of its configuration.
    id: str
    # The version of Salt.
    salt: str
    # The `cluster_id` of the cluster that the master belongs to; null if it belongs to none.
    cluster: str | None


class DescribeResultMastersValue(TypedDict):
    """A master."""

    # Whether its newest events may be missing here now: its server does not run, or the common log fails.
    stale: bool
    # If it is stale: when its server last wrote to the common log. Missing if unknown.
    seen: NotRequired[IsoTime]


class DescribeResultErrorsValue(TypedDict):
    """An error."""

    # Whether the same request may succeed later. An error can override it.
    retryable: bool
    # What it means.
    meaning: str


class DescribeResultCloseCodesValue(TypedDict):
    """A close code."""

    # A short name.
    name: str
    # Whether to reconnect, and how.
    reconnect: str
    # What happened.
    meaning: str


class DescribeResult(TypedDict):
    """The description of this server."""

    # The version of the engine and of its schemas.
    version: str
    # The Salt master that this server runs in.
    master: DescribeResultMaster
    # The other masters whose events this server sends, by id, where masters share a stream. A master whose server has
    # not run for a day is left out, with its minions, once its last events have left the history.
    masters: dict[str, DescribeResultMastersValue]
    epoch: Epoch
    # The websocket subprotocols of this server, the default first.
    subprotocols: list[str]
    # Which of Salt's clients may be used, such as `local` for `cmd` with `mode: sync` and `runner_async` for `runner`
    # with `mode: async`.
    clients: list[str]
    # The limits of this server by name; protocol.md explains each one.
    limits: dict[str, float]
    # The JSON Schema (draft 2020-12) of each operation, by its `type`, without references.
    operations: dict[str, dict[str, Any]]
    # The kinds of subscription.
    subscriptions: list[str]
    # Every error by its code.
    errors: dict[str, DescribeResultErrorsValue]
    # Every close code of this server by its number. The number is a string here, because keys in JSON are strings.
    close_codes: dict[str, DescribeResultCloseCodesValue]


class EventRequest(TypedDict):
    """Fires an event on the master's bus, or with `tgt` on the buses of minions. On the master's bus you need
    permission to fire this tag (see `can` in `whoami`), because reactors act on events. Tags that belong to Salt,
    such as those that start with `salt/`, cannot be fired. On minions you need permission to run `event.fire`.
    """

    # Always `event`.
    type: Literal["event"]
    id: NotRequired[Id]
    token: NotRequired[Token]
    traceparent: NotRequired[Traceparent]
    # The tag of the event.
    tag: Tag
    # The data of the event. On the master's bus the server adds the sender as `_user`, `_eauth` and `_via`. A body
    # with one of these fields, or with `__peer_id`, is refused.
    body: dict[str, Any]
    # The minions on whose buses the event is fired: an expression of the type in `tgt_type`, or a list of minion ids.
    # By default the event is fired on the master's bus.
    tgt: NotRequired[Tgt]
    tgt_type: NotRequired[TgtType]

# Always true: the event was fired, or sent to the minions.
EventResult: TypeAlias = "Literal[True]"


class FunctionsRequest(TypedDict):
    """Lists the functions that you may run: functions of execution modules on minions (`tgt`), or runners or wheel
    functions of the master (`client`). With `tgt`, one of the minions is asked by a normal job, preferably one
    with a cached answer, then one that is connected. A cached answer is returned at once; if it is older than a
    minute, the minion is asked again for the next call. No answer is older than an hour. An answer is only valid
    for its minion.
    """

    # Always `functions`.
    type: Literal["functions"]
    id: NotRequired[Id]
    token: NotRequired[Token]
    traceparent: NotRequired[Traceparent]
    # The target; one of its minions is asked. An expression of the type in `tgt_type`, or a list of minion ids.
    tgt: NotRequired[Tgt]
    tgt_type: NotRequired[TgtType]
    # List the master's runners or wheel functions. No minion is asked.
    client: NotRequired[Literal["runner", "wheel"]]
    timeout: NotRequired[AnswerTimeout]

# The full names of the functions, sorted.
FunctionsResult: TypeAlias = "list[str]"


class GetBatchRequest(TypedDict):
    """Returns one batch, or one request of a batch. Users with the permission `.*` see the batches of all users;
    others see their own, and get `not_found` for all others.
    """

    # Always `get_batch`.
    type: Literal["get_batch"]
    id: NotRequired[Id]
    token: NotRequired[Token]
    traceparent: NotRequired[Traceparent]
    # The id of the batch; give this or `request`.
    batch: NotRequired[BatchId]
    # The id of a request; give this or `batch`.
    request: NotRequired[BatchId]
    # Whether `requests` has the requests instead of their ids.
    collection: NotRequired[bool]
    # With `collection`: how many requests to skip.
    offset: NotRequired[int]
    # With `collection`: the maximum number of requests.
    limit: NotRequired[int]

# The batch, or the request if `request` was given.
GetBatchResult: TypeAlias = "Batch | Request"


class GetEventRequest(TypedDict):
    """Waits for the next matching event, as Salt's own `get_event` does. This is the next one after the last event
    that this connection got from `get_event` with the same filter (`tag`, `match_type`), so no event is missed
    between two calls. The first call waits for new events.
    """

    # Always `get_event`.
    type: Literal["get_event"]
    id: NotRequired[Id]
    token: NotRequired[Token]
    traceparent: NotRequired[Traceparent]
    tag: NotRequired[Tags]
    match_type: NotRequired[MatchType]
    # Only events of these masters, where there is more than one.
    master: NotRequired[MasterIds]
    # Seconds to wait for the event; 0 returns only an event that has already arrived.
    wait: NotRequired[float]
    # Whether the result also has the event's tag and number.
    full: NotRequired[bool]
    # A position to start from (`{"epoch", "seq"}`, or one at each master that shares a stream), instead of the last
    # event that this connection got. If the events after it are no longer in the history, the error is `gap`.
    since: NotRequired[Since]

# The event's data. It is an object in the master's own events, and can be anything in an event from a minion. With
# `full` it is an object with `seq`, `tag` and `data`, and `minion` if a minion sent the event. Null if no event
# arrived in time.
GetEventResult: TypeAlias = "Any"


class GetJobRequest(TypedDict):
    """Returns one job by its id, with the parts of all minions that you may see. The engine knows it from the bus,
    or reads it from the master's job cache. Salt's `salt-run jobs.lookup_jid JID` returns only `{minion:
    return}`; here that is the `return` of each of `minions`. For Salt's own form run the runner: `{"type":
    "runner", "fun": "jobs.lookup_jid", "arg": ["JID"], "mode": "sync"}`, which needs `@runner` or `@jobs`.
    """

    # Always `get_job`.
    type: Literal["get_job"]
    id: NotRequired[Id]
    token: NotRequired[Token]
    traceparent: NotRequired[Traceparent]
    jid: Jid
    # Return the part of this minion only, which keeps the reply small. The counts are still those of the whole job.
    minion: NotRequired[MinionId]

GetJobResult: TypeAlias = "Job"


class HookRequest(TypedDict):
    """Fires `salt/netapi/hook/<hook>` on the master's bus with the content of a webhook, for reactors, as `/hook`
    over HTTP does. Every user may do this, so reactors must check the content. If the server's option
    `webhook_disable_auth` is set, no login is needed, and each address may send ten webhooks per second.
    """

    # Always `hook`.
    type: Literal["hook"]
    id: NotRequired[Id]
    token: NotRequired[Token]
    traceparent: NotRequired[Traceparent]
    # The rest of the tag, such as `github/push`. Slashes at its end are removed. Without it the tag is
    # `salt/netapi/hook`.
    hook: NotRequired[str]
    # The posted content, decoded according to its type; usually an object.
    post: NotRequired[Any]
    # The parameters of the query, by name.
    get: NotRequired[dict[str, Any]]
    # The headers of the webhook, by name. Headers with credentials of this API are removed.
    headers: NotRequired[dict[str, str]]
    # The unchanged body, for reactors that check a signature: text whose UTF-8 encoding is the body, or with
    # `body_encoding` its base64 encoding.
    body: NotRequired[str]
    # Is sent if `body` is in base64, because its bytes are not UTF-8. Without it `body` is the text itself.
    body_encoding: NotRequired[Literal["base64"]]

# Always true: the event was fired.
HookResult: TypeAlias = "Literal[True]"


class ListBatchesRequest(TypedDict):
    """Lists the batches that you may see, newest first, without their requests. Batches that have ended are kept for
    `batch_keep` days.
    """

    # Always `list_batches`.
    type: Literal["list_batches"]
    id: NotRequired[Id]
    token: NotRequired[Token]
    traceparent: NotRequired[Traceparent]
    # Only batches of this status.
    status: NotRequired[BatchStatus]
    # Only batches that these masters run or ran, where there is more than one: the id of a master, or a list of at
    # most 64. A batch that another master took over belongs to both.
    master: NotRequired[MasterIds]
    # The maximum number of batches.
    limit: NotRequired[int]

# The batches, the newest first.
ListBatchesResult: TypeAlias = "list[BatchSummary]"


class ListJobsRequest(TypedDict):
    """Lists the jobs that you may see, newest first, without their minions. A job must match all filters. For the
    next page, send the same request with `before` set to the last job id of this page.
    """

    # Always `list_jobs`.
    type: Literal["list_jobs"]
    id: NotRequired[Id]
    token: NotRequired[Token]
    traceparent: NotRequired[Traceparent]
    # Only jobs of this function: a full name, in which `*`, `?` and `[...]` match as in a shell.
    fun: NotRequired[str]
    # Only jobs that these masters announced, where there is more than one: the id of a master, or a list of at most
    # 64.
    master: NotRequired[MasterIds]
    # Only jobs that this user started.
    user: NotRequired[str]
    # Only jobs that this minion is part of. Each then has `minions` with its part only, without the return.
    minion: NotRequired[MinionId]
    # Only jobs in this state.
    state: NotRequired[JobState]
    # Only jobs of this kind: `job` on minions, `runner` and `wheel` on the master.
    kind: NotRequired[JobKind]
    # Only jobs with all of these words in their job id, function, target or user, in upper or lower case.
    search: NotRequired[str]
    # Whether to list also jobs that are in the master's job cache only, and no longer in memory. This takes longer.
    # The server reads the newest 5,000 jobs there that `since` and `before` leave, and the returns of at most 300
    # that match.
    stored: NotRequired[bool]
    # Only jobs whose metadata contain all of these keys with these values.
    metadata: NotRequired[dict[str, Any]]
    # Whether to return long targets whole. By default `tgt` has at most 100 names, or 2,000 characters, and
    # `tgt_length` tells how many there are.
    whole_targets: NotRequired[bool]
    # Only jobs started after this one: a job id.
    since: NotRequired[Jid]
    # Only jobs started before this one: a job id.
    before: NotRequired[Jid]
    # Maximum number of jobs.
    limit: NotRequired[int]

# Job objects without their `minions`, newest first; with `minion`, each has the part of that minion.
ListJobsResult: TypeAlias = "list[JobSummary | Job]"


class ListMinionsRequest(TypedDict):
    """Lists the minions that you may see, with the state of their keys, whether they are connected, and their grains
    from the master's cache. On a master of masters, minions below that an event has named are included, each with
    its `syndic`. No command is sent to minions.
    """

    # Always `list_minions`.
    type: Literal["list_minions"]
    id: NotRequired[Id]
    token: NotRequired[Token]
    traceparent: NotRequired[Traceparent]
    # Only these minions. By default all minions that you may see.
    minions: NotRequired[MinionIds]
    # Only minions with a key at these masters, where masters share a stream: the id of a master, or a list of at most
    # 64. In a cluster of masters `master` is refused: a minion belongs to all of them.
    master: NotRequired[MasterIds]
    # Only minions that this target matches and that you may ping: an expression of the type in `tgt_type`, or a list
    # of minion ids. Minions of other masters that share a stream are matched by their ids only. By default all
    # minions that you may see.
    tgt: NotRequired[Tgt]
    tgt_type: NotRequired[TgtType]
    delimiter: NotRequired[Delimiter]
    grains: NotRequired[GrainsWanted]

# The minions, sorted by id, or in the order of `minions`.
ListMinionsResult: TypeAlias = "list[Minion]"


class LogoutRequest(TypedDict):
    """Revokes the token in Salt itself. Subscriptions that were made with it end within a second. Connections that
    are logged in with it are closed with code 4401.
    """

    # Always `logout`.
    type: Literal["logout"]
    id: NotRequired[Id]
    # The token to revoke. By default the token of the connection's last `auth`.
    token: NotRequired[Token]
    traceparent: NotRequired[Traceparent]

# Always true: the token is revoked.
LogoutResult: TypeAlias = "Literal[True]"


class MatchRequest(TypedDict):
    """Lists the minions that a target matches and on which you may run `fun`. The master matches by its keys and
    caches; on a master of masters, known minions below are matched by id. No command is sent to minions.
    """

    # Always `match`.
    type: Literal["match"]
    id: NotRequired[Id]
    token: NotRequired[Token]
    traceparent: NotRequired[Traceparent]
    tgt: Tgt
    tgt_type: NotRequired[TgtType]
    delimiter: NotRequired[Delimiter]
    # The function that you would run on them, without arguments.
    fun: NotRequired[Fun]

# The ids of the minions, sorted; an empty list if the target matches none.
MatchResult: TypeAlias = "list[str]"


class PauseBatchRequest(TypedDict):
    """Sends nothing more of a batch until it is resumed. Functions that run go on to their end, and their returns
    count. A pause survives restarts of the engine and the master, and the loss of the master that drives the
    batch. The batch's `timeout` and the lifetime of its token go on. A paused batch can be paused again, without
    effect. You may pause every batch that you may see; an ended one is a `conflict`.
    """

    # Always `pause_batch`.
    type: Literal["pause_batch"]
    id: NotRequired[Id]
    token: NotRequired[Token]
    traceparent: NotRequired[Traceparent]
    batch: BatchId

# The batch. If another master drives it, `paused` changes within some seconds.
PauseBatchResult: TypeAlias = "BatchSummary"


class PingRequest(TypedDict):
    """Returns the server's time at once, without Salt or minions. To test minions, run `test.ping` with `cmd`."""

    # Always `ping`.
    type: Literal["ping"]
    id: NotRequired[Id]
    token: NotRequired[Token]
    traceparent: NotRequired[Traceparent]


class PingResult(TypedDict):
    """The server's time, its version, and its position in the history of events."""

    # The server's time, in seconds since 1970-01-01 UTC.
    time: UnixTime
    # The version of the engine.
    version: str
    epoch: Epoch
    # The number of the newest event. Within one epoch the difference between two replies is about the number of
    # events between them.
    seq: Seq


class ResumeBatchRequest(TypedDict):
    """Continues a paused batch with its next requests. A batch that is not paused can be resumed, without effect.
    You may resume every batch that you may see; an ended one is a `conflict`.
    """

    # Always `resume_batch`.
    type: Literal["resume_batch"]
    id: NotRequired[Id]
    token: NotRequired[Token]
    traceparent: NotRequired[Traceparent]
    batch: BatchId

# The batch. If another master drives it, `paused` changes within some seconds.
ResumeBatchResult: TypeAlias = "BatchSummary"


class RunnerRequest(TypedDict):
    """Runners are Salt functions that run on the master, to administer it or to work with several minions. The
    server's option `clients` must contain `runner`; for `mode: async`, `runner_async` is enough. Salt itself
    checks your permissions.
    """

    # Always `runner`.
    type: Literal["runner"]
    id: NotRequired[Id]
    token: NotRequired[Token]
    traceparent: NotRequired[Traceparent]
    # The full name of the function to run, such as `jobs.active`.
    method: NotRequired[Fun]
    # The same as `method`, under Salt's name. Send exactly one of the two.
    fun: NotRequired[Fun]
    args: NotRequired[Arg]
    # The same as `args`, under Salt's name. Send at most one of the two.
    arg: NotRequired[Arg]
    # Keyword arguments of the function, by name, with any values.
    kwargs: NotRequired[Kwarg]
    # The same as `kwargs`, under Salt's name. Send at most one of the two.
    kwarg: NotRequired[Kwarg]
    # `async` replies as soon as the function has started. `sync` replies with its return, or with the error `timeout`
    # after `timeout` seconds.
    mode: NotRequired[Mode]
    # Seconds that a `sync` request waits for the return. The function continues after that. It has no effect on
    # `async` requests.
    timeout: NotRequired[Timeout]
    # With `mode: sync`: whether the reply is an object with `jid`, `tag`, `return` and `success`, instead of only the
    # return.
    full: NotRequired[bool]


class RunnerStarted(TypedDict):
    """A function that was started."""

    jid: Jid
    # The start of the tags of this run's events. Its return has the tag `<tag>/ret`.
    tag: str

RunnerEnded = TypedDict(
    "RunnerEnded",
    {
        "jid": "Jid",
        # The start of the tags of this run's events.
        "tag": "str",
        # The return of the function, any value.
        "return": "Any",
        # Whether the run was a success for Salt.
        "success": "bool",
    },
)
"""A function that has ended, in the form requested with `full`."""

# With `mode: async`: the id of the run and the start of its tags, as soon as the function has started. With `mode:
# sync`: the return of the function, any value; with `full`, the run with its return.
RunnerResult: TypeAlias = "Any"


class SignatureRequest(TypedDict):
    """Describes the arguments of a function: a function of an execution module on a minion (`tgt`), or a runner or
    wheel function of the master (`client`). With `tgt`, one of the minions is asked by a normal job, preferably
    one with a cached answer, then one that is connected. A cached answer is returned at once; if it is older than
    a minute, the minion is asked again for the next call. No answer is older than an hour. An answer is only
    valid for its minion.
    """

    # Always `signature`.
    type: Literal["signature"]
    id: NotRequired[Id]
    token: NotRequired[Token]
    traceparent: NotRequired[Traceparent]
    # The full name of the function, such as `test.ping`.
    module: Fun
    # The target; one of its minions is asked. An expression of the type in `tgt_type`, or a list of minion ids.
    tgt: NotRequired[Tgt]
    tgt_type: NotRequired[TgtType]
    # The function is a runner or wheel function of the master. No minion is asked.
    client: NotRequired[Literal["runner", "wheel"]]
    timeout: NotRequired[AnswerTimeout]


class SignatureResult(TypedDict):
    """The arguments of the function."""

    # The names of the arguments, in order.
    args: list[str]
    # The default values of the last arguments, in order; null if none has one.
    defaults: list[Any] | None
    # Whether the function accepts any number of further positional arguments: true or their name; null or false if
    # not.
    varargs: str | bool | None
    # Whether the function accepts further keyword arguments: true or their name; null or false if not.
    keywords: str | bool | None
    # The function's documentation; null if it has none, or you may not read it.
    doc: str | None
    # A JSON Schema (draft 2020-12) of the keyword arguments, for forms and checks.
    schema: dict[str, Any]


class SubscribeRequest(TypedDict):
    """Starts a stream of frames on this connection. `event` sends the events of the master's bus that you may see.
    `job`, `minions` and `batch` send jobs, minions and batches when they change; they start with a snapshot,
    which ends with the frame `live`. Without `jid`, or with `*`, the snapshot contains the jobs in memory that
    you may see, newest first, and new jobs follow. There is no frame for a job that leaves the memory. The reply
    comes before the first frame.
    """

    # Always `subscribe`.
    type: Literal["subscribe"]
    id: NotRequired[Id]
    # The Salt token of this subscription, which ends with the token. By default the token of the connection's last
    # `auth`.
    token: NotRequired[Token]
    traceparent: NotRequired[Traceparent]
    # What to subscribe to. `jobs` means the same as `job`.
    subscription: Literal["event", "job", "minions", "batch", "jobs"]
    # For `event`: the wanted tags, matched according to `match_type`. One string, or a list of at most 64 of which
    # one must match. By default every event matches; so does the empty string, except with `fnmatch`.
    tag: NotRequired[Tags]
    match_type: NotRequired[MatchType]
    # Only these minions: their events, their parts of jobs, or the minions themselves. By default all that you may
    # see.
    minions: NotRequired[MinionIds]
    # Only events of these masters, jobs that they announced, minions with a key there, or batches that they run or
    # ran, where there is more than one master. By default all. An unknown master is not an error: it may start later.
    # In a cluster of masters `minions` refuses `master`: a minion belongs to all of them. A batch that another master
    # took over belongs to both; `master` does not go with the id of a `batch`.
    master: NotRequired[MasterIds]
    # For `event`: only events of jobs, runners and wheels that run these functions. A full name, in which `*`, `?`
    # and `[...]` match as in a shell, or a list of at most 64 names of which one must match. Names with such
    # characters have at most 4,096 characters and 512 of these together.
    fun: NotRequired[FunctionGlobs]
    # For `job`: the jobs to subscribe to; with `*`, or by default, all that you may see. For `event`: only events of
    # these jobs. One job id, or a list of at most 64.
    jid: NotRequired[str | list[Jid]]
    # For `minions`: only minions whose key is accepted and that are not known to be disconnected. A minion that
    # disconnects is sent as null.
    connected: NotRequired[bool]
    # For `minions`: the grains of each minion. `true` for all (several KiB per minion), `false` for none, or a list
    # of at most 64 names; grains that a minion does not have are missing. A minion is sent when any of its grains
    # change, also if they are not in the list.
    grains: NotRequired[GrainsWanted]
    # For `batch`: the batch to subscribe to. By default all that you may see, without their requests, and without
    # batches that have already ended.
    batch: NotRequired[BatchId]
    # For `batch`: whether frames contain the requests that changed.
    collection: NotRequired[bool]
    # For `event`: your last position, from a frame or a reply: `{"epoch", "seq"}` here, or such a position at each
    # master that shares a stream with this one, by the master's id. Events after it that are still in the history are
    # sent first. If events are missing, a `gap` frame tells which. For `job`, `minions` and `batch`: the last
    # `position` of the same subscription, from `live` or a bookmark. If the server still knows what changed since,
    # only that is sent; else the whole snapshot.
    since: NotRequired[Since]
    # For `event`: whether one frame of type `events` may contain several events. This makes fast streams much
    # cheaper.
    bundle: NotRequired[bool]
    # For `event`: what happens if you read too slowly and the outbox is full. `close` closes the connection with code
    # 4410, and you resume with `since`. `drop` drops the oldest frames of this subscription, and counts them in a
    # `gap` frame.
    overflow: NotRequired[Literal["close", "drop"]]
    # For `event` and `job`: whether to omit the returns of functions, which are the largest part of most streams.
    without_return: NotRequired[bool]
    # For `job`: whether to cut long targets as `list_jobs` does: `tgt` has at most 100 names, or 2,000 characters,
    # and `tgt_length` tells how many there are. Every frame about a job has its target, so a job on a list of
    # thousands of minions takes far fewer bytes. `get_job` has the whole target.
    short_targets: NotRequired[bool]


class SubscribeResult(TypedDict):
    """The subscription's number and its start position."""

    # The number of this subscription, which its frames carry.
    subscription: Subscription
    epoch: Epoch
    # The newest number in the history at the time of this reply. Live events have higher numbers; events requested
    # with `since` have lower ones.
    seq: Seq
    # Null without `since`. For `event`: whether the history has all events after `since`; if false, a `gap` frame
    # follows. For `job`, `minions` and `batch`: true if only what changed since follows, false if the whole snapshot
    # follows.
    recovered: bool | None
    # Where masters share a stream: the newest position at each of them.
    since: NotRequired[Positions]


class UnsubscribeRequest(TypedDict):
    """Ends a subscription of this connection. It sends no frames after the reply."""

    # Always `unsubscribe`.
    type: Literal["unsubscribe"]
    id: NotRequired[Id]
    token: NotRequired[Token]
    traceparent: NotRequired[Traceparent]
    # The number of the subscription, from the reply to `subscribe`.
    subscription: Subscription

# Always true: the subscription has ended.
UnsubscribeResult: TypeAlias = "Literal[True]"


class WheelRequest(TypedDict):
    """Wheel functions manage the master itself: its keys, its configuration and its files. The server's option
    `clients` must contain `wheel`; for `mode: async`, `wheel_async` is enough. Salt itself checks your
    permissions.
    """

    # Always `wheel`.
    type: Literal["wheel"]
    id: NotRequired[Id]
    token: NotRequired[Token]
    traceparent: NotRequired[Traceparent]
    # The full name of the function to run, such as `key.list_all`.
    method: NotRequired[Fun]
    # The same as `method`, under Salt's name. Send exactly one of the two.
    fun: NotRequired[Fun]
    args: NotRequired[Arg]
    # The same as `args`, under Salt's name. Send at most one of the two.
    arg: NotRequired[Arg]
    # Keyword arguments of the function, by name, with any values. Names that Salt uses itself in a wheel call (`cmd`,
    # `fun`, `token`, `user`, `key`, `eauth`, `username`, `password`, `print_event`, and those that start with `_`)
    # are refused.
    kwargs: NotRequired[Kwarg]
    # The same as `kwargs`, under Salt's name. Send at most one of the two.
    kwarg: NotRequired[Kwarg]
    # `async` replies as soon as the function has started. `sync` replies with its return, or with the error `timeout`
    # after `timeout` seconds.
    mode: NotRequired[Mode]
    # Seconds that a `sync` request waits for the return. The function continues after that. It has no effect on
    # `async` requests.
    timeout: NotRequired[Timeout]
    # With `mode: sync`: whether the reply is an object with `jid`, `tag`, `return` and `success`, instead of only the
    # return.
    full: NotRequired[bool]


class WheelStarted(TypedDict):
    """A function that was started."""

    jid: Jid
    # The start of the tags of this run's events. Its return has the tag `<tag>/ret`.
    tag: str

WheelEnded = TypedDict(
    "WheelEnded",
    {
        "jid": "Jid",
        # The start of the tags of this run's events.
        "tag": "str",
        # The return of the function, any value.
        "return": "Any",
        # Whether the run was a success for Salt.
        "success": "bool",
    },
)
"""A function that has ended, in the form requested with `full`."""

# With `mode: async`: the id of the run and the start of its tags, as soon as the function has started. With `mode:
# sync`: the return of the function, any value; with `full`, the run with its return.
WheelResult: TypeAlias = "Any"


class WhoamiRequest(TypedDict):
    """Returns your user, the times of your token, and your permissions in Salt's present configuration."""

    # Always `whoami`.
    type: Literal["whoami"]
    id: NotRequired[Id]
    token: NotRequired[Token]
    traceparent: NotRequired[Traceparent]


class WhoamiResultCan(TypedDict):
    """A summary of the permissions that are not those of a single function."""

    # Whether the user may run every function on every minion (a plain `.*` entry).
    all: bool
    # Which further events the user sees, in addition to those of jobs, minions and keys: true for all, false for
    # none, or a list of patterns of tags (the `@events` entries).
    events: bool | list[str]
    # Which events the user may fire: true for all that clients may fire, false for none, or a list of patterns of
    # tags (the `@fire` entries).
    fire: bool | list[str]
    # Whether the user sees every job (users who may run the runner `jobs.lookup_jid`).
    jobs: bool
    # Whether the user sees keys and their events (users who may run the wheel `key.list_all`).
    keys: bool


class WhoamiResult(TypedDict):
    """The user, the token's times and the permissions."""

    # The user's name.
    user: str
    # The backend that the user logged in with.
    eauth: str
    # When the token was created, in seconds since 1970-01-01 UTC.
    start: UnixTime
    # When the token expires, in seconds since 1970-01-01 UTC.
    expire: UnixTime
    perms: Perms
    # A summary of the permissions that are not those of a single function.
    can: WhoamiResultCan


class EventFrame(TypedDict):
    """One event of the master's bus that you may see. Values of passwords, tokens and keys are removed."""

    # Always `event`.
    type: Literal["event"]
    # The number of the subscription.
    subscription: Subscription
    # The event's number in this epoch, for resuming (`since`).
    seq: Seq
    # The event's tag.
    tag: str
    # The event's data. For an event that a minion sent itself, the minion's data.
    data: Any
    # The id of the minion that sent the event itself (by `event.send` or `event.fire_master`). Missing in other
    # events.
    minion: NotRequired[str]
    # The id of the master whose event it is, where there is more than one.
    master: NotRequired[str]
    # For an event of another master: its position there, for `since` at any of the masters.
    origin: NotRequired[Position]


class EventsFrameEventsItem(TypedDict):
    """An event."""

    # The event's number in this epoch, for resuming (`since`).
    seq: Seq
    # The event's tag.
    tag: str
    # The event's data. For an event that a minion sent itself, the minion's data.
    data: Any
    # The id of the minion that sent the event itself. Missing in other events.
    minion: NotRequired[str]
    # The id of the master whose event it is, where there is more than one.
    master: NotRequired[str]
    # For an event of another master: its position there.
    origin: NotRequired[Position]


class EventsFrame(TypedDict):
    """Several events in one frame, only for a subscription with `bundle: true`. On an idle connection, events are
    sent at once. Under load a frame is sent every 20 ms, or every 50 ms if very many clients get the same events.
    A frame has at least one event, and at most 256 events or 256 KiB.
    """

    # Always `events`.
    type: Literal["events"]
    # The number of the subscription.
    subscription: Subscription
    # The events, in order.
    events: list[EventsFrameEventsItem]


class JobFrame(TypedDict):
    """A job, and its minions that changed. The snapshot at the start is split into frames of at most 500 minions and
    about 1 MiB, each with the current state of the job; so are larger changes. Changes follow after `live`: at
    most 10 per second for one job, and always the last state.
    """

    # Always `job`.
    type: Literal["job"]
    # The number of the subscription.
    subscription: Subscription
    # The position in the history of this state of the job.
    seq: Seq
    # The id of the job.
    jid: Jid
    # The job object without its `minions`.
    job: JobSummary
    # The whole parts of the minions that changed, by minion id. Other minions are unchanged.
    minions: dict[str, JobMinion]


class BatchFrame(TypedDict):
    """A batch, and its requests that changed. If you subscribed to one batch, the snapshot at the start is split
    into frames of at most 500 requests and about 1 MiB, each with the current state of the batch; so are larger
    changes. Changes follow after `live`: at most 10 per second for one batch, and always the last state. The cost
    of a frame depends on what changed, not on the size of the batch.
    """

    # Always `batch`.
    type: Literal["batch"]
    # The number of the subscription.
    subscription: Subscription
    # The position in the history of this state of the batch.
    seq: Seq
    # The batch object without its requests.
    batch: BatchSummary
    # The whole requests that changed. Other requests are unchanged. Empty if you subscribed to all batches, or with
    # `collection: false`.
    requests: list[Request]


class MinionsFrame(TypedDict):
    """Minions that changed. The snapshot at the start is split into frames of at most 500 minions and about 1 MiB;
    so are larger changes. Changes follow after `live`.
    """

    # Always `minions`.
    type: Literal["minions"]
    # The number of the subscription.
    subscription: Subscription
    # The position in the history of this state of the minions.
    seq: Seq
    # The minions that changed, by minion id.
    minions: dict[str, Minion | None]


class LiveFrame(TypedDict):
    """All of the snapshot of a `job`, `minions` or `batch` subscription was sent, or all that changed since your
    position. Changes follow.
    """

    # Always `live`.
    type: Literal["live"]
    # The number of the subscription.
    subscription: Subscription
    # The position in the history of the snapshot.
    seq: Seq
    # Your position, to resume from.
    position: NotRequired[SnapshotPosition]


class GapFrameMastersValue(TypedDict):
    """What is missing of one master."""

    # Why events of this master may be missing.
    reason: Literal["history", "bus", "restart", "epoch"]
    epoch: NotRequired[Epoch]
    # The position at this master after the gap. Missing for an unknown master.
    seq: NotRequired[Seq]

GapFrame = TypedDict(
    "GapFrame",
    {
        # Always `gap`.
        "type": 'Literal["gap"]',
        # The number of the subscription.
        "subscription": "Subscription",
        # `history`: events after `since` are no longer in the history. `bus`: the engine lost the master's bus for a
        # while. `restart`: the engine did not run from `from_time` to `to_time`. `epoch`: `since` is of another epoch
        # or from the future; the stream continues from now. `overflow`: you read too slowly, with `overflow: drop`.
        "reason": 'Literal["history", "bus", "restart", "epoch", "overflow"]',
        # How many are missing: numbers of the history, whether or not you may see the events, or with `overflow`
        # frames of this subscription. Null if unknown.
        "count": "int | None",
        # The number of the first event that may be missing; null if unknown.
        "from": "int | None",
        # The number of the last event that may be missing; null if unknown.
        "to": "int | None",
        # The number of the oldest event in the history.
        "oldest": "Seq",
        # With `restart`: when it stopped, in ISO 8601 and UTC. Events up to then are not missing.
        "from_time": "NotRequired[str]",
        # With `restart`: when it read the bus again, in ISO 8601 and UTC.
        "to_time": "NotRequired[str]",
        # Where masters share a stream: the masters of which events may be missing, by id. Missing if it is this one.
        "masters": "NotRequired[dict[str, GapFrameMastersValue]]",
    },
)
"""Events are missing at this point of the stream. Nothing is ever omitted without this frame. With `master` in
`subscribe` there is none for what other masters lost. Clients that derive a state from events must rebuild
it.
"""


class BookmarkFrame(TypedDict):
    """A position to resume from. For `event`: all events up to it were examined; a quiet subscription gets one at
    least every 60 seconds. For `job`, `minions` and `batch`: you have all changes up to `position`; it follows
    changes within ten seconds.
    """

    # Always `bookmark`.
    type: Literal["bookmark"]
    # The number of the subscription.
    subscription: Subscription
    epoch: Epoch
    # The number of the last event that was examined for this subscription.
    seq: Seq
    # Where masters share a stream: the position at each of them.
    since: NotRequired[Positions]
    # For `job`, `minions` and `batch`: your position, to resume from.
    position: NotRequired[SnapshotPosition]


class EndedFrame(TypedDict):
    """The subscription's token or permission is gone. It sends no further frames."""

    # Always `ended`.
    type: Literal["ended"]
    # The number of the subscription.
    subscription: Subscription
    error: Error

# Any frame of a subscription.
Frame: TypeAlias = "EventFrame | EventsFrame | JobFrame | BatchFrame | MinionsFrame | LiveFrame | GapFrame | BookmarkFrame | EndedFrame"
