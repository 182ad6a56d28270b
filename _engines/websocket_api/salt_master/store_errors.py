"""One error for all the ways in which Salt's stores fail."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import ApiError

log = logging.getLogger(__name__)


@contextmanager
def report_failures(store: str, level: int = logging.WARNING) -> Iterator[None]:
    """Turn every exception of one of Salt's stores into ``master_unavailable``, and log it.

    Each driver and returner raises its own kinds: SaltCacheError, CommandExecutionError, OSError, ConnectionError.

    :param store: the name of the store in a sentence: "the job cache"
    :param level: of the log line; DEBUG if the caller retries often and logs a failure once
    :raises ApiError: ``master_unavailable``
    """
    try:
        yield
    except ApiError:
        raise
    except Exception as error:  # noqa: BLE001 - see above
        kind = type(error).__name__
        log.log(level, "%s fails: %s: %s", store, kind, error)
        raise ApiError("master_unavailable", f"{store} of the master fails ({kind}); try again later") from None
