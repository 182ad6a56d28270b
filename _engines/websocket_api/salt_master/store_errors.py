"""One answer to all the ways in which Salt's stores fail."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import ApiError

log = logging.getLogger(__name__)


@contextmanager
def answering(store: str) -> Iterator[None]:
    """Turn what a store of Salt's raises into ``master_unavailable``, with a line in the log.

    Every driver and returner has its own kinds: SaltCacheError, CommandExecutionError, OSError, redis' ConnectionError.

    :param store: what failed, as it stands in a sentence: "the job cache"
    """
    try:
        yield
    except ApiError:
        raise
    except Exception as exc:  # noqa: BLE001 - see above
        log.warning("%s fails: %s: %s", store, type(exc).__name__, exc)
        raise ApiError("master_unavailable", f"{store.capitalize()} of the master does not answer.") from None
