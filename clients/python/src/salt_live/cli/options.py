"""The options of each verb: those of `salt`, `salt-run`, `salt-key` and pepper under their own names."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

Parser = argparse.ArgumentParser
TARGETS = (
    ("-C", "--compound", "compound"),
    ("-E", "--pcre", "pcre"),
    ("-G", "--grain", "grain"),
    ("-I", "--pillar", "pillar"),
    ("-L", "--list", "list"),
    ("-N", "--nodegroup", "nodegroup"),
    ("-P", "--grain-pcre", "grain_pcre"),
    ("-J", "--pillar-pcre", "pillar_pcre"),
    ("-R", "--range", "range"),
    ("-S", "--ipcidr", "ipcidr"),
)
"""The short and the long option of each type of target. Of Salt's own, -J and pillar_exact have no other name."""


def flag(parser: Any, *names: str, **more: Any) -> None:
    """Add an option without a value."""
    parser.add_argument(*names, action="store_true", **more)


def connection(parser: Parser) -> None:
    """Add the options that choose the server and the user: pepper's, and those for TLS."""
    add = parser.add_argument
    add("-u", "--url", "--saltapi-url", dest="url")
    add("-a", "--auth", "--eauth", "--external-auth", "--extended-auth", dest="eauth")
    add("--username")
    add("--password")
    add("-c", "--config", dest="config")
    add("-p", "--profile", dest="profile")
    add("-x", dest="cache")
    add("--ca")
    flag(parser, "-T", "--make-token", "--mktoken", dest="make_token")
    flag(parser, "--insecure", "--ignore-ssl-errors")
    flag(parser, "--non-interactive")
    flag(parser, "-v", "--verbose")


def outputs(parser: Parser) -> None:
    """Add the options that choose the output form."""
    add = parser.add_argument
    add("-o", "--out", "--output", dest="out")
    add("--out-indent", "--output-indent", dest="out_indent")
    add("--out-file", "--output-file", dest="out_file")
    add("--out-file-append", "--output-file-append", dest="out_file_append")
    flag(parser, "--no-color", "--no-colour")
    flag(parser, "--force-color", "--force-colour")
    add("--state-output", "--state_output", default="full")
    add("--state-verbose", "--state_verbose", default="true")
    flag(parser, "--output-diff", dest="state_output_diff")
    flag(parser, "-q", "--quiet")


def target(parser: Parser) -> None:
    """Add the options for the type of the target."""
    for short, long, kind in TARGETS:
        parser.add_argument(short, long, dest="tgt_type", action="store_const", const=kind, default="glob")
    parser.add_argument("--delimiter")


def failing(parser: Parser) -> None:
    """Add the options that choose the exit code."""
    for name in ("--retcode-passthrough", "--fail-any", "--fail-any-none", "--fail-all", "--fail-all-none"):
        flag(parser, name)
    flag(parser, "--fail-if-incomplete", dest="fail_if_incomplete")


def minions(parser: Parser) -> None:
    """Add what `salt` takes: a target, a function and its arguments."""
    target(parser)
    failing(parser)
    add = parser.add_argument
    add("-t", "--timeout", type=float, default=None)
    flag(parser, "-s", "--static")
    flag(parser, "--async", dest="asynchronous")
    flag(parser, "--failhard")
    flag(parser, "--hide-timeout")
    flag(parser, "--show-timeout")
    flag(parser, "--show-jid")
    flag(parser, "--summary")
    flag(parser, "--progress")
    flag(parser, "-d", "--doc", "--documentation", dest="doc")
    flag(parser, "--preview-target")
    add("-b", "--batch", "--batch-size", dest="batch")
    add("--subset", type=int, default=0)
    add("--return", dest="returner")
    add("--metadata")
    add("--args-separator", default=",")
    add("--client", choices=("local", "local_async", "runner", "wheel"), default="local")
    add("words", nargs="*")


def master(parser: Parser) -> None:
    """Add what `salt-run` takes: a function and its arguments."""
    add = parser.add_argument
    add("-t", "--timeout", type=float, default=None)
    flag(parser, "--async", dest="asynchronous")
    flag(parser, "--skip-kwargs")
    flag(parser, "-d", "--doc", "--documentation", dest="doc")
    add("words", nargs="*")


def key(parser: Parser) -> None:
    """Add what `salt-key` takes, and the same as words: ``list``, ``accept ID``, ``reject ID``, ``finger``."""
    add = parser.add_argument
    add("-l", "--list")
    flag(parser, "-L", "--list-all")
    for short, name in (("-a", "accept"), ("-r", "reject"), ("-d", "delete"), ("", "print"), ("-f", "finger")):
        add(*filter(None, [short]), f"--{name}", dest=name)  # -p is a profile
    for short, name in (("-A", "accept"), ("-R", "reject"), ("-D", "delete"), ("-P", "print"), ("-F", "finger")):
        flag(parser, short, f"--{name}-all", dest=f"{name}_all")
    flag(parser, "-y", "--yes")
    for name in ("all", "accepted", "rejected", "denied"):
        flag(parser, f"--include-{name}", dest=f"include_{name}")
    add("words", nargs="*")


def events(parser: Parser) -> None:
    """Add the arguments of the runner ``state.event``, and those to resume."""
    add = parser.add_argument
    add("--count", type=int, default=-1)
    add("--match-type", default=None, choices=("startswith", "endswith", "find", "fnmatch", "regex"))
    add("--since")
    add("--master")
    flag(parser, "--pretty")
    flag(parser, "--json", dest="json_lines")
    add("words", nargs="*")


def jobs(parser: Parser) -> None:
    """Add the filters of a list of jobs."""
    add = parser.add_argument
    flag(parser, "-w", "--watch")
    for name in ("--fun", "--user", "--state", "--kind", "--master", "--since", "--before"):
        add(name)
    add("-n", "--limit", type=int, default=20)


def job(parser: Parser) -> None:
    """Add what `job JID` takes."""
    failing(parser)
    flag(parser, "-w", "--watch")
    flag(parser, "--kill")
    parser.add_argument("-t", "--timeout", type=float, default=None)
    parser.add_argument("words", nargs="*")


def batch(parser: Parser) -> None:
    """Add what `batch` takes: a target and a function, or an id."""
    target(parser)
    flag(parser, "-w", "--watch")
    flag(parser, "--cancel")
    flag(parser, "--async", dest="asynchronous")
    flag(parser, "--failhard")
    parser.add_argument("-b", "--batch", "--batch-size", dest="batch", default="")
    parser.add_argument("--name", default=None)
    parser.add_argument("--master")
    parser.add_argument("-t", "--timeout", type=int, default=None)
    parser.add_argument("-n", "--limit", type=int, default=20)
    parser.add_argument("words", nargs="*")


def minion_list(parser: Parser) -> None:
    """Add what `minions` takes: a target, or nothing."""
    target(parser)
    flag(parser, "--grains")
    flag(parser, "--up")
    flag(parser, "--down")
    parser.add_argument("--master")
    parser.add_argument("words", nargs="*")


def nothing(parser: Parser) -> None:
    """Add nothing."""


def words(parser: Parser) -> None:
    """Add words."""
    parser.add_argument("words", nargs="*")


ADD: dict[str, Callable[[Parser], None]] = {
    "cmd": minions,
    "run": master,
    "wheel": master,
    "key": key,
    "events": events,
    "jobs": jobs,
    "job": job,
    "batch": batch,
    "minions": minion_list,
    "login": nothing,
    "logout": nothing,
    "whoami": nothing,
    "completion": words,
}
"""What adds the options of each verb; ``cmd`` is the default and need not be typed."""
