// Made by `make docs` from schemas/: change those.

/**
 * Your own number or name for this request, repeated in its reply: an integer below 2^53 or a string of at most 64
 * characters. It must differ from those of your other requests still in flight on this connection. Without it the
 * reply is the bare result.
 */
export type Id = (number | string);

/**
 * A Salt token, from `auth` or from Salt itself, for this message only. By default the token of the connection's last
 * `auth`.
 */
export type Token = string;

/**
 * The trace context of your program, as in the HTTP header `traceparent` of W3C Trace Context. If the master traces
 * (Salt 3008), the request and its job belong to this trace. An invalid one is ignored.
 */
export type Traceparent = string;

/**
 * The name of one numbering of events: that of one run of the engine, or of several, after a reload or with a journal.
 * Sequence numbers are only valid within one epoch.
 */
export type Epoch = string;

/**
 * A position in the engine's history of events. The first event of an epoch has number 1, and each later event has the
 * next number.
 */
export type Seq = number;

/** A position in the numbering of one master. */
export type Position = {
  epoch: Epoch;
  /**
   * A number in this epoch. In `since` it is that of the last event that you have: the events after it are sent. 0 is
   * the position before the first event of the epoch.
   */
  seq: number;
};

/** A position in the changes of jobs, minions or batches. Send it back as it is, as `since` of the same subscription. */
export type SnapshotPosition = {
  /** The name of one numbering of changes, other than that of events. */
  epoch: string;
  /** The number of the newest change that you have. */
  seq: number;
  /** A digest of what shapes the snapshot: its kind, your filters and your permissions. */
  view: string;
};

/** A position at each master, by the master's id, where masters share a stream. */
export type Positions = Record<string, Position>;

/**
 * Your last position, from a frame or a reply: `{"epoch", "seq"}` at this server, or such a position at each master
 * that shares a stream with it, by the master's id. Events after it that are still in the history are sent first. A
 * position of jobs, minions or batches also has `view`.
 */
export type Since = Record<string, unknown>;

/** A job id: 20 digits, followed by `_` and a process id if the master's option `unique_jid` is set. */
export type Jid = string;

/** A job id, or a list of at most 64. */
export type Jids = (string | Array<Jid>);

/** The full name of a function, such as `test.ping`. */
export type Fun = string;

/** Positional arguments of the function, in order; each may be any value. */
export type Arg = Array<unknown>;

/** Keyword arguments of the function, by name, with any values. */
export type Kwarg = Record<string, unknown>;

/** `async` replies as soon as the job has started. `sync` replies when it has ended, or after `timeout` seconds. */
export type Mode = ("async" | "sync");

/** Seconds that a `sync` request waits for the end of its job. It has no effect on `async` requests. */
export type Timeout = number;

/** Seconds to wait for the minion's answer. After that the error is `timeout`. */
export type AnswerTimeout = number;

/**
 * Your own data about the job, such as a ticket number. It is stored in the job object and in Salt's job cache. All
 * users who may see the job can see it.
 */
export type Metadata = Record<string, unknown>;

/** The id of a minion. */
export type MinionId = string;

/** The id of a master, or a list of at most 64. */
export type MasterIds = (string | Array<string>);

/** A list of minion ids. */
export type MinionIds = Array<MinionId>;

/**
 * The grains of each minion: `true` for all (several KiB per minion), `false` for none, or a list of at most 64 names;
 * grains that a minion does not have are missing. Only top-level names are possible: `os`, not `dns:nameservers`.
 */
export type GrainsWanted = (boolean | Array<string>);

/**
 * The target: an expression of the type in `tgt_type`, or a list of minion ids. A list of type `compound` has the
 * words of the expression. An expression may have at most 32 patterns of 512 characters (a regular expression: 256).
 * Use a list for more minions.
 */
export type Tgt = (string | Array<string>);

/**
 * The type of the target, with Salt's names. A target that is a list has the type `list`, which is then the default,
 * or `compound`; other types are refused. A string of type `list` has ids separated by commas.
 */
export type TgtType = ("glob" | "pcre" | "list" | "grain" | "grain_pcre" | "pillar" | "pillar_pcre" | "pillar_exact" | "nodegroup" | "range" | "compound" | "ipcidr");

/**
 * The delimiter between levels of a grain or pillar in the target; Salt's default is a colon. Each word of a compound
 * target can set its own (`G|@os|Debian`).
 */
export type Delimiter = string;

/**
 * A target that is a list must have the type `list` (the default; it has ids) or `compound` (it has the words of the
 * expression).
 */
export type TargetRule = ({
  tgt?: unknown;
  pattern?: unknown;
} | {
  tgt_type?: "list";
  pattern_type?: "list";
} | CompoundRule);

/** A target of type `compound`. */
export type CompoundRule = unknown;

/** The tag of an event, such as `salt/job/20141103073312975821/new`. */
export type Tag = string;

/**
 * The wanted tags, matched according to `match_type`. One string, or a list of at most 64 of which one must match. By
 * default every event matches; so does the empty string, except with `fnmatch`.
 */
export type Tags = (string | Array<string>);

/**
 * How `tag` is compared, as in Salt: with the tag's start, its end, any part of it, a shell pattern, or a regular
 * expression found anywhere in it. Regular expressions have the syntax of RE2: no look-around, no backreferences;
 * `\d`, `\w`, `\s` and `\b` only know ASCII; `$` and `\z` are the very end of the tag, and `\Z` is invalid. An
 * expression has at most 256 characters. All expressions of one filter have at most 2,000 instructions; repetitions
 * multiply them. They never match a tag of more than 512 bytes. A server without the package `google-re2` refuses
 * them. All shell patterns of one filter have at most 4,096 characters and 512 wildcards together.
 */
export type MatchType = ("startswith" | "endswith" | "find" | "fnmatch" | "regex");

/** A regular expression has at most 256 characters. */
export type RegexRule = unknown;

/**
 * Full names of functions, in which `*`, `?` and `[...]` match as in a shell: one string, or a list of at most 64 of
 * which one must match.
 */
export type FunctionGlobs = (string | Array<string>);

/** The number of a subscription, counted from 1 on each connection. */
export type Subscription = number;

/** A time in seconds since 1970-01-01 UTC. */
export type UnixTime = number;

/** A time as ISO 8601 in UTC, such as `2014-11-03T07:33:12.975821+00:00`; null if unknown. */
export type IsoTime = (string | null);

/**
 * The user's permissions as Salt's `external_auth` grants them: names or patterns of functions, objects of a target
 * and its functions, and entries such as `@runner`.
 */
export type Perms = Array<unknown>;

/**
 * `running`; `complete`: every minion returned and none failed; `failed`: every minion returned and at least one
 * failed; `partial`: it ended without some minions; `canceled`; `unknown`: neither the bus nor the job cache has the
 * state.
 */
export type JobState = ("running" | "complete" | "failed" | "partial" | "canceled" | "unknown");

/** `job` runs on minions, `runner` and `wheel` on the master. */
export type JobKind = ("job" | "runner" | "wheel");

/** How much is done, from 0 to 100. */
export type Percent = number;

/** One minion's part of a job. */
export type JobMinion = {
  /**
   * `pending`: no report yet; `running`: it reports progress, or that it runs the job; `returned`: it returned with
   * success; `failed`: it returned without success; `missing`: it ended without a return; `canceled`.
   */
  state: ("pending" | "running" | "returned" | "failed" | "missing" | "canceled");
  /**
   * The return of the function on this minion; null before it returns. Omitted in a subscription with
   * `without_return`.
   */
  return?: unknown;
  /** The return code; 0 is success, null if unknown. */
  retcode: (number | null);
  /** Whether the function succeeded; null if unknown. */
  success: (boolean | null);
  /**
   * The name of the Salt outputter that the minion sends with its return, such as `highstate`; omitted if it sends
   * none.
   */
  out?: string;
  /** The progress of this minion, from 0 to 100, as the minion reports it; 100 when it has returned. */
  progress: Percent;
  /** The minion's last message about its progress; null without a message. */
  message: (string | null);
};

/** The fields of a job object without its minions. */
export type JobFields = {
  kind: JobKind;
  jid: Jid;
  /** The id of the master that announced it, where there is more than one. */
  master?: string;
  /**
   * The function's full name; null if unknown. For a compound command, which Salt's own clients can send, all
   * functions separated by commas; `arg` is then a list for each.
   */
  fun: (string | null);
  /**
   * The arguments in Salt's form: positional ones, then keyword arguments, if any, in an object with `__kwarg__:
   * true`. Null if unknown, and if you may see only some of the job's minions.
   */
  arg: (Array<unknown> | null);
  /**
   * The target as it was sent. Null if unknown, for jobs that run on the master, and if you may see only some of the
   * job's minions.
   */
  tgt: (string | Array<unknown> | null);
  /**
   * Only if `tgt` was cut because it is long, in the result of `list_jobs` and in frames of a subscription with
   * `short_targets`: how many names the whole target has, or how many characters if it is text.
   */
  tgt_length?: number;
  /** The type of the target, such as `glob`; null if unknown and for jobs that run on the master. */
  tgt_type: (string | null);
  /** The user who started the job, under Salt's name; null if unknown. */
  user: (string | null);
  /** When the job started, as ISO 8601 in UTC; null if unknown. */
  start_time: IsoTime;
  /** When the job ended, as ISO 8601 in UTC; null while it runs and if unknown. */
  end_time: IsoTime;
  /** The `metadata` that the job was started with; null without metadata. */
  metadata: unknown;
  state: JobState;
  /** How many minions the job has, of those that you may see; 0 for a job that runs on the master. */
  total: number;
  /** How many of them have returned, or ended without a return. */
  done: number;
  /** How many of them have returned without success. */
  failed: number;
  /** How many of them have ended without a return, other than those that were canceled. */
  missing: number;
  /** How many of them were canceled before they returned. */
  canceled: number;
  /** The progress of the whole job, from 0 to 100. It increases with returns and with reports of minions. */
  progress: Percent;
  /** Only of a runner or wheel: its return; null before it returns. */
  return?: unknown;
  /** Only of a runner or wheel: whether it succeeded; null while unknown. */
  success?: (boolean | null);
};

/** A job object without its `minions`. */
export type JobSummary = JobFields;

/** A job, its counts and the parts of its minions. */
export type Job = {
  /** The parts of all minions that you may see, by minion id; empty for a job that runs on the master. */
  minions: Record<string, JobMinion>;
} & JobFields;

/** A job that was started. */
export type Started = {
  jid: Jid;
  /** The ids of the job's minions. */
  minions: Array<string>;
};

/** The id of a batch. Ids of batches and requests are below 2^53 and unique, whichever master gave them. */
export type BatchId = number;

/**
 * `pending`: nothing was sent yet; `dispatching`: it runs; `resolved`: all requests were successful; `error`: all
 * requests have ended, and some failed; `timeout`: its timeout expired; `canceled`.
 */
export type BatchStatus = ("pending" | "dispatching" | "resolved" | "error" | "timeout" | "canceled");

/**
 * `pending`: not sent yet; `sent`: it runs on its minion, or is about to; `resolved`: the function returned
 * successfully; `error`: it failed, or there is no return; `timeout`: the timeout of the batch expired; `canceled`.
 */
export type RequestStatus = ("pending" | "sent" | "resolved" | "error" | "timeout" | "canceled");

/** A time in UTC, such as `2011-12-19T15:28:46.493Z`; null if it has not happened yet. */
export type BatchTime = (string | null);

/**
 * Seconds after which the batch and all its requests end; null: no timeout. Functions that run on minions are not
 * stopped.
 */
export type BatchTimeout = (number | null);

/** The maximum number of requests that run at once. 0: no maximum. */
export type Concurrency = number;

/** What to do when a request ends as `error`: `continue`, or `stop`: send nothing more and cancel the unsent requests. */
export type OnError = ("continue" | "stop");

/** A name for people, such as `kernel update, rack 4`; null without one. Names need not be unique. */
export type BatchName = (string | null);

/** The fields that every batch object has. */
export type BatchFields = {
  id: BatchId;
  /** When it was created, in UTC. */
  created_at: BatchTime;
  /** When it ended, in UTC; null until then. */
  finished_at: BatchTime;
  timeout: BatchTimeout;
  concurrency: Concurrency;
  on_error: OnError;
  status: BatchStatus;
  /** Percent: ended requests count fully, running ones with the progress that they report. */
  progress: number;
  /** How many requests there are. */
  total_count: number;
  /** How many of them are `resolved`. */
  done_count: number;
  /** How many of them are `error` or `timeout`. */
  error_count: number;
  name: BatchName;
  /** The functions that it runs, sorted, at most 20. */
  functions: Array<Fun>;
  /**
   * The target, if all items have the same expression; null for lists of ids, several expressions, and more than 1,000
   * characters.
   */
  tgt: (string | null);
  /** The type of `tgt`; null without it. */
  tgt_type: (string | null);
  /** Whether it is paused: nothing more is sent, and what runs goes on to its end. */
  paused: boolean;
  /** The owner of the batch. */
  user: string;
  /** The id of the master that runs it, or ran it to its end, where there is more than one. */
  master?: string;
};

/** A batch object without its `requests`. */
export type BatchSummary = BatchFields;

/** A batch: many requests to many minions, tracked as one. */
export type Batch = {
  /** The requests of the batch: their ids, or with `collection` the requests. */
  requests: Array<(BatchId | Request)>;
} & BatchFields;

/** One call on one minion. */
export type Request = {
  /** The id of the request. */
  id: BatchId;
  /** The id of the minion. */
  minion: string;
  /** The full name of the function, such as `system.reboot`. */
  fun: string;
  /** The positional arguments. Secrets are replaced by `(redacted)`, as in a job. */
  arg: Array<unknown>;
  /** The keyword arguments. Secrets are replaced by `(redacted)`, as in a job. */
  kwarg: Record<string, unknown>;
  /** The `method` of the item, or `post`. */
  method: string;
  /** The function as a path, such as `/system/reboot`. */
  resource: string;
  /** The `tunnel` of the item; omitted if the item had none. */
  tunnel?: string;
  /** When it was created, in UTC. */
  created_at: BatchTime;
  /** When it ended, in UTC; null until then. */
  finished_at: BatchTime;
  status: RequestStatus;
  /** Percent, as the minion reports it; 100 after a successful return. */
  progress: number;
  /**
   * What the function returned, successful or not. An empty object until the request ends. Without a return,
   * `{"error", "message"}`: `missing`, `outcome_unknown`, `no_minions`, `canceled`, `stopped`, `timeout` or an error
   * code. A return above 64 KiB is kept in its job only: `{"jid", "bytes", "message"}`.
   */
  result: unknown;
  /** The return code; null if there is none. */
  retcode: (number | null);
  /** The last message that the minion sent with its progress; null if there is none. */
  message: (string | null);
  /** The job that sent the request, for `get_job`; null until it was sent. */
  jid: (string | null);
};

/** A minion as the master knows it. No command is sent for this. */
export type Minion = {
  /** The minion's id. */
  id: string;
  /** The state of the minion's key on this master; null if unknown, and if you may not see keys. */
  key: ("accepted" | "pending" | "rejected" | "denied" | null);
  /**
   * Whether the minion is connected, according to the master's presence events and the minion's returns; null if
   * unknown.
   */
  connected: (boolean | null);
  /** When the minion was last seen, as ISO 8601 in UTC; null if not since the engine started. */
  seen: IsoTime;
  /**
   * The requested grains from the master's cache; null if it has none, if you may not see them, and if none were
   * requested.
   */
  grains: (Record<string, unknown> | null);
  /**
   * The id of the master that has its key, where masters share a stream; this one, if it has the key too. Functions
   * run on the minions of the serving master only.
   */
  master?: string;
  /**
   * The syndic that passed on an event about the minion: it belongs to a master below. The field is absent for a
   * minion of this master.
   */
  syndic?: string;
  /**
   * For a resource of Salt 3008: what it is. It has an id and returns of its own, and no key. The field is absent for
   * a minion.
   */
  resource?: {
    /** The type of the resource, as in the target `T@type`. */
    type: string;
    /** The id of the minion that manages it. */
    minion: string;
  };
};

/** The reason why a request failed. */
export type Error = {
  /** The kind of error: a code of the table of errors. */
  code: string;
  /** What went wrong, in one sentence for people. */
  message: string;
  /**
   * Details that depend on the code. For `bad_message`, a list of all faults, each with its `path` (a JSON Pointer
   * into your message) and `message`. If a command may run although its request failed, an object with `sent: true`.
   * It also has `jid`, the command's job, or `batch`, the batch that was created, or else `since`: if the command
   * runs, `list_jobs` with this `since` has its job. Without `sent: true` the command did not run. Null without
   * details.
   */
  details: unknown;
  /** Whether the same request may succeed later, unchanged. */
  retryable: boolean;
};

/**
 * Logs in with a name and a password, or with an existing Salt token. The connection belongs to this user until the
 * next `auth`. Earlier subscriptions keep the token that they were made with. A user without any permission is
 * refused.
 */
export type AuthRequest = {
  /** Always `auth`. */
  type: "auth";
  id?: Id;
  /** The name to log in with. */
  username?: string;
  /**
   * The password, or what the backend accepts instead. It must not be empty, because some directories treat an empty
   * password as an anonymous login.
   */
  password?: string;
  /**
   * The backend that checks the password, such as `pam` or `ldap`. By default the one in the server's option `eauth`
   * (`pam`, if that is not set).
   */
  eauth?: string;
  /** An existing Salt token, instead of a name and a password. */
  token?: string;
  traceparent?: Traceparent;
} & ({
  token?: unknown;
} | {
  username?: unknown;
  password?: unknown;
  eauth?: unknown;
});

/** The token and its user. */
export type AuthResult = {
  /** The token. It is valid in all protocols of this server and for Salt itself. Keep it secret. */
  token: string;
  /** When the token was created, in seconds since 1970-01-01 UTC. */
  start: UnixTime;
  /**
   * When the token expires, in seconds since 1970-01-01 UTC. The connection is then closed with code 4401, unless it
   * has logged in again.
   */
  expire: UnixTime;
  /** The name that the user logged in with. */
  name: string;
  /** The same as `name`, under the name that other parts of Salt use. */
  user: string;
  /** The same as `name`. */
  username: string;
  /** The backend that the user logged in with. */
  eauth: string;
  perms: Perms;
};

/**
 * Creates a batch: every item becomes one request for each of its minions, and all are tracked as one. Requests with
 * the same function and arguments, in the same form, are sent as one job, in the order of the items, at most
 * `concurrency` of them at once. The batch is sent with your token; when the token ends, unsent requests end as
 * `error`. The batch continues when you disconnect, and when the engine or the master restarts. The server's option
 * `clients` must name `local_async` or `local`. If anything is invalid, nothing is created. An id without an accepted
 * key becomes a request that ended as `error`, if any other minion is matched.
 */
export type BatchRequest = {
  /** Always `batch`. */
  type: "batch";
  id?: Id;
  token?: Token;
  traceparent?: Traceparent;
  /** The functions and their targets. The limit `batch_requests` applies to the requests of all items together. */
  batch: Array<{
    /** With `resource`: an HTTP method. It is stored and returned, but not used. */
    method?: string;
    /** The function to run as a path: `/system/reboot` is `system.reboot`. */
    resource?: string;
    /** With `resource`: the keyword arguments of the function, and under `__args` the positional ones. */
    data?: {
      /** Positional arguments, in order. */
      __args?: Array<unknown>;
    };
    /**
     * With `resource`: a field of the puppetmaster's messages, such as `/remote`. It is stored and returned, but not
     * used.
     */
    tunnel?: string;
    /** With `resource`: the target. */
    __request?: {
      /** The id of a minion, or a list of ids: each becomes a request. */
      destination?: (string | Array<MinionId>);
      /** The same as `destination`; give one of the two. */
      __destination?: (string | Array<MinionId>);
    };
    /** The full name of the function to run, such as `system.reboot`; give this or `resource`. */
    fun?: Fun;
    arg?: Arg;
    kwarg?: Kwarg;
    /** With `fun`: the target, an expression of the type `tgt_type`, or a list of ids. Each minion becomes a request. */
    tgt?: Tgt;
    tgt_type?: TgtType;
  } & TargetRule>;
  name?: BatchName;
  /**
   * Seconds after which the batch and all its requests end; null or `"infinity"`: no timeout, which is returned as
   * null. Functions that run on minions are not stopped.
   */
  timeout?: (number | string | null);
  concurrency?: Concurrency;
  on_error?: OnError;
};

/** The batch, with the ids of its requests. */
export type BatchResult = Batch;

/**
 * Stops a job on the minions that still run it. You may always cancel your own jobs. To cancel other jobs you need
 * permission to run `saltutil.term_job` or `saltutil.kill_job` on their minions. A job that has ended cannot be
 * canceled: error `conflict`. A minion that stopped the job becomes `canceled`. A cancel that reaches a minion before
 * it has started the job is lost, as with Salt's own `saltutil.term_job`, and the minion runs the job. So if a minion
 * is still `pending` or `running` some seconds later, cancel again.
 */
export type CancelRequest = {
  /** Always `cancel`. */
  type: "cancel";
  id?: Id;
  token?: Token;
  traceparent?: Traceparent;
  /** The id of the job to cancel. */
  jid: Jid;
  /** `term` asks the job's process to end (`saltutil.term_job`); `kill` kills it (`saltutil.kill_job`). */
  signal?: ("term" | "kill");
};

/** The job, and the minions that the request was sent to. */
export type CancelResult = {
  /** The id of the canceled job. */
  jid: Jid;
  /** The ids of the minions that the request was sent to. */
  minions: Array<string>;
};

/**
 * Cancels a batch: nothing more is sent, and running functions are stopped on their minions (`saltutil.term_job`). You
 * may cancel every batch that you may see. If another master drives the batch, that one stops it within some seconds.
 */
export type CancelBatchRequest = {
  /** Always `cancel_batch`. */
  type: "cancel_batch";
  id?: Id;
  token?: Token;
  traceparent?: Traceparent;
  batch: BatchId;
  /**
   * Whether to forget the batch as well. Without it the batch stays with the status `canceled`, and a batch that has
   * ended cannot be canceled.
   */
  forget?: boolean;
};

/** The batch; null if it was forgotten. */
export type CancelBatchResult = (BatchSummary | null);

/**
 * Runs one function on the minions that a target matches, as a Salt job. The server's option `clients` must contain
 * `local`; for `mode: async`, `local_async` is enough. Salt itself checks your permissions. To see the job's progress,
 * subscribe to it (`subscription: job`) or request it (`get_job`). If you may run the function on some minions only, a
 * target that depends on grains or pillar matches only those minions; `minions` lists them.
 */
export type CmdRequest = {
  /** Always `cmd`. */
  type: "cmd";
  id?: Id;
  token?: Token;
  traceparent?: Traceparent;
  /** The full name of the function to run, such as `test.ping`. */
  method?: Fun;
  /** The same as `method`, under Salt's name. Send exactly one of the two. */
  fun?: Fun;
  /** The target: an expression of the type in `pattern_type`, or a list of minion ids. */
  pattern?: Tgt;
  /** The same as `pattern`, under Salt's name. Send exactly one of the two. */
  tgt?: Tgt;
  pattern_type?: TgtType;
  /** The same as `pattern_type`, under Salt's name. Send at most one of the two. */
  tgt_type?: TgtType;
  /**
   * Positional arguments of the function, in order. They can be any values, with two exceptions. A string of the form
   * `name=value` needs `parse`. An object with the key `__kwarg__` is refused, because Salt marks keyword arguments
   * with this key.
   */
  args?: Arg;
  /** The same as `args`, under Salt's name. Send at most one of the two. */
  arg?: Arg;
  kwargs?: Kwarg;
  /** The same as `kwargs`, under Salt's name. Send at most one of the two. */
  kwarg?: Kwarg;
  mode?: Mode;
  timeout?: Timeout;
  metadata?: Metadata;
  /**
   * Whether state functions (`state.apply`, `state.sls`, `state.highstate`) report each state that they have run, so
   * that the job has a progress. The minions need no configuration for this.
   */
  progress?: boolean;
  /**
   * Whether positional strings of the form `name=value` are keyword arguments, as on Salt's command line. Otherwise
   * such a string is refused, because minions would still read it as a keyword argument.
   */
  parse?: boolean;
  delimiter?: Delimiter;
  /**
   * Salt returners that the minions also send their returns to, separated by commas. Refused unless the server's
   * option `allow_ret` is set.
   */
  ret?: string;
} & TargetRule;

/**
 * With `mode: async`: the job's id and its minions, as soon as it has started; on a master of masters, minions below
 * are named later, in the job. With `mode: sync`: the job object, when the job has ended or after the timeout; after
 * the timeout its `state` is still `running`.
 */
export type CmdResult = (Started | Job);

/**
 * Describes this server: its version, what is enabled, its limits, all errors and close codes, and the JSON Schema of
 * every operation. A client can build forms from the schemas, and check its own messages.
 */
export type DescribeRequest = {
  /** Always `describe`. */
  type: "describe";
  id?: Id;
  token?: Token;
  traceparent?: Traceparent;
};

/** The description of this server. */
export type DescribeResult = {
  /** The version of the engine and of its schemas. */
  version: string;
  /** The Salt master that this server runs in. */
  master: {
    /** The master's `id` of its configuration. */
    id: string;
    /** The version of Salt. */
    salt: string;
    /** The `cluster_id` of the cluster that the master belongs to; null if it belongs to none. */
    cluster: (string | null);
  };
  /**
   * The other masters whose events this server sends, by id, where masters share a stream. A master whose server has
   * not run for a day is left out, with its minions, once its last events have left the history.
   */
  masters: Record<string, {
    /** Whether its newest events may be missing here now: its server does not run, or the common log fails. */
    stale: boolean;
    /** If it is stale: when its server last wrote to the common log. Missing if unknown. */
    seen?: IsoTime;
  }>;
  epoch: Epoch;
  /** The websocket subprotocols of this server, the default first. */
  subprotocols: Array<string>;
  /**
   * Which of Salt's clients may be used, such as `local` for `cmd` with `mode: sync` and `runner_async` for `runner`
   * with `mode: async`.
   */
  clients: Array<string>;
  /** The limits of this server by name; protocol.md explains each one. */
  limits: Record<string, number>;
  /** The JSON Schema (draft 2020-12) of each operation, by its `type`, without references. */
  operations: Record<string, Record<string, unknown>>;
  /** The kinds of subscription. */
  subscriptions: Array<string>;
  /** Every error by its code. */
  errors: Record<string, {
    /** Whether the same request may succeed later. An error can override it. */
    retryable: boolean;
    /** What it means. */
    meaning: string;
  }>;
  /** Every close code of this server by its number. The number is a string here, because keys in JSON are strings. */
  close_codes: Record<string, {
    /** A short name. */
    name: string;
    /** Whether to reconnect, and how. */
    reconnect: string;
    /** What happened. */
    meaning: string;
  }>;
};

/**
 * Fires an event on the master's bus, or with `tgt` on the buses of minions. On the master's bus you need permission
 * to fire this tag (see `can` in `whoami`), because reactors act on events. Tags that belong to Salt, such as those
 * that start with `salt/`, cannot be fired. On minions you need permission to run `event.fire`.
 */
export type EventRequest = {
  /** Always `event`. */
  type: "event";
  id?: Id;
  token?: Token;
  traceparent?: Traceparent;
  /** The tag of the event. */
  tag: Tag;
  /**
   * The data of the event. On the master's bus the server adds the sender as `_user`, `_eauth` and `_via`. A body with
   * one of these fields, or with `__peer_id`, is refused.
   */
  body: Record<string, unknown>;
  /**
   * The minions on whose buses the event is fired: an expression of the type in `tgt_type`, or a list of minion ids.
   * By default the event is fired on the master's bus.
   */
  tgt?: Tgt;
  tgt_type?: TgtType;
} & TargetRule;

/** Always true: the event was fired, or sent to the minions. */
export type EventResult = true;

/**
 * Lists the functions that you may run: functions of execution modules on minions (`tgt`), or runners or wheel
 * functions of the master (`client`). With `tgt`, one of the minions is asked by a normal job, preferably one with a
 * cached answer, then one that is connected. A cached answer is returned at once; if it is older than a minute, the
 * minion is asked again for the next call. No answer is older than an hour. An answer is only valid for its minion.
 */
export type FunctionsRequest = {
  /** Always `functions`. */
  type: "functions";
  id?: Id;
  token?: Token;
  traceparent?: Traceparent;
  /** The target; one of its minions is asked. An expression of the type in `tgt_type`, or a list of minion ids. */
  tgt?: Tgt;
  tgt_type?: TgtType;
  /** List the master's runners or wheel functions. No minion is asked. */
  client?: ("runner" | "wheel");
  timeout?: AnswerTimeout;
} & TargetRule;

/** The full names of the functions, sorted. */
export type FunctionsResult = Array<string>;

/**
 * Returns one batch, or one request of a batch. Users with the permission `.*` see the batches of all users; others
 * see their own, and get `not_found` for all others.
 */
export type GetBatchRequest = {
  /** Always `get_batch`. */
  type: "get_batch";
  id?: Id;
  token?: Token;
  traceparent?: Traceparent;
  /** The id of the batch; give this or `request`. */
  batch?: BatchId;
  /** The id of a request; give this or `batch`. */
  request?: BatchId;
  /** Whether `requests` has the requests instead of their ids. */
  collection?: boolean;
  /** With `collection`: how many requests to skip. */
  offset?: number;
  /** With `collection`: the maximum number of requests. */
  limit?: number;
};

/** The batch, or the request if `request` was given. */
export type GetBatchResult = (Batch | Request);

/**
 * Waits for the next matching event, as Salt's own `get_event` does. This is the next one after the last event that
 * this connection got from `get_event` with the same filter (`tag`, `match_type`), so no event is missed between two
 * calls. The first call waits for new events.
 */
export type GetEventRequest = {
  /** Always `get_event`. */
  type: "get_event";
  id?: Id;
  token?: Token;
  traceparent?: Traceparent;
  tag?: Tags;
  match_type?: MatchType;
  /** Only events of these masters, where there is more than one. */
  master?: MasterIds;
  /** Seconds to wait for the event; 0 returns only an event that has already arrived. */
  wait?: number;
  /** Whether the result also has the event's tag and number. */
  full?: boolean;
  /**
   * A position to start from (`{"epoch", "seq"}`, or one at each master that shares a stream), instead of the last
   * event that this connection got. If the events after it are no longer in the history, the error is `gap`.
   */
  since?: Since;
} & RegexRule & {
  since?: unknown;
};

/**
 * The event's data. It is an object in the master's own events, and can be anything in an event from a minion. With
 * `full` it is an object with `seq`, `tag` and `data`, and `minion` if a minion sent the event. Null if no event
 * arrived in time.
 */
export type GetEventResult = unknown;

/**
 * Returns one job by its id, with the parts of all minions that you may see. The engine knows it from the bus, or
 * reads it from the master's job cache. Salt's `salt-run jobs.lookup_jid JID` returns only `{minion: return}`; here
 * that is the `return` of each of `minions`. For Salt's own form run the runner: `{"type": "runner", "fun":
 * "jobs.lookup_jid", "arg": ["JID"], "mode": "sync"}`, which needs `@runner` or `@jobs`.
 */
export type GetJobRequest = {
  /** Always `get_job`. */
  type: "get_job";
  id?: Id;
  token?: Token;
  traceparent?: Traceparent;
  jid: Jid;
  /** Return the part of this minion only, which keeps the reply small. The counts are still those of the whole job. */
  minion?: MinionId;
};

export type GetJobResult = Job;

/**
 * Fires `salt/netapi/hook/<hook>` on the master's bus with the content of a webhook, for reactors, as `/hook` over
 * HTTP does. Every user may do this, so reactors must check the content. If the server's option `webhook_disable_auth`
 * is set, no login is needed, and each address may send ten webhooks per second.
 */
export type HookRequest = {
  /** Always `hook`. */
  type: "hook";
  id?: Id;
  token?: Token;
  traceparent?: Traceparent;
  /**
   * The rest of the tag, such as `github/push`. Slashes at its end are removed. Without it the tag is
   * `salt/netapi/hook`.
   */
  hook?: string;
  /** The posted content, decoded according to its type; usually an object. */
  post?: unknown;
  /** The parameters of the query, by name. */
  get?: Record<string, unknown>;
  /** The headers of the webhook, by name. Headers with credentials of this API are removed. */
  headers?: Record<string, string>;
  /**
   * The unchanged body, for reactors that check a signature: text whose UTF-8 encoding is the body, or with
   * `body_encoding` its base64 encoding.
   */
  body?: string;
  /** Is sent if `body` is in base64, because its bytes are not UTF-8. Without it `body` is the text itself. */
  body_encoding?: "base64";
};

/** Always true: the event was fired. */
export type HookResult = true;

/**
 * Lists the batches that you may see, newest first, without their requests. Batches that have ended are kept for
 * `batch_keep` days.
 */
export type ListBatchesRequest = {
  /** Always `list_batches`. */
  type: "list_batches";
  id?: Id;
  token?: Token;
  traceparent?: Traceparent;
  /** Only batches of this status. */
  status?: BatchStatus;
  /**
   * Only batches that these masters run or ran, where there is more than one: the id of a master, or a list of at most
   * 64. A batch that another master took over belongs to both.
   */
  master?: MasterIds;
  /** The maximum number of batches. */
  limit?: number;
};

/** The batches, the newest first. */
export type ListBatchesResult = Array<BatchSummary>;

/**
 * Lists the jobs that you may see, newest first, without their minions. A job must match all filters. For the next
 * page, send the same request with `before` set to the last job id of this page.
 */
export type ListJobsRequest = {
  /** Always `list_jobs`. */
  type: "list_jobs";
  id?: Id;
  token?: Token;
  traceparent?: Traceparent;
  /** Only jobs of this function: a full name, in which `*`, `?` and `[...]` match as in a shell. */
  fun?: string;
  /** Only jobs that these masters announced, where there is more than one: the id of a master, or a list of at most 64. */
  master?: MasterIds;
  /** Only jobs that this user started. */
  user?: string;
  /** Only jobs that this minion is part of. Each then has `minions` with its part only, without the return. */
  minion?: MinionId;
  /** Only jobs in this state. */
  state?: JobState;
  /** Only jobs of this kind: `job` on minions, `runner` and `wheel` on the master. */
  kind?: JobKind;
  /** Only jobs with all of these words in their job id, function, target or user, in upper or lower case. */
  search?: string;
  /**
   * Whether to list also jobs that are in the master's job cache only, and no longer in memory. This takes longer. The
   * server reads the newest 5,000 jobs there that `since` and `before` leave, and the returns of at most 300 that
   * match.
   */
  stored?: boolean;
  /** Only jobs whose metadata contain all of these keys with these values. */
  metadata?: Record<string, unknown>;
  /**
   * Whether to return long targets whole. By default `tgt` has at most 100 names, or 2,000 characters, and
   * `tgt_length` tells how many there are.
   */
  whole_targets?: boolean;
  /** Only jobs started after this one: a job id. */
  since?: Jid;
  /** Only jobs started before this one: a job id. */
  before?: Jid;
  /** Maximum number of jobs. */
  limit?: number;
};

/** Job objects without their `minions`, newest first; with `minion`, each has the part of that minion. */
export type ListJobsResult = Array<(JobSummary | Job)>;

/**
 * Lists the minions that you may see, with the state of their keys, whether they are connected, and their grains from
 * the master's cache. On a master of masters, minions below that an event has named are included, each with its
 * `syndic`. No command is sent to minions.
 */
export type ListMinionsRequest = {
  /** Always `list_minions`. */
  type: "list_minions";
  id?: Id;
  token?: Token;
  traceparent?: Traceparent;
  /** Only these minions. By default all minions that you may see. */
  minions?: MinionIds;
  /**
   * Only minions with a key at these masters, where masters share a stream: the id of a master, or a list of at most
   * 64. In a cluster of masters `master` is refused: a minion belongs to all of them.
   */
  master?: MasterIds;
  /**
   * Only minions that this target matches and that you may ping: an expression of the type in `tgt_type`, or a list of
   * minion ids. Minions of other masters that share a stream are matched by their ids only. By default all minions
   * that you may see.
   */
  tgt?: Tgt;
  tgt_type?: TgtType;
  delimiter?: Delimiter;
  grains?: GrainsWanted;
} & TargetRule;

/** The minions, sorted by id, or in the order of `minions`. */
export type ListMinionsResult = Array<Minion>;

/**
 * Revokes the token in Salt itself. Subscriptions that were made with it end within a second. Connections that are
 * logged in with it are closed with code 4401.
 */
export type LogoutRequest = {
  /** Always `logout`. */
  type: "logout";
  id?: Id;
  /** The token to revoke. By default the token of the connection's last `auth`. */
  token?: Token;
  traceparent?: Traceparent;
};

/** Always true: the token is revoked. */
export type LogoutResult = true;

/**
 * Lists the minions that a target matches and on which you may run `fun`. The master matches by its keys and caches;
 * on a master of masters, known minions below are matched by id. No command is sent to minions.
 */
export type MatchRequest = {
  /** Always `match`. */
  type: "match";
  id?: Id;
  token?: Token;
  traceparent?: Traceparent;
  tgt: Tgt;
  tgt_type?: TgtType;
  delimiter?: Delimiter;
  /** The function that you would run on them, without arguments. */
  fun?: Fun;
} & TargetRule;

/** The ids of the minions, sorted; an empty list if the target matches none. */
export type MatchResult = Array<string>;

/**
 * Sends nothing more of a batch until it is resumed. Functions that run go on to their end, and their returns count. A
 * pause survives restarts of the engine and the master, and the loss of the master that drives the batch. The batch's
 * `timeout` and the lifetime of its token go on. A paused batch can be paused again, without effect. You may pause
 * every batch that you may see; an ended one is a `conflict`.
 */
export type PauseBatchRequest = {
  /** Always `pause_batch`. */
  type: "pause_batch";
  id?: Id;
  token?: Token;
  traceparent?: Traceparent;
  batch: BatchId;
};

/** The batch. If another master drives it, `paused` changes within some seconds. */
export type PauseBatchResult = BatchSummary;

/** Returns the server's time at once, without Salt or minions. To test minions, run `test.ping` with `cmd`. */
export type PingRequest = {
  /** Always `ping`. */
  type: "ping";
  id?: Id;
  token?: Token;
  traceparent?: Traceparent;
};

/** The server's time, its version, and its position in the history of events. */
export type PingResult = {
  /** The server's time, in seconds since 1970-01-01 UTC. */
  time: UnixTime;
  /** The version of the engine. */
  version: string;
  epoch: Epoch;
  /**
   * The number of the newest event. Within one epoch the difference between two replies is about the number of events
   * between them.
   */
  seq: Seq;
};

/**
 * Continues a paused batch with its next requests. A batch that is not paused can be resumed, without effect. You may
 * resume every batch that you may see; an ended one is a `conflict`.
 */
export type ResumeBatchRequest = {
  /** Always `resume_batch`. */
  type: "resume_batch";
  id?: Id;
  token?: Token;
  traceparent?: Traceparent;
  batch: BatchId;
};

/** The batch. If another master drives it, `paused` changes within some seconds. */
export type ResumeBatchResult = BatchSummary;

/**
 * Runners are Salt functions that run on the master, to administer it or to work with several minions. The server's
 * option `clients` must contain `runner`; for `mode: async`, `runner_async` is enough. Salt itself checks your
 * permissions.
 */
export type RunnerRequest = {
  /** Always `runner`. */
  type: "runner";
  id?: Id;
  token?: Token;
  traceparent?: Traceparent;
  /** The full name of the function to run, such as `jobs.active`. */
  method?: Fun;
  /** The same as `method`, under Salt's name. Send exactly one of the two. */
  fun?: Fun;
  args?: Arg;
  /** The same as `args`, under Salt's name. Send at most one of the two. */
  arg?: Arg;
  /** Keyword arguments of the function, by name, with any values. */
  kwargs?: Kwarg;
  /** The same as `kwargs`, under Salt's name. Send at most one of the two. */
  kwarg?: Kwarg;
  /**
   * `async` replies as soon as the function has started. `sync` replies with its return, or with the error `timeout`
   * after `timeout` seconds.
   */
  mode?: Mode;
  /**
   * Seconds that a `sync` request waits for the return. The function continues after that. It has no effect on `async`
   * requests.
   */
  timeout?: Timeout;
  /**
   * With `mode: sync`: whether the reply is an object with `jid`, `tag`, `return` and `success`, instead of only the
   * return.
   */
  full?: boolean;
};

/**
 * With `mode: async`: the id of the run and the start of its tags, as soon as the function has started. With `mode:
 * sync`: the return of the function, any value; with `full`, the run with its return.
 */
export type RunnerResult = unknown;

/**
 * Describes the arguments of a function: a function of an execution module on a minion (`tgt`), or a runner or wheel
 * function of the master (`client`). With `tgt`, one of the minions is asked by a normal job, preferably one with a
 * cached answer, then one that is connected. A cached answer is returned at once; if it is older than a minute, the
 * minion is asked again for the next call. No answer is older than an hour. An answer is only valid for its minion.
 */
export type SignatureRequest = {
  /** Always `signature`. */
  type: "signature";
  id?: Id;
  token?: Token;
  traceparent?: Traceparent;
  /** The full name of the function, such as `test.ping`. */
  module: Fun;
  /** The target; one of its minions is asked. An expression of the type in `tgt_type`, or a list of minion ids. */
  tgt?: Tgt;
  tgt_type?: TgtType;
  /** The function is a runner or wheel function of the master. No minion is asked. */
  client?: ("runner" | "wheel");
  timeout?: AnswerTimeout;
} & TargetRule;

/** The arguments of the function. */
export type SignatureResult = {
  /** The names of the arguments, in order. */
  args: Array<string>;
  /** The default values of the last arguments, in order; null if none has one. */
  defaults: (Array<unknown> | null);
  /** Whether the function accepts any number of further positional arguments: true or their name; null or false if not. */
  varargs: (string | boolean | null);
  /** Whether the function accepts further keyword arguments: true or their name; null or false if not. */
  keywords: (string | boolean | null);
  /** The function's documentation; null if it has none, or you may not read it. */
  doc: (string | null);
  /** A JSON Schema (draft 2020-12) of the keyword arguments, for forms and checks. */
  schema: Record<string, unknown>;
};

/**
 * Starts a stream of frames on this connection. `event` sends the events of the master's bus that you may see. `job`,
 * `minions` and `batch` send jobs, minions and batches when they change; they start with a snapshot, which ends with
 * the frame `live`. Without `jid`, or with `*`, the snapshot contains the jobs in memory that you may see, newest
 * first, and new jobs follow. There is no frame for a job that leaves the memory. The reply comes before the first
 * frame.
 */
export type SubscribeRequest = {
  /** Always `subscribe`. */
  type: "subscribe";
  id?: Id;
  /**
   * The Salt token of this subscription, which ends with the token. By default the token of the connection's last
   * `auth`.
   */
  token?: Token;
  traceparent?: Traceparent;
  /** What to subscribe to. `jobs` means the same as `job`. */
  subscription: ("event" | "job" | "minions" | "batch" | "jobs");
  /**
   * For `event`: the wanted tags, matched according to `match_type`. One string, or a list of at most 64 of which one
   * must match. By default every event matches; so does the empty string, except with `fnmatch`.
   */
  tag?: Tags;
  match_type?: MatchType;
  /** Only these minions: their events, their parts of jobs, or the minions themselves. By default all that you may see. */
  minions?: MinionIds;
  /**
   * Only events of these masters, jobs that they announced, minions with a key there, or batches that they run or ran,
   * where there is more than one master. By default all. An unknown master is not an error: it may start later. In a
   * cluster of masters `minions` refuses `master`: a minion belongs to all of them. A batch that another master took
   * over belongs to both; `master` does not go with the id of a `batch`.
   */
  master?: MasterIds;
  /**
   * For `event`: only events of jobs, runners and wheels that run these functions. A full name, in which `*`, `?` and
   * `[...]` match as in a shell, or a list of at most 64 names of which one must match. Names with such characters
   * have at most 4,096 characters and 512 of these together.
   */
  fun?: FunctionGlobs;
  /**
   * For `job`: the jobs to subscribe to; with `*`, or by default, all that you may see. For `event`: only events of
   * these jobs. One job id, or a list of at most 64.
   */
  jid?: (string | Array<Jid>);
  /**
   * For `minions`: only minions whose key is accepted and that are not known to be disconnected. A minion that
   * disconnects is sent as null.
   */
  connected?: boolean;
  /**
   * For `minions`: the grains of each minion. `true` for all (several KiB per minion), `false` for none, or a list of
   * at most 64 names; grains that a minion does not have are missing. A minion is sent when any of its grains change,
   * also if they are not in the list.
   */
  grains?: GrainsWanted;
  /**
   * For `batch`: the batch to subscribe to. By default all that you may see, without their requests, and without
   * batches that have already ended.
   */
  batch?: BatchId;
  /** For `batch`: whether frames contain the requests that changed. */
  collection?: boolean;
  /**
   * For `event`: your last position, from a frame or a reply: `{"epoch", "seq"}` here, or such a position at each
   * master that shares a stream with this one, by the master's id. Events after it that are still in the history are
   * sent first. If events are missing, a `gap` frame tells which. For `job`, `minions` and `batch`: the last
   * `position` of the same subscription, from `live` or a bookmark. If the server still knows what changed since, only
   * that is sent; else the whole snapshot.
   */
  since?: Since;
  /** For `event`: whether one frame of type `events` may contain several events. This makes fast streams much cheaper. */
  bundle?: boolean;
  /**
   * For `event`: what happens if you read too slowly and the outbox is full. `close` closes the connection with code
   * 4410, and you resume with `since`. `drop` drops the oldest frames of this subscription, and counts them in a `gap`
   * frame.
   */
  overflow?: ("close" | "drop");
  /** For `event` and `job`: whether to omit the returns of functions, which are the largest part of most streams. */
  without_return?: boolean;
  /**
   * For `job`: whether to cut long targets as `list_jobs` does: `tgt` has at most 100 names, or 2,000 characters, and
   * `tgt_length` tells how many there are. Every frame about a job has its target, so a job on a list of thousands of
   * minions takes far fewer bytes. `get_job` has the whole target.
   */
  short_targets?: boolean;
} & RegexRule;

/** The subscription's number and its start position. */
export type SubscribeResult = {
  /** The number of this subscription, which its frames carry. */
  subscription: Subscription;
  epoch: Epoch;
  /**
   * The newest number in the history at the time of this reply. Live events have higher numbers; events requested with
   * `since` have lower ones.
   */
  seq: Seq;
  /**
   * Null without `since`. For `event`: whether the history has all events after `since`; if false, a `gap` frame
   * follows. For `job`, `minions` and `batch`: true if only what changed since follows, false if the whole snapshot
   * follows.
   */
  recovered: (boolean | null);
  /** Where masters share a stream: the newest position at each of them. */
  since?: Positions;
};

/** Ends a subscription of this connection. It sends no frames after the reply. */
export type UnsubscribeRequest = {
  /** Always `unsubscribe`. */
  type: "unsubscribe";
  id?: Id;
  token?: Token;
  traceparent?: Traceparent;
  /** The number of the subscription, from the reply to `subscribe`. */
  subscription: Subscription;
};

/** Always true: the subscription has ended. */
export type UnsubscribeResult = true;

/**
 * Wheel functions manage the master itself: its keys, its configuration and its files. The server's option `clients`
 * must contain `wheel`; for `mode: async`, `wheel_async` is enough. Salt itself checks your permissions.
 */
export type WheelRequest = {
  /** Always `wheel`. */
  type: "wheel";
  id?: Id;
  token?: Token;
  traceparent?: Traceparent;
  /** The full name of the function to run, such as `key.list_all`. */
  method?: Fun;
  /** The same as `method`, under Salt's name. Send exactly one of the two. */
  fun?: Fun;
  args?: Arg;
  /** The same as `args`, under Salt's name. Send at most one of the two. */
  arg?: Arg;
  /**
   * Keyword arguments of the function, by name, with any values. Names that Salt uses itself in a wheel call (`cmd`,
   * `fun`, `token`, `user`, `key`, `eauth`, `username`, `password`, `print_event`, and those that start with `_`) are
   * refused.
   */
  kwargs?: Kwarg;
  /** The same as `kwargs`, under Salt's name. Send at most one of the two. */
  kwarg?: Kwarg;
  /**
   * `async` replies as soon as the function has started. `sync` replies with its return, or with the error `timeout`
   * after `timeout` seconds.
   */
  mode?: Mode;
  /**
   * Seconds that a `sync` request waits for the return. The function continues after that. It has no effect on `async`
   * requests.
   */
  timeout?: Timeout;
  /**
   * With `mode: sync`: whether the reply is an object with `jid`, `tag`, `return` and `success`, instead of only the
   * return.
   */
  full?: boolean;
};

/**
 * With `mode: async`: the id of the run and the start of its tags, as soon as the function has started. With `mode:
 * sync`: the return of the function, any value; with `full`, the run with its return.
 */
export type WheelResult = unknown;

/** Returns your user, the times of your token, and your permissions in Salt's present configuration. */
export type WhoamiRequest = {
  /** Always `whoami`. */
  type: "whoami";
  id?: Id;
  token?: Token;
  traceparent?: Traceparent;
};

/** The user, the token's times and the permissions. */
export type WhoamiResult = {
  /** The user's name. */
  user: string;
  /** The backend that the user logged in with. */
  eauth: string;
  /** When the token was created, in seconds since 1970-01-01 UTC. */
  start: UnixTime;
  /** When the token expires, in seconds since 1970-01-01 UTC. */
  expire: UnixTime;
  perms: Perms;
  /** A summary of the permissions that are not those of a single function. */
  can: {
    /** Whether the user may run every function on every minion (a plain `.*` entry). */
    all: boolean;
    /**
     * Which further events the user sees, in addition to those of jobs, minions and keys: true for all, false for
     * none, or a list of patterns of tags (the `@events` entries).
     */
    events: (boolean | Array<string>);
    /**
     * Which events the user may fire: true for all that clients may fire, false for none, or a list of patterns of
     * tags (the `@fire` entries).
     */
    fire: (boolean | Array<string>);
    /** Whether the user sees every job (users who may run the runner `jobs.lookup_jid`). */
    jobs: boolean;
    /** Whether the user sees keys and their events (users who may run the wheel `key.list_all`). */
    keys: boolean;
  };
};

/** One event of the master's bus that you may see. Values of passwords, tokens and keys are removed. */
export type EventFrame = {
  /** Always `event`. */
  type: "event";
  /** The number of the subscription. */
  subscription: Subscription;
  /** The event's number in this epoch, for resuming (`since`). */
  seq: Seq;
  /** The event's tag. */
  tag: string;
  /** The event's data. For an event that a minion sent itself, the minion's data. */
  data: unknown;
  /** The id of the minion that sent the event itself (by `event.send` or `event.fire_master`). Missing in other events. */
  minion?: string;
  /** The id of the master whose event it is, where there is more than one. */
  master?: string;
  /** For an event of another master: its position there, for `since` at any of the masters. */
  origin?: Position;
};

/**
 * Several events in one frame, only for a subscription with `bundle: true`. On an idle connection, events are sent at
 * once. Under load a frame is sent every 20 ms, or every 50 ms if very many clients get the same events. A frame has
 * at least one event, and at most 256 events or 256 KiB.
 */
export type EventsFrame = {
  /** Always `events`. */
  type: "events";
  /** The number of the subscription. */
  subscription: Subscription;
  /** The events, in order. */
  events: Array<{
    /** The event's number in this epoch, for resuming (`since`). */
    seq: Seq;
    /** The event's tag. */
    tag: string;
    /** The event's data. For an event that a minion sent itself, the minion's data. */
    data: unknown;
    /** The id of the minion that sent the event itself. Missing in other events. */
    minion?: string;
    /** The id of the master whose event it is, where there is more than one. */
    master?: string;
    /** For an event of another master: its position there. */
    origin?: Position;
  }>;
};

/**
 * A job, and its minions that changed. The snapshot at the start is split into frames of at most 500 minions and about
 * 1 MiB, each with the current state of the job; so are larger changes. Changes follow after `live`: at most 10 per
 * second for one job, and always the last state.
 */
export type JobFrame = {
  /** Always `job`. */
  type: "job";
  /** The number of the subscription. */
  subscription: Subscription;
  /** The position in the history of this state of the job. */
  seq: Seq;
  /** The id of the job. */
  jid: Jid;
  /** The job object without its `minions`. */
  job: JobSummary;
  /** The whole parts of the minions that changed, by minion id. Other minions are unchanged. */
  minions: Record<string, JobMinion>;
};

/**
 * A batch, and its requests that changed. If you subscribed to one batch, the snapshot at the start is split into
 * frames of at most 500 requests and about 1 MiB, each with the current state of the batch; so are larger changes.
 * Changes follow after `live`: at most 10 per second for one batch, and always the last state. The cost of a frame
 * depends on what changed, not on the size of the batch.
 */
export type BatchFrame = {
  /** Always `batch`. */
  type: "batch";
  /** The number of the subscription. */
  subscription: Subscription;
  /** The position in the history of this state of the batch. */
  seq: Seq;
  /** The batch object without its requests. */
  batch: BatchSummary;
  /**
   * The whole requests that changed. Other requests are unchanged. Empty if you subscribed to all batches, or with
   * `collection: false`.
   */
  requests: Array<Request>;
};

/**
 * Minions that changed. The snapshot at the start is split into frames of at most 500 minions and about 1 MiB; so are
 * larger changes. Changes follow after `live`.
 */
export type MinionsFrame = {
  /** Always `minions`. */
  type: "minions";
  /** The number of the subscription. */
  subscription: Subscription;
  /** The position in the history of this state of the minions. */
  seq: Seq;
  /** The minions that changed, by minion id. */
  minions: Record<string, (Minion | null)>;
};

/**
 * All of the snapshot of a `job`, `minions` or `batch` subscription was sent, or all that changed since your position.
 * Changes follow.
 */
export type LiveFrame = {
  /** Always `live`. */
  type: "live";
  /** The number of the subscription. */
  subscription: Subscription;
  /** The position in the history of the snapshot. */
  seq: Seq;
  /** Your position, to resume from. */
  position?: SnapshotPosition;
};

/**
 * Events are missing at this point of the stream. Nothing is ever omitted without this frame. With `master` in
 * `subscribe` there is none for what other masters lost. Clients that derive a state from events must rebuild it.
 */
export type GapFrame = {
  /** Always `gap`. */
  type: "gap";
  /** The number of the subscription. */
  subscription: Subscription;
  /**
   * `history`: events after `since` are no longer in the history. `bus`: the engine lost the master's bus for a while.
   * `restart`: the engine did not run from `from_time` to `to_time`. `epoch`: `since` is of another epoch or from the
   * future; the stream continues from now. `overflow`: you read too slowly, with `overflow: drop`.
   */
  reason: ("history" | "bus" | "restart" | "epoch" | "overflow");
  /**
   * How many are missing: numbers of the history, whether or not you may see the events, or with `overflow` frames of
   * this subscription. Null if unknown.
   */
  count: (number | null);
  /** The number of the first event that may be missing; null if unknown. */
  from: (number | null);
  /** The number of the last event that may be missing; null if unknown. */
  to: (number | null);
  /** The number of the oldest event in the history. */
  oldest: Seq;
  /** With `restart`: when it stopped, in ISO 8601 and UTC. Events up to then are not missing. */
  from_time?: string;
  /** With `restart`: when it read the bus again, in ISO 8601 and UTC. */
  to_time?: string;
  /** Where masters share a stream: the masters of which events may be missing, by id. Missing if it is this one. */
  masters?: Record<string, {
    /** Why events of this master may be missing. */
    reason: ("history" | "bus" | "restart" | "epoch");
    epoch?: Epoch;
    /** The position at this master after the gap. Missing for an unknown master. */
    seq?: Seq;
  }>;
};

/**
 * A position to resume from. For `event`: all events up to it were examined; a quiet subscription gets one at least
 * every 60 seconds. For `job`, `minions` and `batch`: you have all changes up to `position`; it follows changes within
 * ten seconds.
 */
export type BookmarkFrame = {
  /** Always `bookmark`. */
  type: "bookmark";
  /** The number of the subscription. */
  subscription: Subscription;
  epoch: Epoch;
  /** The number of the last event that was examined for this subscription. */
  seq: Seq;
  /** Where masters share a stream: the position at each of them. */
  since?: Positions;
  /** For `job`, `minions` and `batch`: your position, to resume from. */
  position?: SnapshotPosition;
};

/** The subscription's token or permission is gone. It sends no further frames. */
export type EndedFrame = {
  /** Always `ended`. */
  type: "ended";
  /** The number of the subscription. */
  subscription: Subscription;
  error: Error;
};

export type Frame = EventFrame | EventsFrame | JobFrame | BatchFrame | MinionsFrame | LiveFrame | GapFrame | BookmarkFrame | EndedFrame;

/** The requests by operation. */
export interface Requests {
  auth: AuthRequest;
  batch: BatchRequest;
  cancel: CancelRequest;
  cancel_batch: CancelBatchRequest;
  cmd: CmdRequest;
  describe: DescribeRequest;
  event: EventRequest;
  functions: FunctionsRequest;
  get_batch: GetBatchRequest;
  get_event: GetEventRequest;
  get_job: GetJobRequest;
  hook: HookRequest;
  list_batches: ListBatchesRequest;
  list_jobs: ListJobsRequest;
  list_minions: ListMinionsRequest;
  logout: LogoutRequest;
  match: MatchRequest;
  pause_batch: PauseBatchRequest;
  ping: PingRequest;
  resume_batch: ResumeBatchRequest;
  runner: RunnerRequest;
  signature: SignatureRequest;
  subscribe: SubscribeRequest;
  unsubscribe: UnsubscribeRequest;
  wheel: WheelRequest;
  whoami: WhoamiRequest;
}

/** The results by operation. */
export interface Results {
  auth: AuthResult;
  batch: BatchResult;
  cancel: CancelResult;
  cancel_batch: CancelBatchResult;
  cmd: CmdResult;
  describe: DescribeResult;
  event: EventResult;
  functions: FunctionsResult;
  get_batch: GetBatchResult;
  get_event: GetEventResult;
  get_job: GetJobResult;
  hook: HookResult;
  list_batches: ListBatchesResult;
  list_jobs: ListJobsResult;
  list_minions: ListMinionsResult;
  logout: LogoutResult;
  match: MatchResult;
  pause_batch: PauseBatchResult;
  ping: PingResult;
  resume_batch: ResumeBatchResult;
  runner: RunnerResult;
  signature: SignatureResult;
  subscribe: SubscribeResult;
  unsubscribe: UnsubscribeResult;
  wheel: WheelResult;
  whoami: WhoamiResult;
}
