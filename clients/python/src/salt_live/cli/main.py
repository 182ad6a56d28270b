"""Start a verb; turn each error into one line and an exit code."""

from __future__ import annotations

import asyncio
import gc
import importlib
import logging
import os
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from salt_live.cli import exit_codes
from salt_live.cli.config import ConfigError, home, load
from salt_live.cli.parser import HelpWanted, UsageError, parse
from salt_live.cli.text import one_line

VERBS = {
    "cmd": ("cmd", "run"),
    "run": ("master", "run"),
    "wheel": ("master", "run"),
    "key": ("key", "run"),
    "events": ("events", "run"),
    "jobs": ("jobs", "run"),
    "job": ("jobs", "run_job"),
    "batch": ("batch", "run"),
    "minions": ("minions", "run"),
    "login": ("account", "login"),
    "logout": ("account", "logout"),
    "whoami": ("account", "whoami"),
    "completion": ("completion", "run"),
}
"""The module below ``verbs`` and the function of each verb."""


def main(argv: list[str] | None = None) -> int:
    """Run the command; return its exit code."""
    words = sys.argv[1:] if argv is None else argv
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        code = _run(words)
        sys.stdout.flush()
    except BrokenPipeError:
        from salt_live.cli.screen import hide_broken_pipe

        hide_broken_pipe()
        return exit_codes.PIPE_CLOSED
    finally:
        gc.freeze()  # else Python looks for garbage at its exit, which takes 20 ms
    return code


def _run(words: list[str]) -> int:
    if not words:
        words = ["--help"]
    try:
        options = parse(words)
    except HelpWanted as help_wanted:
        sys.stdout.write(f"{help_wanted}\n")
        return exit_codes.OK
    except UsageError as fault:
        return _fail(f"{fault}; see salt-live --help", exit_codes.USAGE)
    if not options.verbose:
        logging.getLogger("salt_live").setLevel(logging.ERROR)
    try:
        return asyncio.run(_start(options))
    except BrokenPipeError:
        raise
    except KeyboardInterrupt:
        return _fail("interrupted", exit_codes.INTERRUPTED)
    except Exception as fault:
        if os.environ.get("SALT_LIVE_DEBUG"):
            raise
        return _explain(fault)


async def _start(options: Any) -> int:
    """Run the verb."""
    from salt_live.cli.login import Login
    from salt_live.cli.screen import Screen
    from salt_live.cli.verbs.context import Context

    config = load(options, os.environ, home())
    screen = Screen(options, os.environ)
    # A shell that completes words reads the terminal itself.
    asked = sys.stdin.isatty() and not options.non_interactive and options.verb != "completion"
    keep = options.make_token or options.verb == "login" or not options.password
    login = Login(config, keep=keep, ask=asked, warn=screen.note)
    module, name = VERBS[options.verb]
    found = getattr(importlib.import_module(f"salt_live.cli.verbs.{module}"), name)
    context = Context(options, screen, login)
    try:
        if module == "master":
            return int(await found(context, "runner" if options.verb == "run" else "wheel"))
        verb: Callable[[Context], Awaitable[int]] = found
        return await verb(context)
    finally:
        screen.close()


def _explain(fault: Exception) -> int:
    """Write one line about an error, and return its exit code."""
    from salt_live import error_codes, errors
    from salt_live.cli.interrupts import Detached
    from salt_live.cli.login import NoLogin
    from salt_live.cli.output.forms import UnknownForm

    text = str(fault)
    if isinstance(fault, Detached):
        return _fail(text, exit_codes.INTERRUPTED) if text else exit_codes.INTERRUPTED
    if isinstance(fault, UsageError | UnknownForm | ConfigError):
        return _fail(text, exit_codes.USAGE)
    if isinstance(fault, NoLogin):
        return _fail(text, exit_codes.NO_RETURN)
    if isinstance(fault, EOFError):
        return _fail("no login: the question was not answered", exit_codes.NO_RETURN)
    if isinstance(fault, errors.LoginFailed):
        return _fail(text, exit_codes.NO_RETURN)
    if isinstance(fault, errors.ConnectionFailed):
        return _fail(
            text.replace(" as ca", " to --ca"),
            exit_codes.UNAVAILABLE,
        )
    if isinstance(fault, errors.Unknown):
        return _fail("the connection broke; whether the command started is unknown: see salt-live jobs", 69)
    if isinstance(fault, error_codes.Forbidden):
        return _fail(text, exit_codes.DENIED)
    if isinstance(fault, error_codes.UnknownType):
        return _fail(text, exit_codes.USAGE)
    if isinstance(fault, errors.ApiError):
        return _fail(text, exit_codes.TEMPORARY if fault.retryable else exit_codes.FAILED)
    if isinstance(fault, OSError):
        return _fail(f"{fault.filename or 'error'}: {fault.strerror or fault}", exit_codes.FAILED)
    return _fail(f"internal error: {type(fault).__name__}: {text}; set SALT_LIVE_DEBUG=1 to see where", 70)


def _fail(text: str, code: int) -> int:
    sys.stderr.write(f"salt-live: {one_line(text)}\n")
    return code
