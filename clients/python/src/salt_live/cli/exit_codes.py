"""The exit codes of ``salt-live``: those of Salt, where Salt has one.

OK: every minion returned and none failed. FAILED: a minion failed or did not return, as `salt` ends then.
"""

OK = 0
FAILED = 1
NO_RETURN = 2  # the target matches no minion, or the login is refused: as `salt`
USAGE = 64  # EX_USAGE, as Salt's own parsers
UNAVAILABLE = 69  # EX_UNAVAILABLE: no connection, or it was lost and the outcome is unknown
INTERNAL = 70  # EX_SOFTWARE
TEMPORARY = 75  # EX_TEMPFAIL: a limit is reached, or there was no answer in time; try again
DENIED = 77  # EX_NOPERM
INTERRUPTED = 130  # Ctrl-C: detached; the job continues
PIPE_CLOSED = 141  # the reader of stdout has gone: as a shell reports SIGPIPE
