"""Log handlers of Salt's log_handlers modules, such as sentry's, in a process that was forked."""

from __future__ import annotations

from salt._logging import setup_logging, shutdown_logging
from salt._logging.impl import setup_extended_logging


def renew() -> None:
    """Set up logging again, as Salt does in each process that it starts: such handlers may have a thread or a socket.

    Without such handlers nothing is done: those of the console and of the log file need none of this.
    """
    if getattr(setup_extended_logging, "__handlers__", None):
        shutdown_logging()
        setup_logging()
